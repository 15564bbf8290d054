"""What a carrier is given when it asks for work (`claim`)."""

import pytest

from astakos_worker.ledger import events, states
from astakos_worker.ledger.contract import Asked, Write
from astakos_worker.ledger.record import State
from astakos_worker.ledger.request import Provision, Request
from tests.integration.ledger.places import (
    ACCEPT,
    LANE,
    LONG,
    REQUEST,
    SOON,
    carriers,
    issued,
    keys_of,
)


def of(user):
    """A request for somebody, from a project of their own."""
    return Request((Provision(f"user:{user}", f"project:{user}", "cyclades.vm", 1),))


def decided(place, *keys, late=0.0, serial=100, request=REQUEST):
    """Pending commissions with a decision, for so many seconds; the first for the longest."""
    for n, key in enumerate(keys):
        queued = place.put(key, decision=ACCEPT, request=request)
        record = place.led(queued.record, *issued(serial + n))
        at = place.now() - late - 0.01 * (len(keys) - n)
        place.ledger.cas([Write(place.led(record, events.Postponed(at)), queued.version)])


# --- To issue ---------------------------------------------------------------------------------


def test_the_most_overdue_come_first(place):
    """F67."""
    place.put("b", late=20), place.put("c", late=10), place.put("a", late=30)
    place.put("d", late=40)
    claim = place.claim(issues=3)
    assert (claim.queue, claim.why, keys_of(claim)) == ("issue", "", ["d", "a", "b"])
    assert place.claimed(issues=3) == ["c"]


def test_what_is_not_due_yet_is_not_given(place):
    place.put("later", late=-LONG)
    claim = place.claim()
    assert (claim.entries, claim.why) == ((), "idle")
    place.put("soon", late=-SOON)
    place.passes(2 * SOON)
    assert place.claimed() == ["soon"]


def test_a_carriers_own_commission_comes_first(place):
    for n in range(5):
        place.put(f"old-{n}", late=50 - n)
    place.put("own", late=1)
    assert place.claimed(issues=3, own="own") == ["own", "old-0", "old-1"]


def test_a_carriers_own_commission_is_given_once(place):
    place.put("own", late=50), place.put("other", late=1)
    assert place.claimed(own="own") == ["own", "other"]


@pytest.mark.parametrize("why", ["not due", "leased", "unknown"])
def test_an_own_commission_that_is_not_to_be_had_is_no_hindrance(place, why):
    place.put("other", late=1)
    if why == "not due":
        place.put("own", late=-LONG)
    if why == "leased":
        place.put("own", late=9)
        assert place.claimed("first", issues=1) == ["own"]
    assert place.claimed("second", own="own") == ["other"]


def test_a_claim_of_none_is_given_none(place):
    place.put("a", late=1)
    assert place.claim(issues=0, settles=0, own="a").why == "idle"
    assert place.claimed() == ["a"]


# --- To settle --------------------------------------------------------------------------------


def test_the_decided_go_out_together_when_nothing_is_to_be_issued(place):
    """F32: a lone one goes at once."""
    decided(place, "a")
    claim = place.claim(settle_wait=LONG)
    assert (claim.queue, keys_of(claim)) == ("settle", ["a"])
    place.ledger.sign_off(LANE, "carrier")
    decided(place, *(f"s{n}" for n in range(5)))
    assert len(place.claimed(settles=3, settle_wait=LONG)) == 3


def test_on_a_busy_lane_the_decided_wait_for_company(place):
    place.put("issue"), decided(place, "settle")
    assert place.claimed(settle_wait=LONG, settles=2) == ["issue"]


def test_on_a_busy_lane_a_full_batch_goes_at_once(place):
    place.put("issue", late=9), decided(place, "s1", "s2")
    claim = place.claim(settle_wait=LONG, settles=2)
    assert (claim.queue, keys_of(claim)) == ("settle", ["s1", "s2"])


def test_on_a_busy_lane_none_of_the_decided_waits_too_long(place):
    """F32."""
    place.put("issue", late=9), decided(place, "old", late=60)
    decided(place, "new", serial=200)
    claim = place.claim(settle_wait=30)
    assert (claim.queue, keys_of(claim)) == ("settle", ["old", "new"])


def test_one_settles_at_a_time_and_the_others_issue(place):
    """F31."""
    decided(place, "s1", "s2")
    assert place.claimed("settler", settles=1) == ["s1"]
    place.put("issue")
    assert place.claimed("other", settle_wait=0) == ["issue"]
    assert place.claim("third", settle_wait=0).why == "idle"


def test_what_fills_a_batch_is_settled_beside_the_settler(place):
    decided(place, "s1", "s2", "s3", "s4", "s5")
    assert place.claimed("settler", settles=2) == ["s1", "s2"]
    assert place.claimed("other", settles=2) == ["s3", "s4"]
    assert place.claim("third", settles=1).why == "idle"
    assert place.claim("other", settles=2).why == "idle"
    assert place.claimed("settler", settles=2) == ["s5"]


# --- Those of one holder ----------------------------------------------------------------------


def test_the_decided_of_one_holder_go_out_together(place):
    """Astakos locks the rows of all holders that it settles for."""
    for n in range(3):
        for user in ("u", "v", "w"):
            late, serial = 60 - 10 * n - ord(user) % 10, 1000 * n + ord(user)
            decided(place, f"{user}{n}", late=late, serial=serial, request=of(user))
    assert place.claimed(settles=4) == ["u0", "u1", "u2", "v0"]
    assert place.claimed(settles=4) == ["w0", "w1", "w2", "v1"]


def test_what_is_to_be_issued_goes_out_holder_by_holder_the_most_overdue_first(place):
    """F67."""
    for n in range(3):
        for user in ("u", "v"):
            place.put(f"{user}{n}", late=60 - n, request=of(user))
    place.put("first", late=90, request=of("v"))
    assert place.claimed(issues=3) == ["first", "v0", "v1"]
    assert place.claimed(issues=9, own="v2") == ["v2", "u0", "u1", "u2"]


def test_a_holder_is_known_from_the_request_that_a_decision_awaited(place):
    """F77."""
    awaited = states.awaited("u1", LANE, "0a1b2c3d", ACCEPT, now=place.now(), until=place.now())
    [written] = place.ledger.cas([Write(awaited, 0)])
    request = events.Requested(of("u"), "0a1b2c3d", None, None, ("closed",))
    place.write(written.entry, request)
    place.put("v1", request=of("v")), place.put("u2", request=of("u"))
    assert place.claimed(issues=2) == ["u1", "u2"]


def test_the_settler_settles_what_is_decided_next(place):
    decided(place, "s1", "s2")
    assert place.claimed("settler", settles=1) == ["s1"]
    assert place.claimed("settler", settles=1) == ["s2"]


def test_a_settler_that_goes_on_to_issue_lets_another_settle(place):
    decided(place, "s1"), place.claim("settler")
    place.put("issue", late=9)
    assert place.claimed("settler") == ["issue"]
    decided(place, "s2", serial=200)
    assert place.claimed("other") == ["s2"]


def test_a_settler_that_signed_off_lets_another_settle(place):
    decided(place, "s1", "s2")
    place.claim("settler", settles=1)
    place.ledger.sign_off(LANE, "settler")
    assert place.claimed("other") == ["s2"]


def test_a_settler_that_died_is_forgotten(place):
    """F65, F66."""
    place.open(wakeups=carriers(8, forgotten=SOON))
    decided(place, "s1", "s2")
    assert place.claimed("settler", settles=1) == ["s1"]
    place.passes(2 * SOON)
    assert place.claimed("other") == ["s2"]


def test_an_own_decided_commission_comes_first(place):
    decided(place, "s1", "s2", "own")
    assert place.claimed(own="own", settles=2)[0] == "own"


def test_a_twin_is_settled_whatever_its_commission_is(place):
    """F7."""
    closed = place.write(place.put("a"), events.Died({"class": "X"})).entry
    place.write(closed, events.Issued(8))
    claim = place.claim()
    assert (claim.queue, keys_of(claim)) == ("settle", ["a"])


# --- What is not there any more ---------------------------------------------------------------


def test_records_that_expired_are_passed_over(place):
    """F57: more of them than a claim takes do not hide what is due behind them."""
    place.open(retention=SOON)
    for n in range(5):
        place.put(f"gone-{n}", late=60)
        [entry] = place.claim(lease=0.001, issues=1).entries
        died = place.write(entry, events.Died({"class": "X"}))  # by one that did not hold it
        assert died.done
    place.put("there", late=1)
    place.passes(3 * SOON)
    assert place.entry("gone-0") is None
    assert place.claimed(issues=2) == ["there"]


# --- Writing and claiming in one --------------------------------------------------------------


def test_what_one_round_learnt_is_written_before_the_next_is_claimed(place):
    place.put("a", late=2), place.put("b", late=1)
    [entry] = place.claim(issues=1).entries
    back = events.Unsent(1, place.now() - 60)
    record = place.led(entry.record, back)
    writes = [Write(record, entry.version, fence=entry.fence), Write(entry.record, 77)]
    claim, verdicts = place.ledger.claim(Asked(LANE, "carrier", LONG), writes)
    assert [verdict.done for verdict in verdicts] == [True, False]
    assert keys_of(claim) == ["a", "b"]
    written, claimed = verdicts[0].entry, claim.entries[0]
    assert (written.version, written.record.state) == (entry.version + 1, State.QUEUED)
    assert (claimed.version, claimed.record.marks) == (written.version + 1, 2)
