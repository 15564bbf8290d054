"""A lane whose Astakos is away rests, and is then tried by one carrier with one record (F59)."""

import pytest

from astakos_worker.ledger.contract import Write
from astakos_worker.ledger.events import Postponed
from tests.integration.ledger.places import LANE, LONG, SOON, carriers


def lane(place):
    return place.ledger.lane(LANE)


def rest_is_over(place, seconds=SOON):
    place.ledger.rest(LANE, seconds, "Astakos is away")
    place.passes(2 * seconds)


def test_nobody_works_on_a_lane_at_rest(place):
    place.put("a")
    place.ledger.rest(LANE, LONG, "Astakos is away")
    claim = place.claim()
    assert (claim.entries, claim.why) == ((), "resting")
    assert 0 < lane(place).resting <= LONG
    assert lane(place).reason == "Astakos is away"


def test_nobody_is_woken_for_a_lane_at_rest(place):
    place.put("a", serial=7), place.put("b")
    place.ledger.rest(LANE, LONG, "Astakos is away")
    assert not place.decide("a").wakeup
    assert not place.ledger.sign_off(LANE, "carrier")
    assert place.ledger.beat({}, "driver", LONG) == {}


def test_a_lane_at_rest_still_takes_commissions_and_decisions(place):
    """F59: only Astakos is left alone."""
    place.ledger.rest(LANE, LONG, "Astakos is away")
    place.put("a", serial=7)
    assert place.decide("a").done
    assert lane(place).due == 1


def test_who_was_awake_when_it_began_is_not_after_its_next_claim(place):
    place.put("a"), place.put("b")
    assert place.claimed(issues=1)
    place.ledger.rest(LANE, LONG, "Astakos is away")
    assert place.claim().why == "resting"
    assert lane(place).awake == 0


@pytest.mark.parametrize("kind", ["to issue", "to settle"])
def test_after_its_rest_a_lane_is_tried_with_one_record(place, kind):
    for n in range(3):
        place.put(f"key-{n}", serial=n + 1 if kind == "to settle" else None)
        if kind == "to settle":
            place.decide(f"key-{n}")
    rest_is_over(place)
    claim = place.claim("trier")
    assert (len(claim.entries), claim.trial) == (1, 1)


def test_after_its_rest_a_lane_is_tried_by_one_carrier(place):
    place.put("a"), place.put("b")
    rest_is_over(place)
    assert place.claimed("trier")
    claim = place.claim("other")
    assert (claim.entries, claim.why) == ((), "resting")
    assert len(place.claimed("trier")) == 1  # it may try once more


def test_a_trial_wakes_no_more_carriers_than_the_one(place):
    """Each of the others would go at once, and be rung for again by the next call."""
    place.open(wakeups=carriers(8, per_carrier=1))
    rest_is_over(place)
    writes = [Write(place.new(f"key-{n}"), 0, wakeup=True) for n in range(5)]
    rings = [verdict.wakeup for verdict in place.ledger.cas(writes)]
    assert rings == [True, False, False, False, False]


def test_a_trier_that_died_is_followed_by_another(place):
    place.open(wakeups=carriers(8, forgotten=SOON))
    place.put("a"), place.put("b")
    rest_is_over(place)
    assert place.claimed("trier")
    place.passes(2 * SOON)
    assert place.claimed("other")


def test_a_trier_that_signed_off_is_followed_by_another(place):
    place.put("a"), place.put("b")
    rest_is_over(place)
    assert place.claimed("trier")
    place.ledger.sign_off(LANE, "trier")
    assert place.claimed("other")


def test_a_trier_that_found_nothing_leaves_the_trial_to_another(place):
    rest_is_over(place)
    assert place.claim("trier").why == "idle"
    place.put("a")
    assert place.claim("other").trial == 1


def test_a_trial_that_failed_makes_the_next_rest_the_second(place):
    """The longer each time: the caller asks for so many seconds."""
    for key in "abcd":
        place.put(key)
    for trial in (1, 2, 3):
        rest_is_over(place)
        assert place.claim("trier").trial == trial
    assert place.claim("trier").trial == 3


def test_all_who_were_on_their_way_when_it_began_make_one_rest(place):
    """Eight carriers that time out together must not make it the eighth."""
    place.put("a")
    place.ledger.rest(LANE, LONG, "the first")
    place.ledger.rest(LANE, SOON, "a shorter one")
    assert lane(place).resting > SOON
    assert lane(place).reason == "the first"
    place.ledger.rest(LANE, 2 * LONG, "a longer one")
    assert lane(place).resting > LONG
    assert lane(place).reason == "a longer one"
    place.ledger.end_rest(LANE)
    for _ in range(8):
        place.ledger.rest(LANE, 0.5, "together")  # longer than eight calls take on a busy machine
    place.passes(1.0)
    assert place.claim().trial == 1


def test_an_answer_ends_the_trial(place):
    for n in range(5):
        place.put(f"key-{n}")
    rest_is_over(place)
    place.claim("trier")
    place.ledger.end_rest(LANE)
    claim = place.claim("other", issues=3)
    assert (len(claim.entries), claim.trial) == (3, 0)
    assert (lane(place).resting, lane(place).reason) == (0.0, "")
    rest_is_over(place)
    assert place.claim("trier").trial == 1  # counted from the beginning again


@pytest.mark.parametrize("kind", ["to issue", "to settle"])
def test_a_trial_takes_a_record_that_has_not_failed_before_one_that_has(place, kind):
    """F85: a record that fails each time would keep the lane at rest for ever."""
    settles = kind == "to settle"
    for n, key in enumerate(["bad-1", "bad-2", "good", "later"]):
        place.put(key, serial=n + 1 if settles else None)
        if settles:
            place.decide(key)
    for key in ("bad-1", "bad-2"):
        [entry] = place.claim(own=key, issues=1, settles=1).entries
        assert entry.record.key == key
        failed = Postponed(place.now() - 1, {"class": "InternalError"})
        assert place.write(entry, failed, fence=entry.fence).done
    rest_is_over(place)
    assert place.claimed("trier", own="bad-1") == ["good"]
    assert place.claimed("trier", own="bad-1") == ["later"]
    assert place.claimed("trier", own="bad-1")[0].startswith("bad")


def test_a_trial_takes_one_that_failed_when_there_is_no_other(place):
    place.put("bad")
    [entry] = place.claim(issues=1).entries
    assert place.write(entry, Postponed(place.now() - 1), fence=entry.fence).done
    rest_is_over(place)
    assert place.claimed("trier") == ["bad"]


def test_failures_are_counted_over_all_carriers_until_one_request_succeeds(place):
    """A lone commission fails once in each carry: counted by the carry, it would never rest."""
    place.put("a"), place.put("b")
    assert place.claim("first", issues=1).failures == 0
    assert [place.ledger.count_failure(LANE) for _ in range(2)] == [1, 2]
    assert place.claim("second", issues=1).failures == 2
    place.ledger.forget_failures(LANE)
    assert place.ledger.count_failure(LANE) == 1
    place.ledger.rest(LANE, SOON, "Astakos is away")
    assert place.ledger.count_failure(LANE) == 2
    place.ledger.end_rest(LANE)
    assert place.ledger.count_failure(LANE) == 1


def test_a_lane_says_how_often_it_has_rested_in_a_row(place):
    assert lane(place).rests == 0
    for rests in (1, 2):
        rest_is_over(place)
        assert lane(place).rests == rests
    place.ledger.end_rest(LANE)
    assert lane(place).rests == 0


def test_lanes_rest_by_themselves(place):
    """F75."""
    place.put("a")
    place.ledger.rest("shop", LONG, "Astakos is away")
    assert place.claimed() == ["a"]
