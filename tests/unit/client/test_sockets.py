"""What a socket notes: whether something of a request has left this machine."""

import contextlib
import select
import socket
import struct
import threading
import time

import pytest

from astakosclient import (
    ConnectionError,  # noqa: A004 - the protocol's name
    Outcome,
)
from astakosclient.exchange import Exchange, TimedSocket


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
