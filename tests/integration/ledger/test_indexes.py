"""Where a record is found besides under its key, how long, and how a lane stands."""

import pytest

from astakos_worker.ledger import events, states
from astakos_worker.ledger.contract import Write
from astakos_worker.ledger.record import bare_key
from tests.integration.ledger.places import (
    ACCEPT,
    FAULT,
    LANE,
    LONG,
    REJECT,
    SOON,
    issued,
)

SETTLED = (events.Decided(ACCEPT), events.SettleMarked(), events.Settled())


def open_deadline(place, key, seconds, **more):
    return place.put(key, deadline=place.now() + seconds, **more)


# --- By serial --------------------------------------------------------------------------------


def test_a_record_is_found_by_its_serial_and_by_its_twins(place):
    entry = place.put("a", serial=7)
    place.write(entry, events.Issued(8), events.Issued(9))
    place.put("b", serial=10)
    assert place.ledger.find(LANE, [7, 8, 9, 10, 11]) == {7: "a", 8: "a", 9: "a", 10: "b"}
    assert place.ledger.find(LANE, []) == {}


def test_a_settled_record_is_still_found_by_its_serial(place):
    """F43: if Astakos holds it again, it is known."""
    place.write(place.put("a", serial=7), *SETTLED)
    assert place.ledger.find(LANE, [7]) == {7: "a"}


def test_a_bare_serial_gives_way_to_the_commission_whose_it_is(place):
    bare = place.put_bare(7).record.key
    entry = place.put("a")
    verdict = place.write(entry, *issued(7))
    assert verdict.done and verdict.clash == bare
    assert place.ledger.find(LANE, [7]) == {7: "a"}
    assert place.write(verdict.entry, events.Decided(ACCEPT)).clash is None


def test_a_bare_serial_does_not_displace_a_commission(place):
    place.put("a", serial=7)
    record = states.bare(bare_key(7), LANE, "0" * 8, serial=7, decision=ACCEPT, now=place.now())
    [verdict] = place.ledger.cas([Write(record, 0)])
    assert verdict.done and verdict.clash == "a"
    assert place.ledger.find(LANE, [7]) == {7: "a"}
    assert place.write(verdict.entry, events.Merged("a")).done
    assert place.ledger.find(LANE, [7]) == {7: "a"}


def test_two_commissions_of_one_serial_clash_and_the_first_is_found(place):
    place.put("a", serial=7)
    verdict = place.write(place.put("b"), *issued(7))
    assert verdict.done and verdict.clash == "a"
    assert place.ledger.find(LANE, [7]) == {7: "a"}


def test_a_twin_that_is_another_commissions_clashes(place):
    place.put("a", serial=7)
    verdict = place.write(place.put("b", serial=8), events.Issued(7))
    assert verdict.clash == "a"


# --- Open ones with a serial ------------------------------------------------------------------


def test_held_serials_are_told_in_order_page_by_page(place):
    """F46."""
    for n in (30, 4, 100, 7):
        place.put(f"key-{n}", serial=n)
    place.put("without")
    assert place.ledger.held(LANE, 0, 2) == [(4, "key-4"), (7, "key-7")]
    assert place.ledger.held(LANE, 7, 2) == [(30, "key-30"), (100, "key-100")]
    assert place.ledger.held(LANE, 100, 2) == []


def test_what_is_settled_is_held_no_more(place):
    entry = place.put("a", serial=7)
    closed = place.write(entry, *SETTLED).entry
    assert place.ledger.held(LANE) == []
    place.write(closed, events.Resurfaced())
    assert place.ledger.held(LANE) == [(7, "a")]


def test_a_twin_is_not_what_its_commission_holds(place):
    """F42, F69: a commission that is cancelled holds nothing, though a twin is still to go."""
    cancelled = place.led(place.new("a"), events.Decided(REJECT), events.Issued(8))
    place.ledger.cas([Write(cancelled, 0)])
    assert place.entry("a").record.is_open
    assert place.ledger.held(LANE) == []
    assert place.ledger.lane(LANE).held == 0


# --- Open ones without a serial ---------------------------------------------------------------


def test_what_astakos_may_not_have_got_yet_is_told_until_there_is_a_serial_or_an_end(place):
    """Whoever compares usage with Astakos' must know what is on its way there."""
    waits, announced = place.put("waits"), place.write(place.put("sent"), events.Marked(1.0, 1.0))
    place.put("pending", serial=7)
    place.write(place.put("settled", serial=8), *SETTLED)
    assert sorted(place.ledger.unissued(LANE)) == ["sent", "waits"]
    place.write(announced.entry, events.Issued(9))
    place.write(waits, events.Decided(REJECT))
    assert place.ledger.unissued(LANE) == []
    assert place.ledger.unissued("another") == []


# --- Past their deadline ----------------------------------------------------------------------


def test_undecided_ones_past_their_deadline_are_told_the_oldest_first(place):
    """F37, F80."""
    open_deadline(place, "b", -1), open_deadline(place, "c", -2), open_deadline(place, "a", -3)
    open_deadline(place, "later", LONG), place.put("never")
    assert place.ledger.expired(LANE) == ["a", "c", "b"]
    assert place.ledger.expired(LANE, 2) == ["a", "c"]


def test_decided_ones_do_not_hide_those_past_their_deadline(place):
    """F37: after an outage there may be thousands that only wait to be settled."""
    open_deadline(place, "decided", -9, decision=ACCEPT)
    place.write(open_deadline(place, "later", -8), events.Decided(REJECT))
    place.write(open_deadline(place, "closed", -7), events.Died(FAULT))
    open_deadline(place, "undecided", -1)
    assert place.ledger.expired(LANE, 1) == ["undecided"]


# --- Retention --------------------------------------------------------------------------------


def test_closed_records_expire_with_all_that_finds_them_and_open_ones_never(place):
    """F57."""
    place.open(retention=SOON, bare_retention=LONG)
    place.put("open", serial=6)
    place.write(place.put("closed", serial=7), *SETTLED)
    bare = place.put_bare(8)
    place.write(bare, events.SettleMarked(), events.Settled())
    place.passes(3 * SOON)
    assert place.entry("closed") is None
    assert place.ledger.find(LANE, [6, 7, 8]) == {6: "open", 8: bare.record.key}
    assert place.ledger.lane(LANE).open == 1
    assert place.entry(bare.record.key) is not None


def test_a_key_is_new_after_its_retention(place):
    """F57."""
    place.open(retention=SOON)
    place.write(place.put("a", serial=7), events.Decided(REJECT), *SETTLED[1:])
    place.passes(3 * SOON)
    again = place.put("a")
    assert (again.version, again.cell, again.fence) == (1, None, 0)
    assert place.ledger.find(LANE, [7]) == {}
    assert place.write(place.put("b"), *issued(7)).clash is None


def test_bare_serials_are_kept_for_a_time_of_their_own(place):
    place.open(retention=LONG, bare_retention=SOON)
    bare = place.put_bare(8)
    place.write(bare, events.SettleMarked(), events.Settled())
    place.passes(3 * SOON)
    assert place.entry(bare.record.key) is None


@pytest.mark.parametrize("why", ["a twin", "astakos was restored"])
def test_a_closed_record_that_has_something_to_do_again_does_not_expire(place, why):
    """F43, F57."""
    place.open(retention=SOON)
    closed = place.led(place.put("a", serial=7).record, *SETTLED)
    event = events.Issued(8) if why == "a twin" else events.Resurfaced()
    place.ledger.cas([Write(closed, 1), Write(place.led(closed, event), 2)])
    place.passes(3 * SOON)
    assert place.entry("a") is not None
    assert 7 in place.ledger.find(LANE, [7])


# --- How a lane stands ------------------------------------------------------------------------


def test_a_lane_says_how_it_stands(place):
    place.put("old", late=60), place.put("new", late=1), place.put("later", late=-LONG)
    place.put("pending", serial=7)
    place.write(place.put("closed"), events.Died(FAULT))
    lane = place.ledger.lane(LANE)
    assert (lane.name, lane.due, lane.open, lane.held, lane.awake) == (LANE, 2, 4, 1, 0)
    assert 60 <= lane.oldest_due < 60 + LONG
    place.claim(issues=1)
    lane = place.ledger.lane(LANE)
    assert (lane.due, lane.awake) == (1, 1)
    assert 1 <= lane.oldest_due < 60


def test_an_unknown_lane_is_empty(place):
    lane = place.ledger.lane("shop")
    assert (lane.due, lane.open, lane.oldest_due, lane.alarms) == (0, 0, 0.0, {})
    assert place.ledger.lanes() == []


def test_lanes_are_told_by_name(place):
    place.put("a")
    request = place.new("b").request
    for name in ("shop", "accounts"):
        record = states.queued("b", name, "0" * 8, request, now=place.now())
        place.ledger.cas([Write(record, 0)])
    assert place.ledger.lanes() == ["accounts", LANE, "shop"]


def test_a_lane_without_records_is_told_too_if_there_is_something_to_say_of_it(place):
    """With the ledger lost, an alarm is all that there is of a lane, and must be seen."""
    place.ledger.alarm("lost", "brake", "too many")
    place.ledger.note("swept", "sweep", "{}")
    place.ledger.alarm("fine", "brake", None)
    assert place.ledger.lanes() == ["lost", "swept"]


def test_alarms_are_raised_and_ended_by_name(place):
    place.ledger.alarm(LANE, "token", "Astakos does not know our token")
    place.ledger.alarm(LANE, "sweep", "too many")
    place.ledger.alarm(LANE, "token", "still not")
    assert place.ledger.lane(LANE).alarms == {"token": "still not", "sweep": "too many"}
    place.ledger.alarm(LANE, "sweep", None)
    place.ledger.alarm(LANE, "sweep", None)
    assert place.ledger.lane(LANE).alarms == {"token": "still not"}


# --- Dead letters -----------------------------------------------------------------------------


def test_a_dead_record_is_listed_until_a_person_has_seen_to_it(place):
    """F27: sent again or given up, it is listed no more."""
    first = place.write(place.put("first"), events.Died(FAULT)).entry
    place.passes(SOON)
    second = place.write(place.put("second"), events.Died(FAULT)).entry
    place.put("alive")
    assert place.ledger.dead(LANE) == ["first", "second"]
    assert place.ledger.dead(LANE, limit=1) == ["first"]
    assert place.ledger.lane(LANE).dead == 2
    assert place.write(first, events.Revived(place.now())).done
    assert place.write(second, events.Discarded()).done
    assert place.ledger.dead(LANE) == []
    assert place.ledger.lane(LANE).dead == 0
    assert place.claimed(own="first") == ["first", "alive"]
    assert place.write(place.entry("first"), events.Died(FAULT)).done
    assert place.ledger.dead(LANE) == ["first"]


def test_a_dead_record_is_listed_for_as_long_as_it_is_kept(place):
    place.open(retention=SOON)
    place.write(place.put("gone"), events.Died(FAULT))
    told = place.put("told", callback="shop.settled")
    place.write(told, events.Died(FAULT))  # open, until its call-back is told
    place.passes(2 * SOON)
    assert place.ledger.dead(LANE) == ["told"]
    assert place.ledger.lane(LANE).dead == 1
