"""A storm is drawn from its seed. If a run is long enough, every kind of fault happens in it."""

import itertools

import pytest

from astakos_worker.demo.proof import CallerView
from tests.chaos import fault_timetable
from tests.chaos.producers import merged

TIMETABLES = [fault_timetable.machine, fault_timetable.astakos]


@pytest.mark.parametrize("timetable", TIMETABLES)
def test_the_same_seed_gives_the_same_storm_and_another_seed_another(timetable):
    assert timetable(7, 60) == timetable(7, 60)
    assert timetable(7, 60) != timetable(8, 60)


@pytest.mark.parametrize("seconds", [15, 600])
def test_everything_that_can_go_wrong_does_so_in_time(seconds):
    scheduled = [fault for timetable in TIMETABLES for fault in timetable(1, seconds)]
    assert all(0 <= fault.at <= seconds for fault in scheduled)
    happens = {fault.what for fault in scheduled}
    killed = {f"kill {name}" for name in (*fault_timetable.KILLED, "sandbox")}
    paused = {f"pause {name}" for name in fault_timetable.PAUSED}
    behind = {"orphans", "twins", "serials"}
    assert happens == {
        *killed,
        *paused,
        *behind,
        *fault_timetable.FAULTS,
        "outage",
        "broker forgets",
        "fail-over",
        "clock -60",
        "clock +3600",
    }


@pytest.mark.parametrize("timetable", TIMETABLES)
def test_a_longer_storm_strikes_more_often_and_never_two_at_once(timetable):
    scheduled = timetable(3, 600)
    assert len(scheduled) > 5 * len({fault.what for fault in scheduled})
    for one, following in itertools.pairwise(scheduled):
        assert following.at >= one.at + one.seconds


ACCEPTED = frozenset({"accepted"})


def view(end, serial, ends=ACCEPTED, key="k"):
    return CallerView(key, {}, ends, end, serial)


def test_the_views_of_two_processes_are_merged_into_one():
    both = merged([[view("accepted", 1), view("accepted", 2, key="other")], [view("accepted", 1)]])
    assert both == [view("accepted", 1), view("accepted", 2, key="other")]


@pytest.mark.parametrize(
    "other", [view("accepted", 2), view("rejected", 1), view(None, None)], ids=lambda t: t.end
)
def test_two_processes_with_different_outcomes_are_a_finding(other):
    [both] = merged([[view("accepted", 1)], [other]])
    assert both.ends == frozenset()
    assert "another" in both.note


def test_what_one_process_gave_up_the_other_must_not_find_accepted():
    gave_up = frozenset({"rejected", "cancelled"})
    [both] = merged([[view("rejected", 1)], [view("rejected", 1, gave_up)]])
    assert both.ends == frozenset()
