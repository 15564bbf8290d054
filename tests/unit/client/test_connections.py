"""Connections are kept, shared, renewed and given up without a caller noticing."""

import contextlib
import dataclasses
import itertools
import re
import select
import socket
import struct
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest

from astakosclient import (
    AstakosClient,
    ConnectionError,  # noqa: A004 - the protocol's name
    Outcome,
)
from astakosclient.exchange import Exchange, TimedSocket

HOLDING = {"holder": "user:u", "source": "project:p", "resource": "cyclades.vm", "quantity": 1}


def echo(answer):
    """Answer a question about a commission with the serial that was asked for."""

    def move(request):
        serial = int(re.findall(r"\d+$", request.target)[0])
        return answer.json({"serial": serial, "name": "n"})

    move.wants_request = True
    return move


def test_without_a_pool_each_request_has_a_connection_of_its_own(peer, client):
    for _ in range(3):
        client.get_resources()
    assert [one.connection for one in peer.got] == [1, 2, 3, 4]
    assert {one.headers["connection"] for one in peer.got} == {"close"}


def test_with_a_pool_one_connection_serves_one_thread(peer, client_of):
    client = client_of(peer, use_pool=True)
    for _ in range(3):
        client.get_resources()
    assert {one.connection for one in peer.got} == {1}


@pytest.mark.parametrize("use_pool", [True, False])
def test_64_threads_each_get_their_own_answer(peer, answer, client_of, use_pool):
    client = client_of(peer, use_pool=use_pool, pool_size=8)
    peer.answers(echo(answer))
    serials = itertools.count(1)
    barrier = threading.Barrier(64)
    mistakes = []

    def ask():
        barrier.wait(30)
        for _ in range(4):
            serial = next(serials)
            info = client.get_commission_info(serial)
            if info["serial"] != serial:
                mistakes.append((serial, info))

    threads = [threading.Thread(target=ask) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert mistakes == []
    assert len(peer.asked) == 256
    if use_pool:
        assert peer.connections <= 8


def test_a_kept_connection_that_the_server_closed_is_replaced(peer, answer, client_of):
    client = client_of(peer, use_pool=True)
    peer.answers(answer.cut_off(answer.json({})), answer.json({"serial": 57}, 201))
    client.get_resources()
    # The end of the connection has arrived when the kept socket becomes readable.
    kept = client._transport._pool.pool.queue[-1].sock
    kept.settimeout(10)
    assert kept.recv(1, socket.MSG_PEEK) == b""
    assert client.issue_provisions([HOLDING]) == 57
    assert [one.connection for one in peer.asked] == [1, 2]


@pytest.mark.parametrize("call", ["get_resources", "get_quotas"])
def test_a_read_that_meets_a_stale_connection_is_sent_again_silently(peer, answer, client_of, call):
    client = client_of(peer, use_pool=True, retry=0)
    client.get_resources()
    peer.answers(answer.cut, answer.json({}))
    getattr(client, call)()
    assert [one.connection for one in peer.asked] == [1, 1, 2]


def test_a_read_is_sent_again_silently_only_once(peer, answer, client_of):
    client = client_of(peer, use_pool=True, retry=0)
    client.get_resources()
    peer.got.clear()
    peer.answers(answer.cut)
    with pytest.raises(ConnectionError):
        client.get_resources()
    assert len(peer.asked) == 2


def test_an_issue_that_meets_a_stale_connection_is_ambiguous(peer, answer, client_of):
    client = client_of(peer, use_pool=True, retry=3)
    client.get_resources()
    peer.got.clear()
    peer.answers(answer.cut)
    with pytest.raises(ConnectionError) as caught:
        client.issue_provisions([HOLDING])
    assert caught.value.outcome is Outcome.AMBIGUOUS
    assert len(peer.asked) == 1


def test_a_cut_connection_does_not_cost_the_pool_a_place(peer, answer, client_of):
    client = client_of(peer, use_pool=True, pool_size=1)
    client.get_resources()
    for move in (answer.cut, answer.cut_off(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")):
        peer.answers(move)
        with pytest.raises(ConnectionError):
            client.issue_provisions([HOLDING])
    peer.answers(answer.json({}))
    client.get_resources()


def test_a_fresh_issue_does_not_use_a_connection_that_rested(peer, answer, client_of):
    """F74."""
    client = client_of(peer, use_pool=True, fresh_within=0.01)
    client.get_resources()
    peer.answers(answer.json({"serial": 57}, 201))
    time.sleep(0.05)  # longer than fresh_within, which is what is tried
    client.issue_provisions([HOLDING], fresh=True)
    assert [one.connection for one in peer.asked] == [1, 2]


def test_a_fresh_issue_on_a_busy_lane_uses_the_kept_connection(peer, answer, client_of):
    """F74."""
    client = client_of(peer, use_pool=True, fresh_within=60)
    client.get_resources()
    peer.answers(answer.json({"serial": 57}, 201))
    client.issue_provisions([HOLDING], fresh=True)
    assert [one.connection for one in peer.asked] == [1, 1]


def test_an_issue_that_is_not_fresh_uses_whatever_is_kept(peer, answer, client_of):
    client = client_of(peer, use_pool=True, fresh_within=0.01)
    client.get_resources()
    peer.answers(answer.json({"serial": 57}, 201))
    time.sleep(0.05)  # as above
    client.issue_provisions([HOLDING])
    assert [one.connection for one in peer.asked] == [1, 1]


def test_a_closed_client_opens_a_connection_again(peer, client_of):
    client = client_of(peer, use_pool=True)
    client.get_resources()
    client.close()
    client.get_resources()
    assert [one.connection for one in peer.asked] == [1, 2]


FORKING = """
import os, sys
from astakosclient import AstakosClient
client = AstakosClient("a-token-that-nobody-may-see", sys.argv[1], use_pool=True, total_timeout=20)
client.get_commission_info(1)
child = os.fork()
if not child:
    good = client.get_commission_info(2)["serial"] == 2
    os._exit(0 if good else 1)
assert os.waitpid(child, 0)[1] == 0
assert client.get_commission_info(3)["serial"] == 3
"""


def test_a_forked_child_leaves_the_connections_of_its_parent_alone(peer, answer):
    peer.answers(echo(answer))
    subprocess.run([sys.executable, "-c", FORKING, peer.url], check=True, timeout=60)
    used = {one.target[-1]: one.connection for one in peer.asked}
    assert used == {"1": 1, "2": 2, "3": 1}


@pytest.fixture
def pair():
    """Two ends of a TCP connection, the near one timed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
    with TimedSocket(fileno=near.detach()) as timed, far:
        yield timed, far


def exchange_of(seconds):
    return Exchange(time.monotonic() + seconds, 5, keep=True, max_idle=None, secrets=())


def test_a_plain_send_that_fails_at_once_has_sent_nothing(pair):
    near, far = pair
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    far.close()
    assert select.select([near], [], [], 10)[0]  # the reset has arrived
    with exchange_of(5) as exchange:
        with pytest.raises(OSError, match=r"reset|Broken pipe"):
            near.sendall(b"request")
        assert not exchange.sent


def test_a_send_that_fails_half_way_has_sent_something(pair):
    near, _ = pair
    with exchange_of(1) as exchange:
        with pytest.raises(TimeoutError):
            near.sendall(b"x" * 50_000_000)
        assert exchange.sent


def test_each_send_tells_the_kernel_how_long_it_may_try_and_to_reset_on_close(pair):
    """F104."""
    near, far = pair
    with exchange_of(5) as exchange:
        near.sendall(b"request")
        allowed = near.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        assert 4000 < allowed <= 5000
        assert lingering(near) == (1, 0)
        far.sendall(b"answer")
        near.recv_into(bytearray(6))
        assert exchange.answered
        assert lingering(near) == (0, 0)


def lingering(sock):
    return struct.unpack("ii", sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8))


@pytest.fixture
def resetting_url():
    """An address that resets each connection as soon as it is there."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    def reset_each():
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.close()

    threads = [threading.Thread(target=reset_each, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    for thread in threads:
        thread.join(30)


def test_a_connection_that_is_reset_while_it_is_made_is_not_sent(resetting_url, client_of):
    """F4. urllib3 swallows a raw ConnectionResetError, and goes on without a socket."""
    met = []

    def call_often():
        client = client_of(resetting_url)
        for _ in range(100):
            try:
                client.get_pending_commissions()
            except Exception as error:  # noqa: BLE001 - of whatever class: that is the question
                met.append(error)

    threads = [threading.Thread(target=call_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert {type(error) for error in met} == {ConnectionError}
    assert {error.outcome for error in met} == {Outcome.NOT_SENT}  # discovery came first
    assert any(isinstance(error.errobject, ConnectionResetError) for error in met)
    assert len(met) == 400


def test_a_call_that_comes_too_late_for_the_pool_takes_nothing_from_it(peer, answer, client_of):
    """urllib3 frees a place of the pool for every error except its own EmptyPoolError."""
    client = client_of(peer, use_pool=True, pool_size=1)
    client.get_resources()
    asked, go_on = threading.Event(), threading.Event()

    def answer_late(sock):
        asked.set()
        go_on.wait(30)
        sock.sendall(answer.json({"serial": 57}, 201))
        return True

    peer.answers(answer_late)
    issued = []
    thread = threading.Thread(target=lambda: issued.append(client.issue_provisions([HOLDING])))
    thread.start()
    assert asked.wait(30)
    limits = client._limits
    client._limits = dataclasses.replace(limits, total_timeout=1e-9)
    with pytest.raises(ConnectionError) as caught:
        client.issue_provisions([HOLDING])
    assert caught.value.outcome is Outcome.NOT_SENT
    client._limits = limits
    go_on.set()
    thread.join(30)
    assert issued == [57]
    assert peer.connections == 1


def test_every_request_has_a_length_and_none_is_chunked(peer, answer, client):
    peer.answers(answer.json({"uuid_catalog": {}}))
    client.get_usernames(["u"])
    peer.answers(answer.json({}))
    client.get_resources()
    for one in peer.got:
        assert one.headers["content-length"] == str(len(one.body))
        assert "transfer-encoding" not in one.headers


def test_a_redirect_is_an_error_and_is_not_followed(peer, answer, client):
    peer.answers(answer.plain(307, b"", "Elsewhere", [f"Location: {peer.url}/other"]))
    with pytest.raises(Exception, match="Elsewhere"):
        client.get_resources()
    assert len(peer.asked) == 1


def test_headers_of_the_instance_go_with_every_request(peer, client_of, token):
    client = client_of(peer, headers={"X-Extra": "more", "X-Auth-Token": "not this one"})
    client.get_resources()
    assert {one.headers["x-extra"] for one in peer.got} == {"more"}
    assert {one.headers["x-auth-token"] for one in peer.got} == {token}


def test_another_token_is_used_from_the_next_call_on(peer, client):
    """F60."""
    client.get_resources()
    client.token = "another-token-just-as-good"
    client.get_resources()
    assert peer.asked[-1].headers["x-auth-token"] == "another-token-just-as-good"


def test_tls_is_verified_against_the_given_authorities(new_peer, client_of, authorities):
    peer = new_peer(tls=True)
    client = client_of(peer, verify=authorities, use_pool=True)
    assert client.get_resources() == {}
    assert client.get_resources() == {}
    assert {one.connection for one in peer.got} == {1}


def test_an_unknown_authority_is_refused_before_anything_is_sent(new_peer, client_of):
    peer = new_peer(tls=True)
    client = client_of(peer, retry=3)
    with pytest.raises(ConnectionError) as caught:
        client.get_resources()
    assert caught.value.outcome is Outcome.NOT_SENT
    assert peer.got == []
    assert peer.connections == 1


def test_the_authorities_may_come_from_the_environment(
    new_peer, client_of, authorities, monkeypatch
):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", authorities)
    assert client_of(new_peer(tls=True)).get_resources() == {}


def test_verification_may_be_switched_off_and_urllib3_says_so(new_peer, client_of):
    client = client_of(new_peer(tls=True), verify=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert client.get_resources() == {}
    assert {one.category.__name__ for one in caught} == {"InsecureRequestWarning"}


def test_a_proxy_of_the_environment_is_used(peer, answer, client_of, monkeypatch):
    monkeypatch.setenv("http_proxy", peer.url)
    client = client_of("http://accounts.example.org", use_pool=True)
    assert client.get_resources() == {}
    assert [one.target for one in peer.got] == [
        "http://accounts.example.org/identity/v2.0/tokens",
        "http://accounts.example.org/some/account/v1.0/resources",
    ]


def test_no_proxy_is_honoured(peer, client_of, dead_url, monkeypatch):
    monkeypatch.setenv("http_proxy", dead_url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert client_of(peer).get_resources() == {}


@pytest.mark.parametrize("tls", [False, True])
def test_tls_goes_through_a_tunnel_of_the_proxy(  # noqa: PLR0917 # fixtures
    new_peer, new_tunnel, answer, client_of, authorities, monkeypatch, tls
):
    """Also if the client speaks TLS with the proxy itself. Deadlines hold through both layers."""
    tunnel = new_tunnel(tls=tls)
    monkeypatch.setenv("https_proxy", tunnel.url)
    peer = new_peer(tls=True)
    client = client_of(peer, verify=authorities, use_pool=True)
    assert client.get_resources() == {}
    peer.answers(answer.json({"serial": 57}, 201), answer.cut, answer.hang)
    assert client.issue_provisions([{**HOLDING, "resource": "r" * 500_000}]) == 57
    with pytest.raises(ConnectionError) as caught:
        client.issue_provisions([HOLDING])
    assert caught.value.outcome is Outcome.AMBIGUOUS
    client._limits = dataclasses.replace(client._limits, total_timeout=2)
    with pytest.raises(ConnectionError, match="no whole answer") as caught:
        client.issue_provisions([HOLDING])
    assert caught.value.outcome is Outcome.AMBIGUOUS
    assert {one.method for one in tunnel.got} == {"CONNECT"}
    assert "x-auth-token" not in tunnel.got[0].headers


def test_a_proxy_that_refuses_the_tunnel_has_seen_nothing_of_the_request(  # noqa: PLR0917 # fixtures
    new_peer, peer, answer, client_of, authorities, monkeypatch
):
    monkeypatch.setenv("https_proxy", peer.url)
    peer.answers(answer.page(403))
    client = client_of("https://accounts.example.org", verify=authorities)
    with pytest.raises(ConnectionError) as caught:
        client.issue_provisions([HOLDING])
    assert caught.value.outcome is Outcome.NOT_SENT


def test_the_client_opens_nothing_and_starts_nothing_by_being_made():
    before = threading.active_count(), len(list(Path("/dev/fd").iterdir()))
    client = AstakosClient("token", "https://accounts.example.org", use_pool=True)
    after = threading.active_count(), len(list(Path("/dev/fd").iterdir()))
    assert before == after
    assert client._processes == {}
