"""When a sweep does not believe what it sees it stops, and an operator can say that it is right."""

import pytest

from astakos_worker.engine.sweep.sweep import allow_once


def test_more_orphans_than_the_brake_are_all_left_alone(cloud):
    """The brake: nothing is rejected, in this sweep and in the next, and an alarm is raised."""
    lost = {cloud.orphan(f"lost-{number}") for number in range(4)}
    for _ in range(2):
        report, found = cloud.findings(brake_floor=3)
        cloud.carry()
        assert "4 commissions would be rejected" in report.stopped
        assert report.left == 4 and not any(finding.done for finding in found)
        assert cloud.pending() == lost
    assert cloud.alarms()["brake"] == report.stopped == cloud.last().stopped


def test_a_brake_lets_pass_what_is_no_more_than_its_floor_or_share(cloud):
    for number in range(4):
        cloud.orphan(f"lost-{number}")
    assert not cloud.swept(brake_floor=4).stopped
    assert cloud.pending() == set()
    for number in range(4):
        cloud.orphan(f"more-{number}")
    assert cloud.swept(brake_floor=0, brake_share=0.7).stopped
    assert not cloud.swept(brake_floor=0, brake_share=1.0).stopped
    assert cloud.pending() == set()
    assert "brake" not in cloud.alarms()


def test_the_brake_holds_up_nothing_that_a_record_decides(cloud):
    """F36: twins are rejected, whatever their number."""
    twins = set()
    for number in range(3):
        cloud.held(f"held-{number}")
        record = cloud.entry(f"held-{number}").record
        twins.add(cloud.put(f"again {record.tag('default.default')}"))
    report = cloud.swept(brake_floor=0, brake_share=0.01)
    assert report.rejected == {"twin": 3}
    assert not report.stopped
    assert twins <= set(cloud.events("rejected"))


def test_more_past_their_deadline_than_the_brake_are_all_left_alone(cloud):
    """F89: the clock of the ledger's server stepped forward; an operator lets them go."""
    held = {cloud.held(f"late-{n}", deadline=cloud.ledger.clock.now()) for n in range(4)}
    orphan = cloud.orphan("lost")
    report, found = cloud.findings(brake_floor=3)
    cloud.carry()
    assert "4 commissions are past their deadline" in report.stopped
    assert "clock" in cloud.alarms()["brake"]
    assert {(one.key, one.action, one.done) for one in found if one.key != "lost"} == {
        (f"late-{n}", "leave", False) for n in range(4)
    }
    assert cloud.pending() == held  # the rest of the sweep was done
    assert orphan not in cloud.pending()
    report = cloud.swept(brake_floor=3, allow=["brake"])
    assert report.rejected == {"expired": 4} and not report.stopped
    assert cloud.pending() == set()
    assert "brake" not in cloud.alarms()


def test_what_expired_counts_for_the_brake_of_the_same_sweep(cloud):
    """F89: three have expired, so one orphan more would be too many."""
    for n in range(3):
        cloud.held(f"late-{n}", deadline=cloud.ledger.clock.now())
    orphan = cloud.orphan("lost")
    report = cloud.swept(brake_floor=3)
    assert report.rejected == {"expired": 3}
    assert "3 have expired" in report.stopped
    assert cloud.pending() == {orphan}


def test_as_many_as_the_brake_allows_expire_at_once(cloud):
    """F37."""
    for n in range(4):
        cloud.held(f"late-{n}", deadline=cloud.ledger.clock.now())
    assert not cloud.swept(brake_floor=4).stopped
    assert cloud.pending() == set()


def test_a_ledger_that_lost_writes_rejects_no_orphan_and_lets_nothing_expire(cloud):
    """F101: what it does not know proves nothing; the report says so."""
    late = cloud.held("late", deadline=cloud.ledger.clock.now())
    orphan = cloud.orphan("lost")
    cloud.ledger.remember_writes("default", 10**6)  # this process was told of more writes
    assert cloud.ledger.lost_writes() == {"default"}
    report, found = cloud.findings()
    cloud.carry()
    assert cloud.pending() == {late, orphan}
    assert {(one.key, one.action) for one in found} == {("late", "leave"), ("lost", "wait")}
    assert all("the ledger has lost writes" in one.why for one in found)
    assert report.distrusted and report.to_dict()["distrusted"]
    assert cloud.last().distrusted and not report.stopped
    assert cloud.ledger.trust("default")
    report = cloud.swept()
    assert report.rejected == {"expired": 1, "orphan": 1} and not report.distrusted
    assert cloud.pending() == set()


def test_what_another_components_token_does_not_list_has_not_vanished(cloud):
    """F25, F69: with fewer than the floor of the list, nothing else would stop the sweep."""
    serials = [cloud.held(f"k{n}") for n in range(5)]
    for serial in serials:
        cloud.client.reject_commission(serial)  # it lists none of ours, as another's would
    assert cloud.sweep().counts == {"leave": 5}
    assert "another component's" in cloud.alarms()["unproven"]
    assert {cloud.entry(f"k{n}").record.state for n in range(5)} == {"pending"}
    cloud.held("listed")
    assert cloud.swept().counts == {"vanished": 5}
    assert "unproven" not in cloud.alarms()
    assert "vanished" in cloud.alarms()


def test_an_operator_can_say_that_a_list_without_any_of_ours_is_right(cloud):
    """F69: else a commission that was the only one would be held for ever."""
    cloud.client.reject_commission(cloud.held("only"))
    assert cloud.swept().counts == {"leave": 1}
    assert cloud.swept(allow=["list"]).counts == {"vanished": 1}


def test_an_operator_lets_one_sweep_past_the_brake(cloud):
    """With the command that sweeps, or noted for beat's next one, which uses it up."""
    lost = {cloud.orphan(f"lost-{number}") for number in range(2)}
    report = cloud.swept(brake_floor=1, allow=["brake"])
    assert report.rejected == {"orphan": 2} and not report.stopped
    assert not cloud.pending() & lost
    more = {cloud.orphan(f"more-{number}") for number in range(2)}
    assert cloud.swept(brake_floor=1).stopped
    allow_once(cloud.ledger, "default", "brake")
    assert not cloud.swept(brake_floor=1).stopped
    assert not cloud.pending() & more
    assert "brake" not in cloud.alarms()
    for number in range(2):
        cloud.orphan(f"last-{number}")
    assert cloud.swept(brake_floor=1).stopped


def test_a_list_that_is_far_too_short_stops_the_sweep_until_the_operator_says_it_is_right(cloud):
    """F42, F69: then what is gone has vanished."""
    serials = [cloud.held(f"held-{number}") for number in range(5)]
    for serial in serials:
        cloud.client.reject_commission(serial)
    lost = cloud.orphan("lost")
    report = cloud.swept(brake_floor=3)
    assert "Nothing was changed" in report.stopped
    assert "sweep" in cloud.alarms()
    assert cloud.pending() == {lost}
    allow_once(cloud.ledger, "default", "list")
    report = cloud.swept(brake_floor=3)
    assert (report.counts["vanished"], report.counts["reject"]) == (5, 1)
    assert "sweep" not in cloud.alarms()
    assert {cloud.entry(f"held-{number}").record.state for number in range(5)} == {"vanished"}


def test_a_list_as_long_as_ours_and_of_others_stops_the_sweep(cloud):
    """F42: the token became another component's, which has as much pending."""
    for number in range(5):
        cloud.client.reject_commission(cloud.held(f"held-{number}"))
        cloud.put("another component's")
    report = cloud.swept(brake_floor=3)
    assert "does not list 5 of the 5" in report.stopped
    assert "sweep" in cloud.alarms()
    assert {cloud.entry(f"held-{number}").record.state for number in range(5)} == {"pending"}


def test_a_list_may_lack_what_was_settled_in_the_meantime(cloud):
    """F42: what has been decided is on its way, and is missed by nobody."""
    from astakos_worker.ledger.record import Decision

    for number in range(5):
        serial = cloud.held(f"held-{number}")
        cloud.ledger.decide("default", {f"held-{number}": Decision("accept", "", 1.0)})
        cloud.client.accept_commission(serial)
        cloud.put("somebody else's")
    report = cloud.sweep(brake_floor=3)
    assert not report.stopped and report.counts == {"foreign": 5}


@pytest.mark.parametrize("what", ["brake", "list"])
def test_an_allowance_is_not_used_up_by_looking(cloud, what):
    allow_once(cloud.ledger, "default", what)
    cloud.sweep(fix=False)
    assert f"allow:{what}" in cloud.ledger.notes("default")
    cloud.sweep()
    assert f"allow:{what}" not in cloud.ledger.notes("default")
