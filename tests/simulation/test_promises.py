"""Runs the protocol under every single fault at every step, and under random faults (F1 to F80)."""

import itertools

import pytest

from tests.simulation import schedule
from tests.simulation.exploring import CASES, combined
from tests.simulation.running import Case, minimised, run
from tests.simulation.schedule import Explicit, Fault, Seeded, parse
from tests.simulation.scripts import SCRIPTS
from tests.simulation.searching import free_cores, search, shares_of
from tests.simulation.stage import ANCHOR

#: Thousands of runs a test: seconds on an idle core, minutes on one that many others share.
pytestmark = pytest.mark.timeout(600)

_ANY = None


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_single_fault_at_every_step_is_survived(name):
    """Whatever goes wrong once, and wherever: the promises hold, and all ends at rest."""
    for workers in (1, 2):
        for result in combined(Case(SCRIPTS[name], workers), _ANY):
            assert result.violation is None, str(minimised(result))


@pytest.mark.parametrize(
    "name",
    [
        "issue_then_accept",
        "orphan",
        "twin",
        "left_to_its_deadline",
        "bare_rejected",
        "restored",
        "reused",
    ],
)
def test_every_single_fault_is_survived_while_sweeps_are_at_work(name):
    """The same where the sweep itself is what fails, or what comes in between (F33 to F44)."""
    for result in combined(Case(SCRIPTS[name], sweeping=True), _ANY):
        assert result.violation is None, str(minimised(result))


def test_many_faults_at_random_are_survived(drawn_schedules):
    """The same with up to fifteen faults in one run, drawn from seeds."""
    seeds = range(drawn_schedules)
    tally = search(shares_of(CASES, seeds=seeds), processes=min(2, free_cores()))
    assert tally.broken is None, tally.broken
    assert tally.schedules == drawn_schedules
    assert len(tally.ends) > len(SCRIPTS)


def test_equal_moments_are_followed_once_and_no_end_is_missed():
    """A run that is left where another was leads to no end that the other did not reach."""
    case, kinds = Case(SCRIPTS["issue"]), frozenset({"crash", "answer_lost"})
    every = [list(combined(case, kinds, kinds, prune=prune)) for prune in (False, True)]
    ends = [{result.end for result in results if not result.cut} for results in every]
    assert ends[0] == ends[1] and len(ends[0]) > 1
    steps = [sum(result.steps for result in results) for results in every]
    assert steps[1] < 0.8 * steps[0]
    assert not any(result.violation for results in every for result in results)


def test_faults_of_all_kinds_take_place():
    """What no run ever meets, no run survives."""
    results = combined(Case(SCRIPTS["issue_then_accept"]), _ANY)
    met = {fault for result in results for fault in result.faults.values()}
    assert met == _all_faults()


def test_a_drawn_schedule_replays_from_what_is_printed():
    """The text of a schedule gives the same steps and the same end."""
    for seed, case in zip(range(200), itertools.cycle(CASES), strict=False):
        drawn_result = run(case, Seeded(seed))
        again = run(case, parse(str(drawn_result.schedule)))
        assert (again.steps, again.end) == (drawn_result.steps, drawn_result.end)
        assert again.faults == drawn_result.faults


def test_a_fault_that_is_not_possible_at_its_step_is_left_out():
    case = Case(SCRIPTS["issue"])
    assert run(case, Explicit({0: Fault("no_holding")})).faults == {}


@pytest.mark.parametrize("lost", [schedule.REQUEST_LOST, schedule.DELAYS[1]], ids=str)
def test_a_lost_commission_is_looked_for_a_few_times_and_not_all_the_time(lost):
    """A probe lists all that is pending: it waits longer each time (F59)."""
    case = Case(SCRIPTS["issue"])
    [send] = [s.number for s in _sends(run(case, keep_trace=True), "issue")]
    result = run(case, Explicit({send: lost}), keep_trace=True)
    assert result.violation is None
    assert 1 <= len(_sends(result, "list", by="task")) <= 12


def test_a_send_that_never_left_counts_once_when_its_record_is_written_twice():
    """Else the executed one before it is forgotten, and a done commission vanishes (F24)."""
    case, faults = Case(SCRIPTS["issue_accepted"]), {}
    for kind, what, fault in (
        ("receive", "accept", schedule.CRASH),
        ("send", "accept", schedule.NOT_SENT),
        ("ledger", "cas", schedule.ANSWER_LOST),
    ):
        trace = run(case, Explicit(faults), keep_trace=True).trace
        after = [seen for seen in trace if seen.number > max(faults, default=0)]
        step = next(s.number for s in after if s.kind == kind and s.what.startswith(what))
        faults = {**faults, step: fault}
    result = run(case, Explicit(faults))
    assert result.faults == faults
    assert result.violation is None


def test_serials_that_astakos_does_not_know_end_in_one_look_each():
    """F87: Astakos lists another commission of ours, so the token is ours; the lane never rests."""
    result = run(Case(SCRIPTS["serials_never_there"]), keep_trace=True)
    looks = _sends(result, "info", by="task")
    assert sorted(seen.what for seen in looks) == [f"info {n}" for n in range(77, 82)]
    assert not any(seen.what.startswith("rest") for seen in result.trace if seen.kind == "ledger")
    assert {state for key, state, *_ in result.end if key != ANCHOR} == {"unknown"}


def test_what_another_components_token_does_not_know_stays_open():
    """F25: a lone accept, sent again and again, ends as decided when the right token is back."""
    result = run(Case(SCRIPTS["wrong_token"]), keep_trace=True)
    assert len(_sends(result, "accept")) > 3
    assert ("k1", "accepted", False, False) in result.end


def _sends(result, what, by=""):
    sent = [seen for seen in result.trace if seen.kind == "send" and seen.what.startswith(what)]
    return [seen for seen in sent if by in seen.process]


def _all_faults():
    found = set(schedule.DELAYS)
    return found | {fault for fault in vars(schedule).values() if isinstance(fault, Fault)}
