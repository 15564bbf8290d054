"""What a sweep does about commissions that carry our tag, by what the ledger says of their key."""

import pytest

from astakos_worker import DecisionConflict
from astakos_worker.configuration import names
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
    """A client with the service's own token, in the place of a request whose answer was lost."""
    return AstakosClient(service.cluster.sandbox.token, service.cluster.sandbox.auth_url)


@pytest.fixture
def left_behind(service, client):
    """Leaves a commission in Astakos under the tag of this key; returns its serial."""

    def left_behind(key):
        record, _ = history(service.commissions, key)
        name = f"left behind {record.tag('default.default')}"
        vm = {"cyclades.vm": 1}
        return client.issue_one_commission(service.user, service.user, vm, name=name)

    return left_behind


@pytest.fixture
def sweep(service):
    """Orders a sweep as beat does, and returns its report."""

    def sweep():
        kwargs, queue = {"service": "default"}, names.SWEEP
        return service.cluster.app.send_task(names.RECONCILE, kwargs=kwargs, queue=queue).get(20)

    return sweep


@pytest.fixture
def asleep(service):
    """The worker on commissions does nothing until it is resumed."""
    container = service.cluster.worker.container
    container.pause()
    yield container
    container.resume()


def test_one_whose_answer_was_lost_is_adopted(service, client, left_behind, sweep, asleep):
    """F36: and never issued again."""
    service.issue("lost")
    serial = left_behind("lost")
    assert sweep()["adopt"] == 1
    outcome = service.commissions.get("lost")
    assert (outcome.state, outcome.serial) == ("pending", serial)
    asleep.resume()
    service.issue("after").outcome(20)
    assert service.issued("lost") == 1
    assert service.posts() == 2
    assert client.get_commission_info(serial)["serial"] == serial


@pytest.mark.parametrize(("verb", "used"), [("accept", (1, 0)), ("reject", (0, 0))])
def test_an_adopted_one_is_settled_as_decided(service, left_behind, sweep, asleep, verb, used):  # noqa: PLR0917  # fixtures
    """F36, F21: whatever was decided before its serial was known."""
    key = f"lost, and {verb}ed"
    service.issue(key)
    serial = left_behind(key)
    assert sweep()["adopt"] == 1
    getattr(service.commissions, verb)(key)
    asleep.resume()
    outcome = service.commissions.outcome(key, 20)
    assert (outcome.state, outcome.serial) == (f"{verb}ed", serial)
    assert service.used() == used


def test_one_of_a_cancelled_key_is_rejected(service, left_behind, sweep, asleep):
    """F36: nobody wants it any more."""
    service.issue("cancelled")
    service.commissions.reject("cancelled")
    serial = left_behind("cancelled")
    assert sweep()["twin"] == 1
    asleep.resume()
    until(lambda: [row["serial"] for row in service.events("rejected")] == [serial])
    assert service.state("cancelled") == "cancelled"
    assert service.used() == (0, 0)
    with pytest.raises(DecisionConflict):
        service.commissions.accept("cancelled")


def test_a_ghost_of_an_earlier_use_of_a_key_is_not_adopted(service, client, left_behind, sweep):
    """F71: it is another incarnation's, and is rejected after the grace."""
    service.issue("again", accept=True).outcome(20)
    ghost = left_behind("again")
    new = service.issue("again", reuse=True).outcome(20)
    report = sweep()
    assert report["wait"] == 1
    assert ghost in client.get_pending_commissions()
    until(lambda: sweep().get("reject"), every=1)
    until(lambda: client.get_pending_commissions() == [new.serial])
    assert service.commissions.get("again").serial == new.serial
    assert service.used() == (1, 1)


def test_a_serial_that_astakos_gave_away_again_is_not_ours_any_more(service, client, sweep):
    """F43, F44: its name is looked at before anything is settled on suspicion."""
    service.control.snapshot()
    ours = service.issue("ours", accept=True).outcome(20)
    service.control.restore()
    vm = {"cyclades.vm": 1}
    other = client.issue_one_commission(service.user, service.user, vm, name="somebody else's")
    assert other == ours.serial
    report = sweep()
    assert (report["conflict"], report.get("resettle")) == (1, None)
    assert client.get_pending_commissions() == [other]
    assert service.state("ours") == "conflict"
    assert "conflict" in service.alarms()
