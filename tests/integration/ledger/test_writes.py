"""A write stands if the version that was read still does (`cas`), and may be repeated."""

from dataclasses import replace

import pytest

from astakos_worker.ledger import events
from astakos_worker.ledger.contract import Write
from astakos_worker.ledger.record import State
from tests.integration.ledger.places import ACCEPT, FAULT, LANE, REJECT, issued


def test_a_new_record_is_written_against_nothing(place):
    record = place.new("a")
    [verdict] = place.ledger.cas([Write(record, 0)])
    assert verdict.done and not verdict.wakeup and verdict.clash is None
    assert (verdict.entry.record, verdict.entry.version) == (record, 1)
    assert place.entry("a").record == record


def test_a_second_new_record_of_a_key_is_refused_and_told_the_first(place):
    """F3: whether it is a replay or a conflict, the caller judges."""
    first = place.put("a").record
    [verdict] = place.ledger.cas([Write(place.new("a", late=9), 0)])
    assert not verdict.done and not verdict.newer
    assert (verdict.entry.record, verdict.entry.version) == (first, 1)


def test_a_write_against_the_version_that_was_read_stands(place):
    verdict = place.write(place.put("a"), *issued(7))
    assert verdict.done and verdict.entry.version == 2
    assert place.entry("a").record.serial == 7


def test_a_write_against_an_older_version_is_refused_and_told_the_current_record(place):
    stale = place.put("a")
    current = place.write(stale, *issued(7)).entry
    verdict = place.write(stale, *issued(8))
    assert not verdict.done
    assert (verdict.entry.record, verdict.entry.version) == (current.record, 2)
    assert place.entry("a").record.serial == 7


def test_a_write_against_a_record_that_is_not_there_is_refused(place):
    [verdict] = place.ledger.cas([Write(place.new("a"), 3)])
    assert (verdict.done, verdict.entry) == (False, None)
    assert place.entry("a") is None


def test_each_write_of_a_batch_has_its_own_verdict(place):
    entry = place.put("a")
    place.write(entry, *issued(7))
    verdicts = place.ledger.cas(
        [Write(place.new("b"), 0), Write(entry.record, 1), Write(place.new("c"), 0)]
    )
    assert [verdict.done for verdict in verdicts] == [True, False, True]
    assert place.ledger.cas([]) == []


@pytest.mark.parametrize(
    "key",
    [
        "server-42/create",
        "a b  c",
        "100%",
        "[x]*?{y}",
        "\"quoted\" \\ and 'so'",
        "ключ",
        "鍵",
        "😀" * 200,
        "0",
        "-",
        ":",
        "a:b:lane",
    ],
)
def test_any_printable_key_names_its_own_record(place, key):
    """F22."""
    record = place.put(key, serial=7).record
    place.put("another")
    assert place.entry(key).record == record
    assert place.ledger.find(LANE, [7]) == {7: key}
    assert place.decide(key).entry.cell == ACCEPT
    assert place.claimed(settles=1) == [key]


def test_text_in_a_record_comes_back_as_it_was(place):
    fault = {"class": "Garbled", "message": 'lone \ud800, NUL \x00, "quoted", newline \n, ☃'}
    entry = place.put("a")
    place.write(entry, events.Marked(1, 1), events.Doubtful(1, 2, fault))
    assert place.entry("a").record.error == fault


def test_records_of_two_lanes_do_not_meet(place):
    place.put("a")
    assert place.ledger.get("shop", ["a"]) == {}
    assert place.ledger.find("shop", [7]) == {}
    assert place.ledger.decide("shop", {"a": ACCEPT})["a"].entry is None
    assert place.ledger.lanes() == [LANE]


# --- Writes that are repeated because their answer was lost -----------------------------------


def test_the_same_write_again_counts_as_done(place):
    """F56: and changes nothing."""
    write = Write(place.new("a"), 0)
    [first] = place.ledger.cas([write])
    [again] = place.ledger.cas([write])
    assert again.done and again.entry == first.entry
    assert place.entry("a").version == 1


def test_the_same_write_again_is_not_done_once_something_else_was_written(place):
    write = Write(place.led(place.put("a").record, *issued(7)), 1)
    [verdict] = place.ledger.cas([write])
    place.write(verdict.entry, events.Decided(ACCEPT))
    [again] = place.ledger.cas([write])
    assert not again.done and again.entry.record.decision == ACCEPT


def test_a_call_that_makes_a_commission_is_done_once_whatever_became_of_it(place):
    """F81: it is repeated after a worker has carried the commission on, and closed it."""
    write = Write(place.new("a"), 0)
    [first] = place.ledger.cas([write])
    going = place.write(first.entry, *issued(7), events.Decided(ACCEPT)).entry
    [again] = place.ledger.cas([write])
    assert again.done and again.entry.record == going.record
    ended = place.write(going, events.SettleMarked(), events.Settled()).entry
    [again] = place.ledger.cas([write])
    assert again.done and again.entry.record == ended.record
    assert place.entry("a").version == ended.version


def test_a_reset_is_done_once_whatever_became_of_the_new_commission(place):
    """F81: repeated, it would make a second commission of one call."""
    old = place.write(place.put("a"), events.Died(FAULT)).entry
    write = Write(place.new("a"), old.version, reset=True)
    [first] = place.ledger.cas([write])
    ended = place.write(first.entry, *issued(7), events.Died(FAULT)).entry
    for version in (old.version, ended.version):  # as sent again, and as judged again
        [again] = place.ledger.cas([replace(write, version=version)])
        assert again.done and again.entry.record == ended.record
    assert place.entry("a").version == ended.version


def test_a_reset_replaces_the_commission_that_it_names_and_no_other(place):
    """F81: the key was used by another caller since this one looked."""
    old = place.write(place.put("a"), events.Died(FAULT)).entry
    other = Write(place.new("a"), old.version, reset=True, replaces=old.record.incarnation)
    [theirs] = place.ledger.cas([other])
    ended = place.write(theirs.entry, events.Died(FAULT)).entry
    mine = Write(place.new("a"), ended.version, reset=True, replaces=old.record.incarnation)
    [refused] = place.ledger.cas([mine])
    assert not refused.done and refused.entry.record == ended.record
    assert place.entry("a").record == ended.record


def test_a_repeated_write_promises_its_wake_up_again(place):
    """The first promise was told to nobody, so it must not keep anybody from ringing."""
    write = Write(place.new("a"), 0, wakeup=True)
    assert [place.ledger.cas([write])[0].wakeup for _ in range(3)] == [True, True, True]


def test_a_repeated_write_tells_again_whose_serial_it_was(place):
    """Else two commissions of one serial would go unnoticed when an answer is lost."""
    place.put("other", serial=7)
    write = Write(place.led(place.put("a").record, *issued(7)), 1)
    assert [place.ledger.cas([write])[0].clash for _ in range(2)] == ["other", "other"]


def test_a_repeated_announcement_is_not_done_once_another_has_claimed(place):
    """F73: two that announce the same at the same moment must not both send."""
    place.put("a")
    [first] = place.claim("first", lease=0.001).entries
    again = place.led(first.record, events.Unsent(1, 1.0), events.Marked(1.0, 1.0))
    write = Write(again, first.version, fence=first.fence, fenced=True)
    place.passes(0.01)
    [second] = place.claim("second").entries
    assert second.version == first.version
    assert place.ledger.cas([replace(write, fence=second.fence)])[0].done
    assert not place.ledger.cas([write])[0].done


# --- A key in use again -----------------------------------------------------------------------


def test_a_key_in_use_again_begins_anew(place):
    """F57: nothing of its first life is left: no decision, no serial, no holder, no lease."""
    place.put("a", serial=7, decision=ACCEPT)
    [held] = place.claim().entries
    steps = [events.SettleMarked(), events.Settled(), events.Issued(8), events.TwinSettled(8)]
    closed = place.write(held, *steps).entry  # by another, so the lease lives on
    assert place.ledger.find(LANE, [7, 8]) == {7: "a", 8: "a"}
    [verdict] = place.ledger.cas([Write(place.new("a"), closed.version, reset=True)])
    assert verdict.done and verdict.entry.cell is None
    assert place.ledger.find(LANE, [7, 8]) == {}
    assert place.decide("a", REJECT).entry.cell == REJECT
    late = Write(closed.record, verdict.entry.version, fence=held.fence, fenced=True)
    assert not place.ledger.cas([late])[0].done
    assert place.claimed("second") == ["a"]


def test_a_key_in_use_again_may_bring_its_decision(place):
    place.put("a", decision=REJECT)
    closed = place.write(place.entry("a"), events.Died({"class": "X"})).entry
    record = place.new("a", decision=ACCEPT)
    [verdict] = place.ledger.cas([Write(record, closed.version, cell=ACCEPT, reset=True)])
    assert verdict.done and verdict.entry.cell == ACCEPT
    assert place.entry("a").record.state is State.QUEUED
