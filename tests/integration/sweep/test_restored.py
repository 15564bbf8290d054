"""Astakos was restored from a backup: what is settled here is pending there again."""

import pytest

from astakos_worker.ledger.record import Decision


@pytest.mark.parametrize("verb", ["accept", "reject"])
def test_what_was_settled_is_settled_again_as_it_was_decided(cloud, verb):
    """F43: and only once it is pending again."""
    serial = cloud.held("a")
    cloud.control.snapshot()
    cloud.ledger.decide("default", {"a": Decision(verb, "", 1.0)})
    cloud.carry()
    assert cloud.entry("a").record.state == f"{verb}ed"
    assert cloud.swept().counts == {}
    cloud.control.restore()
    assert cloud.pending() == {serial}
    assert cloud.swept().counts == {"resettle": 1}
    assert cloud.pending() == set()
    assert cloud.events("accepted", "rejected") == [serial, serial]
    assert cloud.entry("a").record.state == f"{verb}ed"
    assert cloud.swept().counts == {}


def test_what_had_vanished_is_pending_again_and_waits_for_its_caller(cloud):
    """F43, F69."""
    serial, listed = cloud.held("a"), cloud.held("listed")
    cloud.control.snapshot()
    cloud.client.reject_commission(serial)
    assert cloud.swept().counts == {"vanished": 1}
    assert cloud.entry("a").record.state == "vanished"
    cloud.control.restore()
    assert cloud.swept().counts == {"resettle": 1}
    assert cloud.entry("a").record.state == "pending"
    assert cloud.pending() == {serial, listed}
    cloud.ledger.decide("default", {"a": Decision("accept", "", 1.0)})
    cloud.carry()
    assert cloud.events("accepted") == [serial]


def test_a_serial_that_is_somebody_elses_by_now_is_left_alone(cloud):
    """F43, F44: an alarm, and nothing is sent."""
    cloud.control.snapshot()
    serial = cloud.held("a")
    cloud.ledger.decide("default", {"a": Decision("accept", "", 1.0)})
    cloud.carry()
    cloud.control.restore()
    other = cloud.put("somebody else's")
    assert other == serial
    assert cloud.swept().counts["conflict"] == 1
    assert cloud.pending() == {other}
    assert "conflict" in cloud.alarms()
    assert cloud.entry("a").record.state == "conflict"
