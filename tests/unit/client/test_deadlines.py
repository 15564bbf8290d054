"""A call ends by its deadline, whatever the peer does with its bytes (F58)."""

import threading
import time

import pytest

from astakosclient import AstakosClientException, ConnectionError, Outcome  # noqa: A004 - ours

HOLDING = {"holder": "user:u", "source": "project:p", "resource": "cyclades.vm", "quantity": 1}
# Far beyond the deadline, far below what the peers would take.
SOON = 5


def timed_failure(call, *args):
    began = time.monotonic()
    with pytest.raises(AstakosClientException) as caught:
        call(*args)
    assert time.monotonic() - began < SOON
    assert isinstance(caught.value, ConnectionError)
    assert isinstance(caught.value.errobject, TimeoutError)
    return caught.value


@pytest.fixture(params=["http", "https"])
def slow_peer(request, new_peer):
    return new_peer(tls=request.param == "https")


@pytest.fixture
def client(slow_peer, client_of, authorities):
    """A client that has a connection already."""
    client = client_of(slow_peer, verify=authorities, use_pool=True)
    client.get_resources()
    return client


@pytest.fixture
def hasty(client, hurry):
    hurry(client)
    return client


HEAD = b"HTTP/1.1 201 Created\r\nContent-Length: 1000\r\n\r\n"


@pytest.mark.parametrize(
    "content",
    [b"HTTP/1.1 201 Created\r\n" + b"X-Header: value\r\n" * 90, HEAD + b" " * 1000],
    ids=["headers", "body"],
)
def test_a_trickled_answer_is_ended(slow_peer, answer, hasty, content):
    """F58."""
    slow_peer.answers(answer.trickle(content, 0.05))
    error = timed_failure(hasty.issue_provisions, [HOLDING])
    assert error.outcome is Outcome.AMBIGUOUS
    assert str(error) == "no whole answer within 0.6 s"


def test_a_body_that_begins_quickly_and_then_trickles_is_ended(slow_peer, answer, hasty):
    """F58."""

    def move(sock):
        sock.sendall(HEAD)
        return answer.trickle(b" " * 1000, 0.05)(sock)

    slow_peer.answers(move)
    assert timed_failure(hasty.issue_provisions, [HOLDING]).outcome is Outcome.AMBIGUOUS


def test_an_answer_that_never_comes_is_ended(slow_peer, answer, hasty):
    slow_peer.answers(answer.hang)
    assert timed_failure(hasty.issue_provisions, [HOLDING]).outcome is Outcome.AMBIGUOUS


def test_a_read_on_a_kept_connection_is_not_begun_anew_after_its_deadline(slow_peer, answer, hasty):
    slow_peer.answers(answer.hang)
    slow_peer.got.clear()
    timed_failure(hasty.get_resources)
    assert len(slow_peer.asked) == 1


def test_a_peer_that_does_not_read_is_ended(slow_peer, answer, client, hurry):
    """A body larger than any buffer on the way never leaves."""
    heard = threading.Event()

    def answer_and_turn_away(sock):
        sock.sendall(answer.json({}))
        heard.wait(30)

    slow_peer.answers(answer_and_turn_away)
    client.get_resources()
    hurry(client)
    provisions = [{**HOLDING, "resource": "r" * 20_000_000}]
    try:
        error = timed_failure(client.issue_provisions, provisions)
    finally:
        heard.set()
    assert error.outcome is Outcome.AMBIGUOUS


def test_a_handshake_that_never_ends_is_not_sent(new_peer, client_of):
    """The peer speaks no TLS and keeps silent."""
    silent = new_peer()
    client = client_of(silent.url.replace("http:", "https:"), total_timeout=0.3)
    assert timed_failure(client.get_resources).outcome is Outcome.NOT_SENT


def test_a_connection_that_is_not_accepted_is_not_sent(client_of, mute_url):
    client = client_of(mute_url, connect_timeout=0.2)
    error = timed_failure(client.issue_provisions, [HOLDING])
    assert error.outcome is Outcome.NOT_SENT
    assert str(error) == "no connection within 0.2 s"


def test_connecting_counts_towards_the_whole(client_of, mute_url):
    client = client_of(mute_url, connect_timeout=60, total_timeout=0.2)
    assert timed_failure(client.issue_provisions, [HOLDING]).outcome is Outcome.NOT_SENT


def test_discovery_counts_towards_the_whole(peer, answer, client_of):
    """An issue is not begun when its discovery has taken the time."""
    client = client_of(peer, total_timeout=0.5)
    peer.catalog = answer.trickle(peer.catalog, 0.05)
    assert timed_failure(client.issue_provisions, [HOLDING]).outcome is Outcome.NOT_SENT
    assert peer.asked == []


def test_waiting_for_a_connection_of_the_pool_is_ended_and_not_sent(peer, hurry, client_of):
    client = client_of(peer, use_pool=True, pool_size=1)
    client.get_resources()
    hurry(client)
    taken = client._transport._pool.pool.get(timeout=5)
    with pytest.raises(ConnectionError) as caught:
        client.issue_provisions([HOLDING])
    assert caught.value.outcome is Outcome.NOT_SENT
    client._transport._pool.pool.put(taken)
