"""A commission's way from a service's call to Astakos and back, with real workers."""

import threading

import pytest
from redis import Redis

from astakos_worker import DecisionConflict, KeyConflict
from astakos_worker.configuration import names
from astakosclient import NotFound, QuotaLimit
from tests.integration.cluster.until import until


@pytest.fixture
def cluster(shared_cluster):
    return shared_cluster


def test_one_that_is_beyond_the_quota_raises_with_figures(service):
    """F12: refused by Astakos in its own words, with the figures of what was sent."""
    commission = service.issue("too-much", user=service.tiny, quantity=10**6)
    with pytest.raises(QuotaLimit) as caught:
        commission.outcome(10)
    assert caught.value.resource == "cyclades.vm" and caught.value.quantity == 10**6
    assert service.used(service.tiny) == (0, 0)
    with pytest.raises(QuotaLimit):
        commission.accept()
    commission.reject()  # nothing to do, and nothing to complain about


def test_an_accept_that_comes_first_is_remembered(service):
    """F20: the decision stands in the ledger before there is a serial."""
    service.cluster.worker.container.pause()
    service.issue("early", accept=True)
    service.issue("later").accept()
    service.cluster.worker.container.resume()
    for key in ("early", "later"):
        assert service.commissions.outcome(key, 20).state == "accepted"
    assert service.used() == (2, 0)


def test_a_reject_that_comes_first_cancels_without_a_request(service):
    """F18, F19: nothing is ever sent, whenever the issue's message is read."""
    service.cluster.worker.container.pause()
    commission = service.issue("never")
    commission.reject(reason="changed my mind")
    assert service.state("never") == "cancelled"
    service.cluster.worker.container.resume()
    service.issue("after").outcome(20)
    assert service.posts() == 1
    assert commission.outcome(10).state == "cancelled"
    with pytest.raises(DecisionConflict):
        commission.accept()


def test_the_same_call_twice_is_one_commission(service):
    """F1, F3: a replay finds what is there; other contents are refused."""
    first = service.issue("twice").outcome(10)
    assert service.issue("twice").outcome(10).serial == first.serial
    with pytest.raises(KeyConflict):
        service.issue("twice", quantity=2)
    assert service.posts() == 1


def test_a_message_sent_again_makes_no_request(service):
    """F1, F2: a wake-up is only a wake-up."""
    service.issue("again", accept=True).outcome(10)
    results = [
        service.cluster.app.send_task(
            name, kwargs={"service": "default", "key": "again"}, queue=names.COMMISSIONS
        )
        for name in (names.WAKE_ISSUE, names.WAKE_ISSUE, names.WAKE_ACCEPT)
    ]
    service.issue("last").outcome(10)
    assert service.posts() == 2  # of "again" and of "last"
    assert [row["event"] for row in service.events("accepted")] == ["accepted"]
    assert all(not result.failed() for result in results)


def test_the_first_decision_stands(service):
    """F23: never both."""
    commission = service.issue("torn")
    commission.outcome(10)
    verdicts = []

    def decide(verb):
        try:
            getattr(service.commissions, verb)("torn")
            verdicts.append(verb)
        except DecisionConflict:
            verdicts.append(None)

    threads = [threading.Thread(target=decide, args=(verb,)) for verb in ("accept", "reject") * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won = {verdict for verdict in verdicts if verdict}
    assert len(won) == 1
    assert commission.outcome(10).state == {"accept": "accepted", "reject": "rejected"}[won.pop()]


def test_hold_accepts_on_leaving_and_rejects_on_an_exception(service):
    vm = {"cyclades.vm": 3}
    with service.commissions.hold(user=service.user, project=service.user, provisions=vm) as held:
        assert service.used() == (0, 3)
    assert held.outcome(10).state == "accepted"
    with (
        pytest.raises(ZeroDivisionError),
        service.commissions.hold(user=service.user, project=service.user, provisions=vm) as held,
    ):
        _ = 1 / 0
    assert held.outcome(10).state == "rejected"
    assert service.used() == (3, 0)


def test_a_serial_of_ones_own_client_is_decided_too(service):
    """A bare serial; one that Astakos does not know is `NotFound`, and no alarm (F87)."""
    service.issue("listed").outcome(10)
    issued = service.issue("mine").outcome(10)
    service.commissions.accept(issued.serial)  # the record has it: it is that one's decision
    assert service.commissions.outcome("mine", 10).state == "accepted"
    service.commissions.reject(10**6)
    with pytest.raises(NotFound):
        service.commissions.outcome(10**6, 10)
    assert not service.alarms()


def test_a_burst_sends_far_fewer_messages_than_calls(service):
    """F67: a call alone sends its own message; a thousand before the first carrier, a handful."""
    with Redis.from_url(service.cluster.server.url(0)) as broker:
        service.cluster.worker.kill()  # a paused one's open BRPOP would still take a message
        until(lambda: not any("b" in client["flags"] for client in broker.client_list()))
        before = broker.llen(names.COMMISSIONS)
        service.issue("alone")
        until(lambda: broker.llen(names.COMMISSIONS) == before + 1)
        for number in range(1000):
            service.issue(f"burst-{number}", accept=True)
        # A promise of a wake-up counts for two seconds, so a slow machine sends some more.
        assert broker.llen(names.COMMISSIONS) - before < 100
    service.cluster.worker.restart()
    until(lambda: service.used() == (1000, 1), within=60)
    assert service.posts() == 1001
    assert service.control.audit()["most_in_flight"]["commissions.issue"] <= 8
