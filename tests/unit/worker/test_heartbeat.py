"""The heartbeat: which carriers it tells the ledger about, and what it does with each drive."""

from astakos_worker.ledger.contract import UnavailableError
from astakos_worker.worker.heartbeat import Heartbeat


class Ledger:
    """Takes beats, and wants what a test says."""

    def __init__(self, **wanted):
        self.beats = []
        self.wanted = wanted

    def beat(self, carriers, driver, lease):
        self.beats.append((carriers, driver, lease))
        return self.wanted


def heartbeat(ledger, *watches, wake_lane=lambda _: None):
    return Heartbeat(ledger, watches, wake_lane, name="host:1", every=1.0, drive=2.0)


def test_a_message_that_came_twice_counts_as_one_carrier_until_both_have_ended():
    """The first to end must not make the ledger forget the one that is still at work."""
    ledger = Ledger()
    beats = heartbeat(ledger)
    with beats.at_work("lane", "task"):
        with beats.at_work("lane", "task"), beats.at_work("lane", "another"):
            beats.beat(drives=False)
        beats.beat(drives=False)
    beats.beat(drives=False)
    alive = [carriers for carriers, _, _ in ledger.beats]
    assert alive == [{"lane": ["task", "another"]}, {"lane": ["task"]}, {}]


def test_a_drive_wakes_lanes_as_often_as_the_ledger_wants():
    ledger, woken = Ledger(shop=2, lab=1), []
    heartbeat(ledger, wake_lane=woken.append).beat(drives=True)
    assert woken == ["shop", "shop", "lab"]
    assert ledger.beats == [({}, "host:1", 4.0)]


def test_a_watch_that_misses_the_ledger_keeps_no_other_from_watching():
    seen = []

    def away():
        raise UnavailableError("the ledger does not answer")

    heartbeat(Ledger(), away, lambda: seen.append("looked")).beat(drives=True)
    assert seen == ["looked"]


def test_nothing_is_watched_between_drives():
    seen = []
    heartbeat(Ledger(), lambda: seen.append("looked")).beat(drives=False)
    assert seen == []
