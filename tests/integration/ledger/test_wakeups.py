"""How many are awake on a lane, and when another one is to be woken."""

import pytest

from astakos_worker.ledger import events, states
from astakos_worker.ledger.contract import ANYONE, WakeupPolicy, Write
from tests.integration.ledger.places import ACCEPT, LANE, LONG, SOON, carriers, issued


def rings(place, number, **more):
    """How many of so many new commissions ask for a wake-up."""
    writes = [Write(place.new(f"key-{n}", **more), 0, wakeup=True) for n in range(number)]
    return sum(verdict.wakeup for verdict in place.ledger.cas(writes))


# --- Ringing ----------------------------------------------------------------------------------


def test_a_lone_call_wants_a_wake_up(place):
    assert rings(place, 1) == 1


def test_promises_that_nobody_kept_do_not_pile_up(on_server):
    """While all workers are away, services go on enqueueing."""
    on_server.open(wakeups=WakeupPolicy(promise=SOON, coalesce=False))
    for n in range(3):
        [verdict] = on_server.ledger.cas([Write(on_server.new(f"key-{n}"), 0, wakeup=True)])
        assert verdict.wakeup
        on_server.passes(2 * SOON)
    assert on_server.server.zcard(f"astakos:test:{LANE}:promised") == 1


def test_who_does_not_ask_does_not_promise(place):
    place.put("a")
    assert rings(place, 1) == 1


def test_what_is_not_due_wants_no_wake_up(place):
    assert rings(place, 1, late=-LONG) == 0


def test_a_thousand_calls_ring_as_often_as_there_may_be_carriers(place):
    """F67."""
    place.open(wakeups=carriers(8, per_carrier=16))
    assert rings(place, 1000) == 8


def test_one_more_is_wanted_for_each_so_many_that_are_due(place):
    place.open(wakeups=carriers(8, per_carrier=10))
    assert rings(place, 10) == 1
    place.put("11th")
    assert place.decide("11th").wakeup
    assert not place.decide("11th").wakeup


def test_an_awake_carrier_needs_no_ring(place):
    place.open(wakeups=carriers(8, per_carrier=16))
    place.put("a"), place.claim(issues=1)
    assert rings(place, 10) == 0


def test_a_promise_that_is_kept_counts_once(place):
    """As the carrier that keeps it, and not beside it."""
    place.open(wakeups=carriers(8, per_carrier=1))
    assert rings(place, 1) == 1
    assert place.claimed(own="key-0", wakeup_id="key-0?") == ["key-0"]
    assert place.claim("carrier").why == "idle"
    place.put("a")
    assert place.decide("a").wakeup
    assert place.claimed(wakeup_id="a!") == ["a"]
    assert place.claim("carrier").why == "idle"
    place.put("b")
    assert place.decide("b").wakeup


def test_a_decision_on_a_bare_serial_keeps_the_promise_that_was_made_for_it(place):
    """Or the calls of the next seconds would count on a carrier that does not come."""
    place.open(wakeups=carriers(8, per_carrier=1))
    verdict = place.bare(7, wakeup=True)
    assert verdict.wakeup
    key = verdict.entry.record.key
    assert place.claimed(own=key, wakeup_id=f"{key}!") == [key]
    assert place.claim("carrier").why == "idle"
    assert rings(place, 1) == 1


def test_a_promise_that_nobody_keeps_is_forgotten(place):
    """F65: the message may be lost."""
    place.open(wakeups=carriers(8, promise=SOON))
    assert rings(place, 1) == 1
    place.passes(2 * SOON)
    assert place.decide("key-0").wakeup


@pytest.mark.parametrize(("per_carrier", "wanted"), [(5, 1), (2, 2)])
def test_the_decided_want_one_carrier_and_many_want_two(place, per_carrier, wanted):
    """Else each of the others would find nothing, go, and be rung for again."""
    place.open(wakeups=carriers(8, per_carrier=per_carrier))
    for n in range(20):
        place.put(f"s{n}", serial=n + 1)
    assert sum(place.decide(f"s{n}").wakeup for n in range(20)) == wanted
    assert place.claimed(settles=5)
    assert [place.decide(f"s{n}").wakeup for n in range(20)] == [False] * 20


def test_with_coalescing_off_every_call_wants_its_own(place):
    place.open(wakeups=WakeupPolicy(2, coalesce=False))
    assert rings(place, 20) == 20
    assert place.decide("key-0").wakeup
    assert not place.claim().wakeup  # what is nobody's call is rung for as ever
    assert place.ledger.beat({}, "driver", LONG) == {}


# --- Being awake ------------------------------------------------------------------------------


def test_finding_nothing_and_signing_off_are_one_step(place):
    """F76: the next call sees nobody awake, and rings."""
    place.put("a"), place.claim()
    assert place.ledger.lane(LANE).awake == 1
    claim = place.claim()
    assert (claim.entries, claim.why, claim.wakeup) == ((), "idle", False)
    assert place.ledger.lane(LANE).awake == 0
    assert rings(place, 1) == 1


def test_no_more_are_awake_than_the_bound(place):
    """F67."""
    place.open(wakeups=carriers(2))
    for n in range(9):
        place.put(f"key-{n}", late=9)
    assert place.claimed("one", issues=1) and place.claimed("two", issues=1)
    claim = place.claim("three", issues=1)
    assert (claim.entries, claim.why) == ((), "full")
    assert place.claimed("one", issues=1)  # who is awake is not counted against itself
    place.ledger.sign_off(LANE, "two")
    assert place.claimed("three", issues=1)


def test_a_carrier_that_died_does_not_count_for_long(place):
    """F65."""
    place.open(wakeups=carriers(1, forgotten=SOON))
    place.put("a"), place.put("b")
    assert place.claimed("one", issues=1)
    place.passes(2 * SOON)
    assert place.ledger.lane(LANE).awake == 0
    assert place.claimed("two", issues=1)


def test_a_carrier_that_was_forgotten_and_replaced_goes(place):
    """F67: a process that was paused must not be one too many for ever."""
    place.open(wakeups=carriers(1, forgotten=SOON))
    for key in "abc":
        place.put(key)
    place.claim("paused", issues=1)
    place.passes(2 * SOON)
    place.ledger._wakeups = carriers(1)  # from here on nobody is forgotten
    assert place.claimed("other", issues=1)
    place.ledger.beat({LANE: ["paused"]}, None, LONG)
    assert place.claim("paused", issues=1).why == "full"
    assert place.claimed("other", issues=1)


def test_a_heartbeat_keeps_awake_who_is_and_wakes_nobody_else(place):
    """Who has signed off between two heartbeats stays away."""
    place.open(wakeups=carriers(8, forgotten=SOON))
    place.put("a"), place.claim("busy")
    place.passes(2 * SOON)
    place.ledger._wakeups = carriers(8)  # the next heartbeat lasts
    assert place.ledger.lane(LANE).awake == 0
    assert place.ledger.beat({LANE: ["busy", "gone"]}, None, LONG) == {}
    assert place.ledger.lane(LANE).awake == 1


def test_a_carrier_that_goes_learns_whether_to_ring(place):
    place.put("a"), place.put("b")
    place.claim("one", issues=1)
    assert place.ledger.sign_off(LANE, "one")
    place.claim("two", wakeup_id=ANYONE)
    assert not place.ledger.sign_off(LANE, "two")


def test_a_claim_says_when_more_is_due_than_who_is_awake_can_bear(place):
    place.open(wakeups=carriers(3, per_carrier=2))
    for n in range(20):
        place.put(f"key-{n}")
    assert [place.claim("one", issues=1).wakeup for _ in range(3)] == [True, True, False]


# --- The drive --------------------------------------------------------------------------------


def test_the_drive_rings_for_what_nobody_carries(place):
    """F45, F47."""
    place.open(wakeups=carriers(4, per_carrier=2))
    for n in range(5):
        place.put(f"key-{n}")
    assert place.ledger.beat({}, "driver", LONG) == {LANE: 3}
    assert place.ledger.beat({}, "driver", LONG) == {}  # promised is promised
    place.put("more-1"), place.put("more-2")
    assert place.ledger.beat({}, "driver", LONG) == {LANE: 1}


def test_the_drive_rings_for_each_lane_by_itself(place):
    place.put("a")
    shop = states.queued("b", "shop", "0" * 8, place.new("b").request, now=place.now())
    place.ledger.cas([Write(shop, 0)])
    assert place.ledger.beat({"empty": ["someone"]}, "driver", LONG) == {LANE: 1, "shop": 1}


def test_the_drive_leaves_a_lane_that_is_carried(place):
    place.put("a"), place.put("b")
    place.claim(issues=1)
    assert place.ledger.beat({}, "driver", LONG) == {}


def test_one_drives_at_a_time(place):
    place.put("a")
    assert place.ledger.take_lease("drive", "another", SOON)
    assert place.ledger.beat({}, "driver", LONG) == {}
    place.passes(2 * SOON)
    assert place.ledger.beat({}, "driver", LONG) == {LANE: 1}


def test_who_does_not_drive_rings_for_nobody(place):
    place.put("a")
    assert place.ledger.beat({LANE: []}, None, LONG) == {}


@pytest.mark.parametrize("by", ["the drive", "a claim", "a sign-off"])
def test_a_ring_for_anyone_is_kept_by_anyone(place, by):
    """Or it would count beside its carrier, and a call in the meantime not ring."""
    place.open(wakeups=carriers(8, per_carrier=1))
    place.put("a", late=2)
    if by == "the drive":
        assert place.ledger.beat({}, "driver", LONG) == {LANE: 1}
    else:
        place.put("b", late=1)
        ring = place.claim("first", issues=1).wakeup
        ring = place.ledger.sign_off(LANE, "first") or ring
        assert ring
        if by == "a claim":
            place.ledger.beat({}, "driver", LONG)
    assert place.claimed(wakeup_id=ANYONE)
    assert place.claim(wakeup_id=ANYONE).why == "idle"
    assert rings(place, 1) == 1


def test_a_decision_on_a_settled_lane_rings_after_all_that(place):
    entry = place.put("a", serial=7)
    place.decide("a")
    claim = place.claim(wakeup_id="a!")
    steps = [events.Decided(ACCEPT), events.SettleMarked(), events.Settled()]
    place.write(entry, *steps, fence=claim.entries[0].fence)
    assert place.claim().why == "idle"
    other = place.put("b")
    place.write(other, *issued(8))
    assert place.decide("b").wakeup
