"""What a worker counts and shows: of a real carrier and a real sweep, over HTTP."""

import time

import pytest
import requests

from astakos_worker.engine.carry.carrier import Carrier
from astakos_worker.engine.sweep.findings import Report
from astakos_worker.engine.sweep.sweep import Sweep
from astakos_worker.ledger.record import Decision
from astakos_worker.local.free_ports import LOOPBACK, Port
from astakos_worker.worker.metrics import MeasuredAstakos, Metrics
from astakosclient.errors import AstakosClientException


@pytest.fixture
def metrics(cloud):
    return Metrics(cloud.ledger)


@pytest.fixture
def samples(metrics):
    """Returns what Prometheus reads, by name and labels; closed afterwards."""
    port = Port()
    end = metrics.serve(LOOPBACK, port.number)

    def samples():
        page = requests.get(f"http://{LOOPBACK}:{port.number}/metrics", timeout=30).text
        lines = [line.rsplit(" ", 1) for line in page.splitlines() if line[:1] != "#"]
        return {name: float(value) for name, value in lines}

    yield samples
    end()
    port.close()


@pytest.fixture
def astakos(cloud, metrics):
    return MeasuredAstakos(cloud.client, "default", metrics)


def test_commissions_are_counted_by_how_they_ended_and_once(cloud, metrics, astakos, samples):
    cloud.record("a", decision=Decision("accept", "", 1.0))
    cloud.record("b", decision=Decision("accept", "", 1.0))
    cloud.record("c")
    carrier = Carrier(
        astakos,
        cloud.ledger,
        cloud.ledger.clock,
        cloud.limits,
        lambda: 0.5,
        lambda _: None,
        lambda *_: True,
    )
    for _ in range(2):
        since = cloud.ledger.clock.now()
        metrics.carried("default", carrier.carry("default", "me").records.values(), since)
    told = samples()
    assert told['astakos_commissions_total{service="default",state="accepted"}'] == 2
    assert 'astakos_commissions_total{service="default",state="pending"}' not in told
    issues = 'astakos_requests_total{call="issue",outcome="answered",service="default"}'
    assert (
        told[issues] == told['astakos_request_seconds_count{call="issue",service="default"}'] == 3
    )
    resolve = 'astakos_requests_total{call="resolve",outcome="answered",service="default"}'
    assert told[resolve] == cloud.requests("batch")
    assert told['astakos_lane_open{service="default"}'] == 1


def test_requests_are_counted_by_what_became_of_them(cloud, astakos, samples):
    with pytest.raises(AstakosClientException):
        astakos.get_commission_info(999)
    cloud.control.set_faults({"kind": "cut-after", "route": "commissions.list"})
    with pytest.raises(AstakosClientException):
        astakos.get_pending_commissions()
    told = samples()
    assert told['astakos_requests_total{call="info",outcome="refused",service="default"}'] == 1
    assert told['astakos_requests_total{call="list",outcome="ambiguous",service="default"}'] == 1


def test_a_sweep_that_a_ledgers_outage_ended_was_not_whole(metrics, samples):
    metrics.swept(Report("default"))
    assert samples()['astakos_sweeps_total{end="stopped",service="default"}'] == 1


def test_sweeps_are_counted_and_the_last_one_is_shown(cloud, metrics, astakos, samples):
    foreign = cloud.put("somebody else's")
    cloud.held("late", deadline=cloud.ledger.clock.now())
    for number in range(3):
        cloud.orphan(f"lost-{number}")
    sweep = Sweep(astakos, cloud.ledger, cloud.ledger.clock, cloud.limits, lambda _: None)
    report = Report("default")
    assert list(sweep.findings(report, "me"))
    metrics.swept(report)
    told = samples()
    of = '{service="default"}'
    assert told['astakos_sweeps_total{end="whole",service="default"}'] == 1
    assert told['astakos_sweep_done_total{service="default",what="reject"}'] == 3
    assert 'astakos_sweep_done_total{service="default",what="foreign"}' not in told
    assert told['astakos_sweep_rejected_total{reason="orphan",service="default"}'] == 3
    assert told['astakos_sweep_rejected_total{reason="expired",service="default"}'] == 1
    assert told['astakos_last_sweep_found{service="default",what="foreign"}'] == 1
    assert told[f"astakos_last_sweep_seen{of}"] == 5 and foreign
    assert told[f"astakos_last_sweep_looked{of}"] == 5
    assert abs(told[f"astakos_last_sweep_start_timestamp_seconds{of}"] - time.time()) < 600
    assert told[f"astakos_last_sweep_duration_seconds{of}"] > 0
    assert told[f"astakos_last_sweep_oldest_unexplained_seconds{of}"] >= 0
    assert told["astakos_ledger_up"] == 1


def test_alarms_are_shown_while_they_stand(cloud, metrics, samples):
    for number in range(3):
        cloud.orphan(f"lost-{number}")
    metrics.swept(cloud.sweep(brake_floor=2))
    told = samples()
    assert told['astakos_alarm{alarm="brake",service="default"}'] == 1
    assert told['astakos_sweeps_total{end="stopped",service="default"}'] == 1
    assert told['astakos_last_sweep_stopped{service="default"}'] == 1
    assert told['astakos_last_sweep_left{service="default"}'] == 3
    cloud.sweep(brake_floor=3)
    assert 'astakos_alarm{alarm="brake",service="default"}' not in samples()


def test_a_port_that_is_taken_costs_the_metrics_and_no_more(metrics):
    port = Port()
    first = metrics.serve(LOOPBACK, port.number)
    second = metrics.serve(LOOPBACK, port.number)
    second()
    assert requests.get(f"http://{LOOPBACK}:{port.number}/metrics", timeout=30).ok
    first()
    port.close()
