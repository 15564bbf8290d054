"""Astakos and the network at their worst: one commission a key all the same."""

import pytest

from astakos_worker.service.inside import history
from astakosclient import AstakosClient
from tests.integration.cluster.until import until


@pytest.fixture
def cluster(shared_cluster):
    return shared_cluster


def test_an_answer_that_is_lost_after_the_work_is_found_by_its_tag(service):
    """F5: adopted; Astakos executed one issue, and was asked once."""
    service.control.set_faults({"kind": "cut-after", "route": "commissions.issue", "count": 1})
    outcome = service.issue("lost", accept=True).outcome(30)
    assert outcome.state == "accepted"
    assert service.issued("lost") == 1 and service.posts() == 1
    assert service.used() == (1, 0)


def test_a_request_that_was_lost_before_the_work_is_issued_again(service):
    """F6: after the quiet horizon, and not before it."""
    service.control.set_faults({"kind": "cut-before", "route": "commissions.issue", "count": 1})
    outcome = service.issue("unheard", accept=True).outcome(40)
    assert outcome.state == "accepted"
    assert service.issued("unheard") == 1 and service.posts() == 2
    record, _ = history(service.commissions, "unheard")
    announced = [note for note in record.history if note.what.startswith("issuing")]
    assert announced[1].at - announced[0].at >= service.cluster.settings.quiet_horizon


def test_a_request_that_hangs_after_the_work_is_adopted(service):
    """F5, F58: the request's own deadline ends it, and no other waits for it."""
    service.control.set_faults({"kind": "hang", "route": "commissions.issue", "count": 1})
    service.issue("hung", accept=True)
    assert service.issue("beside", accept=True).outcome(10).state == "accepted"
    assert service.commissions.outcome("hung", 30).state == "accepted"
    assert service.issued("hung") == 1


@pytest.mark.parametrize("status", [500, 502, 503])
def test_an_error_after_the_work_is_no_verdict(service, status):
    """F11."""
    fault = {"kind": "error-after", "route": "commissions.issue", "status": status, "count": 1}
    service.control.set_faults(fault)
    assert service.issue(f"e{status}", accept=True).outcome(30).state == "accepted"
    assert service.issued(f"e{status}") == 1


def test_a_batch_whose_answer_is_lost_is_sent_again_and_done(service):
    """F24: not found, after an earlier send, is done as decided."""
    keys = [f"batch-{n}" for n in range(8)]
    for key in keys:
        service.issue(key)
    for key in keys:
        service.commissions.outcome(key, 20)
    service.control.set_faults({"kind": "cut-after", "route": "commissions.batch", "count": 1})
    service.commissions.resolve(accept=keys[:5], reject=keys[5:])
    states = [service.commissions.outcome(key, 30).state for key in keys]
    assert states == ["accepted"] * 5 + ["rejected"] * 3
    assert service.used() == (5, 0)
    assert not service.alarms()


def test_a_serial_that_somebody_else_settled_is_an_alarm(service):
    """F25: not found on the very first send is no success. It stays open until the token is proven.

    Alone on its lane it might be due to another component's token, which knows none of ours.
    """
    serial = service.issue("stolen").outcome(10).serial
    sandbox = service.cluster.sandbox
    AstakosClient(sandbox.token, sandbox.auth_url).reject_commission(serial)
    service.commissions.accept("stolen")
    until(lambda: "unproven" in service.alarms())
    assert service.commissions.get("stolen").state == "settling"
    service.issue("listed").outcome(10)
    service.until_state("stolen", "vanished")
    until(lambda: "vanished" in service.alarms())
    workers = service.cluster.workers
    until(lambda: any("commission_vanished" in worker.logs() for worker in workers))
    assert "unproven" not in service.alarms()


def test_a_lane_rests_while_astakos_is_away_and_drains_when_it_is_back(service):
    """F4, F59, F67: no attempt is used up, no stampede afterwards."""
    service.issue("before").outcome(10)
    service.control.outage(10)
    keys = [f"waiting-{n}" for n in range(40)]
    for key in keys:
        service.issue(key, accept=True)
    until(lambda: "silent" in service.alarms())
    for key in keys:
        assert service.commissions.outcome(key, 60).state == "accepted"
    assert service.used() == (40, 1)
    assert all(service.issued(key) == 1 for key in keys)
    assert "silent" not in service.alarms()
    assert service.control.audit()["most_in_flight"]["commissions.issue"] <= 8


def test_a_wrong_token_stops_the_lane_and_fails_nothing(service):
    """F11, F60: an alarm; and the new token in the file is picked up without a restart."""
    service.issue("with-a-token").outcome(10)
    new = "another-token-of-cyclades"
    service.control.rotate_token(new, component="cyclades")
    service.issue("without", accept=True)
    until(lambda: "token" in service.alarms())
    assert service.state("without") in {"queued", "issuing"}
    service.cluster.sandbox.token_file.write_text(new)
    assert service.commissions.outcome("without", 30).state == "accepted"
    assert "token" not in service.alarms()
    assert service.issued("without") == 1


def test_a_passing_404_is_not_believed(service):
    """F14: a quota synchronisation deletes holdings and makes them again."""
    service.control.set_faults({"kind": "no-holding", "route": "commissions.issue", "count": 2})
    assert service.issue("syncing", accept=True).outcome(30).state == "accepted"
    assert service.posts() == 3


def test_a_proxys_page_is_no_verdict(service):
    """F15: a deployment's alarm, and tried again."""
    page = {"kind": "proxy-page", "route": "commissions.issue", "status": 413, "count": 1}
    service.control.set_faults(page)
    service.issue("paged", accept=True)
    until(lambda: "proxy" in service.alarms())
    assert service.commissions.outcome("paged", 40).state == "accepted"
    assert service.issued("paged") == 1
