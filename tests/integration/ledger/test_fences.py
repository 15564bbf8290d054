"""A claim is a lease with a new fence: who lost it changes facts, and announces nothing."""

from astakos_worker.ledger import events
from astakos_worker.ledger.record import State
from tests.integration.ledger.places import ACCEPT, FAULT, LANE, LONG, SOON

#: A holder announces by writing: what it was given is not sent, and is about to be sent again.
ANNOUNCES = events.Unsent(1, 1.0), events.Marked(1.0, 1.0)


def test_each_claim_has_a_new_fence_and_leaves_what_it_announces_nothing_for_untouched(place):
    ambiguous = events.Marked(1.0, 1.0), events.Doubtful(1, 1.0, FAULT)
    before = place.write(place.put("a"), *ambiguous).entry
    for fence in (1, 2):
        [entry] = place.claim(f"carrier-{fence}", lease=SOON).entries
        assert (entry.record, entry.version, entry.fence) == (before.record, before.version, fence)
        place.passes(2 * SOON)


def test_a_live_lease_is_nobody_elses(place):
    """F2, F31."""
    place.put("a")
    assert place.claimed("first") == ["a"]
    assert place.claimed("second") == []
    assert place.entry("a").leased > place.now()


def test_a_lease_that_ran_out_is_the_next_ones(place):
    """F30, F45, F72."""
    place.put("a")
    assert place.claimed("first", lease=SOON) == ["a"]
    place.passes(2 * SOON)
    assert place.claimed("second") == ["a"]


def test_who_lost_the_lease_announces_nothing(place):
    """F73: the version still stands, and yet another may be sending."""
    place.put("a")
    [lost] = place.claim("first", lease=SOON).entries
    place.passes(2 * SOON)
    [held] = place.claim("second").entries
    assert lost.version == held.version
    refused = place.write(lost, *ANNOUNCES, fence=lost.fence, fenced=True)
    assert not refused.done and refused.entry.fence == held.fence
    assert place.write(held, *ANNOUNCES, fence=held.fence, fenced=True).done


def test_a_lease_that_ran_out_unnoticed_is_still_its_holders(place):
    """Fences, not suspicions: nobody else has claimed it."""
    place.put("a")
    [entry] = place.claim(lease=SOON).entries
    place.passes(2 * SOON)
    assert place.write(entry, *ANNOUNCES, fence=entry.fence, fenced=True, lease=LONG).done
    assert place.claimed("second") == []


def test_who_never_claimed_announces_nothing(place):
    before = place.put("a")
    place.claim()
    entry = place.entry("a")  # and yet knows how it is now
    assert not place.write(entry, *ANNOUNCES, fenced=True).done
    assert not place.write(entry, *ANNOUNCES, fence=before.fence, fenced=True).done


def test_a_late_serial_is_recorded_whatever_the_fence_says(place):
    """F17."""
    place.put("a")
    [lost] = place.claim("first", lease=SOON).entries
    place.passes(2 * SOON)
    place.claim("second")
    assert place.write(lost, events.Issued(7), fence=lost.fence).done
    assert place.entry("a").record.serial == 7


def test_the_holder_renews_its_lease_with_a_write(place):
    place.put("a")
    [entry] = place.claim(lease=SOON).entries
    assert place.write(entry, *ANNOUNCES, fence=entry.fence, fenced=True, lease=LONG).done
    place.passes(2 * SOON)
    assert place.claimed("second") == []


def test_the_holder_gives_the_lease_back_with_a_write(place):
    place.put("a")
    [entry] = place.claim().entries
    assert place.write(entry, events.Unsent(1, place.now()), fence=entry.fence).done
    assert place.claimed("second") == ["a"]


def test_a_record_that_is_given_back_for_later_is_due_then(place):
    place.put("a")
    [entry] = place.claim().entries
    due = place.now() + SOON
    assert place.write(entry, events.Unsent(1, due, FAULT), fence=entry.fence).done
    place.passes(2 * SOON)
    [entry] = place.claim("second").entries
    later = events.Unsent(2, place.now() + LONG, FAULT)
    assert place.write(entry, later, fence=entry.fence).done
    assert place.claimed("third") == []


def test_what_others_write_leaves_a_live_lease_and_its_due_time_alone(place):
    """Rule 8 of the design: a sweep's adoption does not take it from its carrier's hands."""
    place.put("a")
    [held] = place.claim("first").entries
    adopted = place.write(held, events.Issued(7), events.Decided(ACCEPT))
    assert adopted.done and adopted.entry.record.due is not None
    assert place.claimed("second") == []
    assert place.entry("a").leased > place.now()
    settled = place.write(adopted.entry, events.SettleMarked(), fence=held.fence, fenced=True)
    assert settled.done  # still the holder


def test_what_others_write_after_the_lease_says_when_it_is_due(place):
    place.put("a")
    [held] = place.claim("first", lease=SOON).entries
    place.passes(2 * SOON)
    assert place.write(held, events.Issued(7)).done
    assert place.claimed("second") == []  # pending, and nobody has decided


def test_one_that_is_not_the_holder_gets_no_lease_by_writing(place):
    """F73: it would be a second holder under the first one's fence."""
    place.put("a")
    [lost] = place.claim("first", lease=SOON).entries
    place.passes(2 * SOON)
    place.claim("second", lease=SOON)
    place.passes(2 * SOON)
    back = events.Unsent(1, place.now())
    assert place.write(lost, back, fence=lost.fence, lease=LONG).done
    assert place.claimed("third") == ["a"]


def test_a_record_that_others_closed_under_a_lease_is_claimed_no_more(place):
    place.put("a")
    [held] = place.claim("first", lease=SOON).entries
    assert place.write(held, events.Died(FAULT)).done
    place.passes(2 * SOON)
    assert place.claimed("second") == []
    assert place.entry("a").record.state is State.DEAD
    assert place.ledger.lane("cyclades").due == 0


def test_a_decision_under_a_lease_that_its_holder_has_not_seen_makes_the_record_due(place):
    """F17, F20: it does not wait for somebody to look."""
    place.put("a")
    [entry] = place.claim().entries
    place.decide("a")
    verdict = place.write(entry, events.Issued(7), fence=entry.fence)
    assert verdict.done and verdict.entry.record.decision == verdict.entry.cell == ACCEPT
    claim = place.claim("second")
    assert claim.queue == "settle" and claim.entries[0].cell == ACCEPT


def test_a_decision_that_the_holder_has_seen_is_due_when_it_says(place):
    place.put("a")
    [entry] = place.claim().entries
    cell = place.decide("a").entry.cell
    steps = [events.Decided(cell), events.Issued(7), events.SettleMarked()]
    later = events.SettleFailed(place.now() + LONG, FAULT)
    assert place.write(entry, *steps, later, fence=entry.fence).done
    assert place.claimed("second") == []


def test_a_lease_is_not_kept_of_what_is_closed(place):
    """Nothing is left to do for it, so it is nobody's, and never due again."""
    entry = place.put("a") and place.claim().entries[0]
    steps = events.Issued(7), events.Decided(ACCEPT), events.SettleMarked(), events.Settled()
    assert place.write(entry, *steps, fence=entry.fence, lease=SOON).done
    assert place.entry("a").leased == 0
    place.passes(2 * SOON)
    assert place.ledger.lane(LANE).due == 0
