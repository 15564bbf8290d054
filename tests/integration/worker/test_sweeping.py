"""A worker that sweeps: killed in the middle, asked for its metrics, with an owner of its own."""

import secrets

import pytest
import requests

from astakos_worker.configuration import names
from astakos_worker.engine.sweep.sweep import last_report
from astakos_worker.ledger.request import Tag
from astakos_worker.local.free_ports import LOOPBACK, Port
from astakosclient import AstakosClient
from tests.integration.cluster.until import until


@pytest.fixture(scope="module")
def worker_queues():
    return [names.SWEEP, names.COMMISSIONS]


@pytest.fixture(scope="module")
def metrics_port():
    port = Port()
    yield port.number
    port.close()


@pytest.fixture(scope="module")
def extra_environment(metrics_port):
    return {
        "ASTAKOS_METRICS_PORT": str(metrics_port),
        "ASTAKOS_OWNER": "tests.integration.worker.test_sweeping:owner",
        "ASTAKOS_GRACE": "2",
        "ASTAKOS_SWEEP_SECONDS": "6",
        "ASTAKOS_VISIBILITY_TIMEOUT": "9",  # the order of one that was killed comes back
    }


@pytest.fixture
def cluster(shared_cluster):
    return shared_cluster


def owner(commissions):
    """What the worker imports: it knows one kind of key, and fails at another."""
    if any(one.key.startswith("broken") for one in commissions):
        raise LookupError("no such table")
    return ["accept" if one.key.startswith("mine") else "leave" for one in commissions]


@pytest.fixture
def client(service):
    client = AstakosClient(service.cluster.sandbox.token, service.cluster.sandbox.auth_url)
    yield client
    client.close()


@pytest.fixture
def put(service, client):
    """Puts something into Astakos with the service's token; returns its serial."""

    def put(name):
        ram = {"cyclades.ram": 1}
        return client.issue_one_commission(service.user, service.user, ram, name=name)

    return put


@pytest.fixture
def lose(put):
    """Leaves an orphan in Astakos, of a key that the ledger does not know."""

    def lose(key):
        return put(f"lost {Tag('default.default', key, secrets.token_hex(4), '0' * 16)}")

    return lose


@pytest.fixture
def order(service):
    def order():
        kwargs, queue = {"service": "default"}, names.SWEEP
        return service.cluster.app.send_task(names.RECONCILE, kwargs=kwargs, queue=queue)

    return order


def swept(order):
    """Sweep until one gets its turn: the lease of one that was killed has to end."""

    def report():
        report = order().get(timeout=30)
        return None if "another sweep" in report.get("stopped", "") else report

    return until(report, within=60, every=0.5)


def test_a_sweep_whose_worker_is_killed_is_gone_on_with(service, put, order):
    """F46, F55: what it had looked at is not looked at again."""
    for number in range(200):
        put(f"somebody else's {number}")
    before = service.requests("info")
    service.control.set_faults({"kind": "delay", "route": "commissions.info", "seconds": 0.05})
    order()
    until(lambda: service.requests("info") - before > 60, every=0.01)
    service.cluster.worker.kill()
    sent = service.requests("info") - before
    assert sent < 200, "it was through before it was killed"
    service.control.clear_faults()
    service.cluster.worker.restart()
    report = swept(order)
    assert (report["listed"], report["looked"], report["undone"]) == (200, 200, {})
    batch, at_a_time = 50, 4
    assert service.requests("info") - before <= 200 + batch + at_a_time
    assert last_report(service.ledger, "default").looked == 200


def test_what_sweeps_and_lanes_come_to_is_shown_to_prometheus(service, metrics_port, lose, order):
    """By whichever worker is asked, by stable names, and without a key or a token in them."""
    for number in range(3):
        lose(f"lost-{number}")
    swept(order)
    page = requests.get(f"http://{LOOPBACK}:{metrics_port}/metrics", timeout=30).text
    samples = dict(line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#"))
    assert float(samples["astakos_ledger_up"]) == 1
    service_ = '{service="default"}'
    assert float(samples[f"astakos_last_sweep_seen{service_}"]) == 3
    assert float(samples['astakos_last_sweep_found{service="default",what="wait"}']) == 3
    assert float(samples[f"astakos_last_sweep_start_timestamp_seconds{service_}"]) > 1e9
    assert float(samples[f"astakos_last_sweep_stopped{service_}"]) == 0
    assert service.cluster.sandbox.token not in page and "lost" not in page


def test_the_owner_that_a_variable_names_is_imported_and_asked(service, client, lose, order):
    """F35: what it leaves stays; when it fails, all stays, and an alarm is raised."""
    lost, mine = lose("lost"), lose("mine")
    report = until(lambda: (r := swept(order)).get("accept") and r, within=30, every=0.5)
    assert (report["accept"], report["leave"]) == (1, 1)
    until(lambda: client.get_pending_commissions() == [lost])
    assert [row["serial"] for row in service.events("accepted")] == [mine]
    lose("broken")
    until(lambda: "owner" in swept(order)["alarms"], within=30, every=0.5)
    assert "LookupError: no such table" in service.alarms()["owner"]
