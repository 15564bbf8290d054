"""The decision's cell is written once, by whoever comes first (`decide`)."""

import pytest

from astakos_worker.ledger import events
from astakos_worker.ledger.contract import Write, Written
from astakos_worker.ledger.record import Decision
from tests.integration.ledger.places import ACCEPT, FAULT, LANE, LONG, REJECT


def test_a_decision_stands_and_the_record_is_due(place):
    place.put("a", serial=7)
    verdict = place.decide("a", Decision("accept", "because", 4.5))
    assert verdict.done and verdict.entry.cell == Decision("accept", "because", 4.5)
    assert verdict.entry.version == 1 and verdict.entry.record.decision == verdict.entry.cell
    claim = place.claim()
    assert (claim.queue, claim.entries[0].cell.reason) == ("settle", "because")


@pytest.mark.parametrize(("first", "second"), [(ACCEPT, REJECT), (REJECT, ACCEPT)])
def test_the_first_decision_stands_and_the_second_is_told_it(place, first, second):
    """F23."""
    place.put("a", serial=7)
    place.decide("a", first)
    assert place.decide("a", second).entry.cell == first
    assert place.entry("a").cell == first


def test_a_decision_of_an_unknown_key_is_none(place):
    verdict = place.decide("a")
    assert (verdict.done, verdict.entry, verdict.newer) == (False, None, False)
    assert place.entry("a") is None
    assert place.ledger.lanes() == []


def test_many_are_decided_in_one_call(place):
    place.put("a"), place.put("b")
    verdicts = place.ledger.decide(LANE, {"b": REJECT, "x": ACCEPT, "a": ACCEPT})
    cells = {key: verdict.entry and verdict.entry.cell for key, verdict in verdicts.items()}
    assert cells == {"b": REJECT, "x": None, "a": ACCEPT}
    assert place.ledger.decide(LANE, {}) == {}


def test_a_closed_record_is_not_decided(place):
    place.write(place.put("a"), events.Died(FAULT))
    verdict = place.decide("a")
    assert verdict.done and verdict.entry.cell is None and not verdict.wakeup
    assert place.claimed() == []


def test_a_decision_that_came_with_the_record_is_its_only_one(place):
    """F16."""
    record = place.new("a", decision=ACCEPT)
    assert place.ledger.cas([Write(record, 0, cell=ACCEPT)])[0].entry.cell == ACCEPT
    assert place.decide("a", REJECT).entry.cell == ACCEPT


def test_a_record_that_says_its_decision_has_it_in_the_cell(place):
    """Rule 2 of the design: there is one place where the first one wins."""
    place.put("a", decision=REJECT)
    assert place.decide("a", ACCEPT).entry.cell == REJECT
    entry = place.put("b", serial=7)
    place.write(entry, events.Decided(REJECT))
    assert place.decide("b", ACCEPT).entry.cell == REJECT


def test_a_writer_that_decides_against_the_cell_is_refused(place):
    """Rule 2 of the design, F37: the sweep's `expired` loses against an accept before it."""
    entry = place.put("a", serial=7)
    place.decide("a", ACCEPT)
    verdict = place.write(entry, events.Decided(REJECT))
    assert not verdict.done
    assert (verdict.entry.cell, verdict.entry.record.decision) == (ACCEPT, ACCEPT)
    assert place.write(entry, events.Decided(ACCEPT)).done


def test_a_decision_leaves_a_lease_and_a_due_time_alone(place):
    """Its holder's next write brings it back."""
    place.put("leased")
    place.claim()
    later = events.Unsent(1, place.now() + LONG)
    place.write(place.put("waiting"), events.Marked(1, 1), later)
    assert place.decide("leased").entry.cell == ACCEPT
    assert place.decide("waiting").entry.cell == ACCEPT
    assert place.claimed("second") == []


def test_a_decision_asks_whether_a_wake_up_is_wanted(place):
    place.put("a", serial=7)
    assert place.decide("a").wakeup
    assert not place.decide("a").wakeup  # it has been promised


def test_a_decision_for_an_earlier_use_of_the_key_decides_nothing(place):
    """F82: it was delivered again after the key was used again."""
    old = place.write(place.put("a"), events.Died(FAULT)).entry
    [verdict] = place.ledger.cas([Write(place.new("a"), old.version, reset=True)])
    new = verdict.entry
    late = {"a": old.record.incarnation}
    verdict = place.ledger.decide(LANE, {"a": REJECT}, late)["a"]
    assert (verdict.done, verdict.superseded, verdict.newer) == (False, True, False)
    assert (verdict.entry.record, verdict.entry.cell, verdict.wakeup) == (new.record, None, False)
    assert place.entry("a").record == new.record
    own = {"a": new.record.incarnation, "unknown": "0" * 8}
    verdicts = place.ledger.decide(LANE, {"a": ACCEPT, "unknown": ACCEPT}, own)
    assert (verdicts["a"].done, verdicts["a"].superseded) == (True, False)
    assert verdicts["a"].entry.cell == ACCEPT
    assert verdicts["unknown"] == Written(False, None)
