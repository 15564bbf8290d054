"""Trouble of a lane, and of single commissions, with real workers: what rests, and what flows."""

import time

import pytest

from tests.integration.cluster.until import until


@pytest.fixture
def cluster(shared_cluster):
    return shared_cluster


def test_issues_that_always_get_a_500_die_and_starve_nobody(service):
    """F85: a forced issue beyond 64 bits is such a one."""
    most = 2**63 - 1
    service.issue("huge", quantity=most, force=True, accept=True).outcome(30)
    user = service.control.add_user("beside-the-poison@example.org")["uuid"]
    poison = [f"poison-{n}" for n in range(20)]
    for key in poison:
        service.issue(key, force=True, accept=True)
    service.until_state(poison[0], "issuing")
    number, began = 0, time.monotonic()
    while not all(service.state(key) == "dead" for key in poison):
        started = time.monotonic()
        key = f"plain-{number}"
        assert service.issue(key, user=user, accept=True).outcome(20).state == "accepted"
        assert time.monotonic() - started < 15
        number += 1
        assert time.monotonic() - began < 90
        time.sleep(0.5)
    assert number > 5
    [letter, *_] = [one for one in service.commissions.dead.list() if one.key in poison]
    assert "AstakosClientException" in letter.reason


def test_a_lone_commission_that_finds_nobody_listening_raises_an_alarm(service):
    """F59: it fails once in each carry; the failures of all carries count."""
    service.control.outage(15)
    service.issue("lone", accept=True)
    until(lambda: "silent" in service.alarms())
    assert service.ledger.lane("default").rests > 0
    assert service.commissions.outcome("lone", 60).state == "accepted"
    until(lambda: not service.alarms())


def test_a_thousand_serials_that_astakos_does_not_know_end_in_one_look_each(service):
    """F87: others are unharmed meanwhile, and the lane does not rest."""
    service.issue("listed").outcome(10)
    looks = service.requests("info")
    stale = range(900_000, 901_000)
    began = time.monotonic()
    service.commissions.resolve(accept=stale)
    assert service.issue("beside", accept=True).outcome(10).state == "accepted"
    until(lambda: service.state(stale[-1]) == "unknown", within=30)
    until(lambda: all(service.state(n) == "unknown" for n in stale[::50]), within=30)
    assert time.monotonic() - began < 30  # about 2 s on an idle machine
    assert 1000 <= service.requests("info") - looks < 1050
    assert service.ledger.lane("default").rests == 0 and not service.alarms()
