"""Malformed requests of every kind: never a failure, never a changed world after an error.

The same requests each time, so that nobody's work is held up by chance; with
`ASTAKOS_FUZZ_EXAMPLES=20000` so many new ones are tried.
"""

from __future__ import annotations

import os
import socket

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from astakos_worker.sandbox.routes import ROUTE_NAMES
from tests.fuzz.samples import sampled_operations
from tests.fuzz.spoiling import requests, single_faults
from tests.fuzz.under_fire import PATIENCE

EXAMPLES = int(os.environ.get("ASTAKOS_FUZZ_EXAMPLES", "0"))


def often(examples):
    return settings(
        max_examples=EXAMPLES or examples,
        derandomize=not EXAMPLES,
        deadline=None,
        database=None,
        # What is drawn is large here and there, on purpose.
        suppress_health_check=list(HealthCheck),
    )


def test_there_is_a_sample_of_every_call():
    assert sampled_operations() == set(ROUTE_NAMES)


def test_one_thing_wrong_is_refused_properly_whatever_and_wherever_it_is(fuzzed):
    """Each place of each call with each odd value in it, one after the other."""
    count = 0
    for request in single_faults():
        fuzzed.start_over()
        fuzzed.check(request)
        count += 1
    assert count > 2500


@given(request=requests())
@often(2000)
def test_no_request_makes_it_fail_hang_or_change_something_and_refuse(fuzzed, request):
    fuzzed.start_over()
    fuzzed.check(request)


LINES = st.sampled_from(
    [
        b"POST /account/v1.0/commissions HTTP/1.1",
        b"GET / HTTP/9.9",
        b"GET /account/v1.0/resources",
        b"Host: x",
        b"Content-Length: 5",
        b"Content-Length: -1",
        b"Content-Length: 99999999999999999999",
        b"Transfer-Encoding: chunked",
        b"Connection: upgrade",
        b"Upgrade: websocket",
        b"X-Auth-Token: component",
        b": no name",
        b"",
        b"ffffffffffffffff",
        b"\x00\xff",
    ]
)


@given(lines=st.lists(st.one_of(LINES, st.binary(max_size=20)), min_size=1, max_size=8))
@often(250)
def test_bytes_that_are_no_request_are_answered_or_dropped(fuzzed, lines):
    fuzzed.start_over()
    before = fuzzed.state()
    address = ("127.0.0.1", fuzzed.server.port)
    with socket.create_connection(address, timeout=PATIENCE) as peer:
        try:
            peer.sendall(b"\r\n".join(lines) + b"\r\n\r\n")
            peer.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: peer.recv(65536), b""))
        except ConnectionError:
            answer = b""
    assert not answer or answer.startswith(b"HTTP/1.1 ")
    assert not answer.startswith(b"HTTP/1.1 5")
    assert fuzzed.state() == before
