"""The cluster of a module: as good as one of a test's own, and at rest when a test begins."""

import os

import pytest
import requests
from pytest_celery.vendors.worker.tasks import identity

from astakos_worker import Commissions
from astakos_worker.service.connect import ledger_of
from astakosclient import AstakosClient
from tests.integration.cluster import trivial
from tests.integration.cluster.calming import calm
from tests.integration.cluster.until import until


@pytest.fixture(scope="module")
def worker_app():
    return trivial.__name__


def test_whatever_a_test_did_it_is_put_to_rest(shared_cluster):
    """Faults, costs, alarms, a rest; undecided, foreign; paused and killed: nothing is left."""
    cluster, control = shared_cluster, shared_cluster.sandbox.control
    ledger, ours = ledger_of(cluster.settings), Commissions(settings=cluster.settings)
    user = control.add_user("somebody@example.org")["uuid"]
    one = {"user": user, "project": user, "provisions": {"cyclades.vm": 1}}
    ours.issue(**one, key="undecided").outcome(30)
    client = AstakosClient(cluster.sandbox.token, cluster.sandbox.auth_url)
    client.issue_one_commission(user, user, {"cyclades.vm": 1}, name="somebody else's")
    client.close()
    cluster.worker.container.pause()
    ours.issue(**one, key="not yet sent")
    cluster.worker.kill()
    ledger.rest("default", 300, "a test's")
    ledger.alarm("default", "silent", "a test's")
    free = control.cost()
    control.set_cost("real")
    control.set_faults({"kind": "hang", "route": "*"})
    calm(cluster)
    lane = ledger.lane("default")
    assert (lane.open, lane.due, lane.awake, lane.resting, lane.alarms) == (0, 0, 0, 0, {})
    assert control.commissions() == []
    assert (control.faults()["rules"], control.cost()) == ([], free)
    assert [ours.get(key).state for key in ("undecided", "not yet sent")] == [
        "rejected",
        "rejected",
    ]
    until(lambda: cluster.worker.answers(cluster.app))


def test_a_worker_is_killed_and_started_again(shared_cluster):
    before = shared_cluster.worker.pid
    shared_cluster.worker.kill()
    assert shared_cluster.worker.container.status == "exited"
    shared_cluster.worker.restart()
    assert shared_cluster.worker.pid != before
    assert (
        identity.s("x").apply_async(queue=shared_cluster.worker.worker_queue).get(timeout=30) == "x"
    )


def test_a_paused_worker_does_nothing_until_it_is_resumed(shared_cluster):
    shared_cluster.worker.container.pause()
    result = identity.s("x").apply_async(queue=shared_cluster.worker.worker_queue)
    assert not shared_cluster.worker.answers(shared_cluster.app)
    assert not result.ready()
    shared_cluster.worker.container.resume()
    assert result.get(timeout=30) == "x"


def test_a_worker_shows_its_processes(shared_cluster):
    [info] = shared_cluster.worker.get_running_processes_info(["pid", "cmdline"])
    assert info["pid"] == shared_cluster.worker.pid
    assert trivial.__name__ in info["cmdline"]
    assert shared_cluster.worker.get_running_processes_info(["pid"], {"pid": 1}) == []


def test_a_workers_log_is_there(shared_cluster):
    shared_cluster.worker.assert_log_exists(
        f"{shared_cluster.worker.hostname()} ready.", timeout=30
    )


def test_the_sandbox_can_be_steered_and_comes_back_after_a_kill(shared_cluster):
    shared_cluster.sandbox.control.set_faults()
    shared_cluster.sandbox.kill()
    with pytest.raises(requests.ConnectionError):
        requests.post(f"{shared_cluster.sandbox.auth_url}/tokens", timeout=5)
    shared_cluster.sandbox.start()
    assert requests.post(f"{shared_cluster.sandbox.auth_url}/tokens", timeout=5).ok


def test_the_service_side_has_no_token(shared_cluster):
    assert shared_cluster.settings.services == {}
    assert shared_cluster.settings.ledger_url == shared_cluster.server.url(1)
    assert not any(shared_cluster.sandbox.token in value for value in os.environ.values())
