"""The simulation finds bugs: each seeded bug breaks one rule, and is found."""

import itertools

import pytest

from tests.simulation import seeded_bugs
from tests.simulation.exploring import CASES, combined, drawn
from tests.simulation.running import Case, minimised, run
from tests.simulation.schedule import Explicit
from tests.simulation.scripts import SCRIPTS

#: Hundreds of runs a test: a second on an idle core, a minute on one that many others share.
pytestmark = pytest.mark.timeout(600)

_ANY = None


def _schedules(*names):
    """All single faults of these scripts, with one worker and with two."""
    cases = [Case(SCRIPTS[name], workers) for name in names for workers in (1, 2)]
    return itertools.chain.from_iterable(combined(case, _ANY) for case in cases)


def _ghost_behind_an_old_list():
    """A ghost that takes the last of the quota while the list without it is under way."""
    return combined(Case(SCRIPTS["just_enough"]), frozenset({"delay"}), frozenset({"slow"}))


def _of(name, *kinds):
    """Combinations of faults of these kinds, in this order."""
    return combined(Case(SCRIPTS[name]), *(frozenset({kind}) for kind in kinds))


#: Where each bug shows; how it is found there is for the simulation to say.
_FOUND = {
    seeded_bugs.no_probe: lambda: _schedules("issue"),
    seeded_bugs.probe_believed_too_early: lambda: _schedules("issue"),
    seeded_bugs.ambiguity_not_seen: lambda: _schedules("issue"),
    seeded_bugs.verdict_after_doubt_trusted: _ghost_behind_an_old_list,
    seeded_bugs.first_not_found_is_success: lambda: _schedules("issue_then_accept"),
    seeded_bugs.marked_again: lambda: _schedules("issue"),
    seeded_bugs.late_serial_rejected_on_sight: lambda: _schedules("issue"),
    seeded_bugs.sent_before_recorded: lambda: _schedules("issue"),
    seeded_bugs.decision_sent_before_recorded: lambda: _schedules("issue_then_accept"),
    seeded_bugs.decided_twice: lambda: _schedules("rivals"),
    seeded_bugs.versions_not_compared: lambda: _schedules("issue"),
    seeded_bugs.foreign_taken_for_ours: lambda: _schedules("issue"),
    seeded_bugs.namespace_ignored: lambda: _schedules("issue"),
    seeded_bugs.auto_accept_sent: lambda: _schedules("issue_accepted"),
    seeded_bugs.twin_forgotten: lambda: _schedules("twin"),
    seeded_bugs.row_of_answer_not_read: lambda: _schedules("issue_then_accept"),
    seeded_bugs.issued_although_rejected: lambda: _schedules("reject_while_queued"),
    seeded_bugs.expiry_forgotten: lambda: _schedules("left_to_its_deadline"),
    seeded_bugs.incarnation_ignored: lambda: _schedules("key_used_again"),
    seeded_bugs.not_found_believed_without_proof: lambda: _schedules("wrong_token"),
    seeded_bugs.any_list_proves_the_token: lambda: _schedules("wrong_token"),
    seeded_bugs.storm_kills_decided: lambda: _of("issue_accepted", "settle_storm"),
    seeded_bugs.storm_kills_queued: lambda: _of("issue", "issue_storm"),
    seeded_bugs.refused_token_counts_as_a_send: lambda: _of(
        "issue_accepted", "unauthorized", "foreign_reject"
    ),
    seeded_bugs.mark_lost_after_a_callback: lambda: _of(
        "called_back_when_pending", "foreign_reject"
    ),
    seeded_bugs.repeated_call_resets_its_own_commission: lambda: _of(
        "key_used_again", "twice_later"
    ),
    seeded_bugs.bare_serial_not_looked_at: lambda: _schedules("serial_for_its_key"),
    seeded_bugs.reused_serial_believed: lambda: _schedules("reused"),
    seeded_bugs.restored_twin_overlooked: lambda: _schedules("restored_though_cancelled"),
}


@pytest.mark.parametrize("bug", _FOUND, ids=lambda bug: bug.__name__)
def test_a_seeded_bug_is_found(bug, monkeypatch):
    """A simulation that finds nothing may be looking at nothing."""
    bug(monkeypatch)
    assert any(result.violation for result in _FOUND[bug]())


def test_what_is_found_is_printed_with_the_fewest_faults_and_replays(monkeypatch):
    """A failure can be tried again from the line that it prints."""
    seeded_bugs.no_probe(monkeypatch)
    found = next(result for result in drawn(CASES, range(20_000)) if result.violation)
    least = minimised(found)
    assert least.violation is not None
    for step in least.faults:
        fewer = {other: fault for other, fault in least.faults.items() if other != step}
        assert run(least.case, Explicit(fewer)).violation is None
    assert f"--replay {least.case} '{least.schedule}'" in str(least)
    assert run(least.case, least.schedule).violation == least.violation


def test_a_seeded_bug_is_found_where_known_moments_are_cut_short(monkeypatch):
    """What is left out because it is known must not be where the bug shows."""
    seeded_bugs.probe_believed_too_early(monkeypatch)
    case, kinds = Case(SCRIPTS["issue"]), frozenset({"aside", "delay"})
    results = list(itertools.takewhile(lambda r: not r.violation, combined(case, kinds, kinds)))
    assert any(result.cut for result in results)
    assert len(results) < sum(1 for _ in combined(case, kinds, kinds, prune=False))


def test_every_seeded_bug_is_tried():
    bugs = {
        value
        for value in vars(seeded_bugs).values()
        if getattr(value, "__module__", "") == seeded_bugs.__name__ and callable(value)
    }
    assert {bug for bug in bugs if not bug.__name__.startswith("_")} == _FOUND.keys()
