"""The sweep by real workers: every orphan finds its end, and nobody else is touched."""

import secrets

import pytest

from astakos_worker.configuration import names
from astakos_worker.ledger.request import Tag
from astakos_worker.service.inside import history
from astakosclient import AstakosClient
from tests.integration.cluster.until import until


@pytest.fixture(scope="module")
def worker_queues():
    return [names.COMMISSIONS, names.SWEEP]


@pytest.fixture
def cluster(shared_cluster):
    return shared_cluster


@pytest.fixture
def client(service):
    """A client with the service's own token, as other software may use it."""
    return AstakosClient(service.cluster.sandbox.token, service.cluster.sandbox.auth_url)


@pytest.fixture
def sweep(service):
    """Orders a sweep as beat does, and returns its report."""

    def sweep():
        ordered = service.cluster.app.send_task(
            names.RECONCILE, kwargs={"service": "default"}, queue=names.SWEEP
        )
        return ordered.get(timeout=20)

    return sweep


def put(service, client, name):
    return client.issue_one_commission(service.user, service.user, {"cyclades.vm": 1}, name=name)


def test_what_is_foreign_or_alive_is_left_alone(service, client, sweep):
    """F34, F38: no tag, or ours and undecided: reported, never touched."""
    foreign = put(service, client, "somebody else's")
    live = service.issue("alive").outcome(10).serial
    other = Tag("staging.default", "alive", "0" * 8, "0" * 16)
    elsewhere = put(service, client, f"of another ledger {other}")
    service.cluster.sandbox.control.advance_clock(10**6)
    for _ in range(2):
        report = sweep()
    assert report["foreign"] == 2
    assert sorted(client.get_pending_commissions()) == sorted([foreign, live, elsewhere])


def test_an_orphan_of_ours_is_quarantined_and_then_rejected(service, client, sweep):
    """F33, F35: by our own first sight; the ledger does not know its key."""
    lost = Tag("default.default", "never-seen", secrets.token_hex(4), secrets.token_hex(8))
    serial = put(service, client, f"lost {lost}")
    assert sweep()["wait"] == 1
    assert client.get_pending_commissions() == [serial]
    until(lambda: sweep().get("reject"), within=30, every=1)
    until(lambda: not client.get_pending_commissions(), within=20)
    assert service.used() == (0, 0)


def test_a_twin_is_rejected_and_the_ledgers_serial_stands(service, client, sweep):
    """F7, F36: a second serial for a key is noted, and rejected."""
    mine = service.issue("twinned").outcome(10)
    record, _ = history(service.commissions, "twinned")
    twin = put(service, client, f"ghost {record.tag('default.default')}")
    assert sweep()["twin"] == 1
    until(lambda: client.get_pending_commissions() == [mine.serial], within=20)
    service.commissions.accept("twinned")
    assert service.commissions.outcome("twinned", 20).serial == mine.serial
    assert [row["serial"] for row in service.events("rejected")] == [twin]


def test_what_is_undecided_past_its_deadline_is_rejected(service, sweep):
    """F37, F80."""
    commission = service.issue("late", deadline=1)
    commission.outcome(10)
    until(lambda: sweep().get("expired"), within=15, every=0.5)
    outcome = commission.outcome(10)
    assert (outcome.state, outcome.reason) == ("rejected", "expired")


def test_an_empty_list_stops_the_sweep(service, sweep):
    """F42: it changes nothing, and raises an alarm that the next good list ends."""
    for number in range(25):
        service.issue(f"held-{number}")
    for number in range(25):
        service.commissions.outcome(f"held-{number}", 20)
    service.control.set_faults({"kind": "empty-list", "route": "commissions.list"})
    assert "stopped" in sweep()
    assert "sweep" in service.alarms()
    service.control.clear_faults()
    assert "stopped" not in sweep()
    assert "sweep" not in service.alarms()
    assert service.used() == (0, 25)


def test_of_two_sweeps_at_once_one_works(service):
    """F41: two beats are harmless; a lease lets one of them sweep."""
    service.control.set_faults({"kind": "delay", "route": "commissions.list", "seconds": 1})
    orders = [
        service.cluster.app.send_task(
            names.RECONCILE, kwargs={"service": "default"}, queue=names.SWEEP
        )
        for _ in range(2)
    ]
    reports = [order.get(timeout=20) for order in orders]
    assert sorted("stopped" in report for report in reports) == [False, True]


def test_what_somebody_else_settled_behind_our_back_is_an_alarm(service, client, sweep):
    """F69: absent from two lists, and its info says so too."""
    serial = service.issue("gone").outcome(10).serial
    service.issue("still there").outcome(10)  # which proves whose token it is (F25)
    client.reject_commission(serial)
    assert sweep()["vanished"] == 1
    assert service.state("gone") == "vanished"
    assert "vanished" in service.alarms()


def test_a_restored_astakos_is_settled_again(service, client, sweep):
    """F43: we hold it as accepted, and it is pending again."""
    commission = service.issue("restored")
    commission.outcome(10)
    service.control.snapshot("before")
    commission.accept()
    commission.outcome(10)
    service.control.restore("before")
    assert service.used() == (0, 1)
    assert sweep()["resettle"] == 1
    service.until_state("restored", "accepted")
    assert service.used() == (1, 0)
