"""A request is sent again only where that can do no harm (the protocol, section 4.3)."""

import threading
import time

import pytest

from astakosclient import AstakosClientException, ConnectionError, Outcome  # noqa: A004 - ours
from astakosclient.endpoints import Endpoints

HOLDING = {"holder": "user:u", "source": "project:p", "resource": "cyclades.vm", "quantity": 1}
SERIAL = {"serial": 57}


def failure_of(call, *args):
    with pytest.raises(AstakosClientException) as caught:
        call(*args)
    return caught.value


def calls_that_change(client):
    return [
        lambda: client.issue_provisions([HOLDING]),
        lambda: client.accept_commission(57),
        lambda: client.resolve_commissions([57], []),
        lambda: client.create_project({}),
        lambda: client.modify_project("p", {}),
        lambda: client.join_project("p"),
        lambda: client.send_feedback("m", "d"),
        lambda: client.get_token("authorization_code", "id", "secret", code="c"),
    ]


def calls_that_read(client):
    return [
        client.get_resources,
        client.get_quotas,
        lambda: client.get_usernames(["u"]),
        lambda: client.service_get_uuids(["n"]),
        client.get_pending_commissions,
    ]


def test_c47_an_issue_that_was_cut_is_sent_once_and_is_ambiguous(peer, answer, client_of):
    client = client_of(peer, retry=3)
    peer.answers(answer.cut)
    error = failure_of(client.issue_provisions, [HOLDING])
    assert len(peer.asked) == 1
    assert isinstance(error, ConnectionError)
    assert error.ambiguous


@pytest.mark.parametrize("use_pool", [False, True])
def test_bug_3_nothing_that_changes_anything_is_sent_twice(peer, answer, client_of, use_pool):
    client = client_of(peer, retry=3, use_pool=use_pool)
    client.get_resources()
    for move in (answer.cut, answer.page(503), answer.page(500)):
        for call in calls_that_change(client):
            peer.got.clear()
            peer.answers(move)
            assert failure_of(call).outcome is Outcome.AMBIGUOUS
            assert len(peer.asked) == 1


@pytest.mark.parametrize("status", [300, 302, 400, 401, 403, 404, 405, 409, 413, 500])
def test_c48_bug_3_a_lasting_answer_is_taken_as_it_is(peer, answer, client_of, status):
    client = client_of(peer, retry=3)
    peer.answers(answer.plain(status))
    assert failure_of(client.get_resources).status == status
    assert len(peer.asked) == 1


def test_bug_3_an_answer_that_cannot_be_decoded_is_taken_as_it_is(peer, answer, client_of):
    client = client_of(peer, retry=3)
    peer.answers(answer.page(200))
    failure_of(client.get_resources)
    assert len(peer.asked) == 1


@pytest.mark.parametrize("which", range(5))
def test_c48_a_read_is_sent_again_after_a_503_or_a_cut(peer, answer, client_of, which):
    client = client_of(peer, retry=3)
    answered = (
        answer.json([57])
        if which == 4
        else answer.json({"uuid_catalog": {}, "displayname_catalog": {}})
    )
    peer.answers(answer.page(503), answer.cut, answer.page(502), answered)
    calls_that_read(client)[which]()
    assert len(peer.asked) == 4


def test_c48_discovery_is_sent_again_too(peer, answer, client_of):
    client = client_of(peer, retry=1)
    good, moves = peer.catalog, []

    def once(request):
        moves.append(request)
        return answer.page(503) if len(moves) == 1 else good

    once.wants_request = True
    peer.catalog = once
    client.get_resources()
    assert len(moves) == 2


def test_c48_a_refused_connection_is_tried_again_for_any_request(new_peer, client_of, answer):
    """The peer begins to listen at the third attempt; it may be in time for this one."""
    peer = new_peer(listening=False)
    peer.answers(answer.json(SERIAL, 201))
    client = client_of(peer, retry=1000)
    client._catalog = Endpoints("/some/account/v1.0", None, None)

    def listen_in_time():
        pool = client._transport._pool
        end = time.monotonic() + 20
        while pool.num_connections < 3 and time.monotonic() < end:
            time.sleep(0.01)
        peer.listen()

    thread = threading.Thread(target=listen_in_time)
    thread.start()
    try:
        assert client.issue_provisions([HOLDING]) == 57
    finally:
        thread.join(30)
    assert len(peer.got) == 1
    assert client._transport._pool.num_connections >= 3


def test_c48_attempts_to_connect_are_counted(client_of, dead_url):
    """Three pauses of at least 0.05, 0.1 and 0.2 s lie between four attempts."""
    client = client_of(dead_url, retry=3)
    began = time.monotonic()
    assert failure_of(client.issue_provisions, [HOLDING]).outcome is Outcome.NOT_SENT
    assert time.monotonic() - began >= 0.35


def test_without_retry_there_is_one_attempt(peer, answer, client):
    peer.answers(answer.page(503), answer.json({}))
    assert failure_of(client.get_resources).status == 503
    assert len(peer.asked) == 1


def test_pauses_end_with_the_deadline(peer, answer, client_of):
    client = client_of(peer, retry=1000, total_timeout=2)
    peer.answers(answer.page(503))
    began = time.monotonic()
    # The last attempt has what is left, and may end by its deadline.
    assert failure_of(client.get_resources).status in {503, 500}
    assert time.monotonic() - began < 10
    assert len(peer.asked) > 1
