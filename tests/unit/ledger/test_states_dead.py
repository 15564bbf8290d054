"""Dead letters in the state machine: sent again to where their facts say, or given up for good."""

import pytest

from astakos_worker.ledger import events
from astakos_worker.ledger.events import NotNow
from astakos_worker.ledger.record import State
from astakos_worker.ledger.states import transition
from tests.unit.ledger.records import (
    ACCEPTED,
    DOUBTFUL,
    FAULT,
    HORIZON,
    ISSUED,
    MARKED,
    NOW,
    REJECT,
    REJECTED,
    SETTLES,
    after,
    awaited,
    bare,
    fresh,
)

DIED, LATER = events.Died(FAULT), NOW + 3600
REVIVED, DISCARDED = events.Revived(LATER), events.Discarded("nobody wants it")


@pytest.mark.parametrize(
    ("steps", "state", "due"),
    [
        ((), State.QUEUED, NOW),
        ((MARKED,), State.ISSUING, NOW),
        ((MARKED, DOUBTFUL), State.ISSUING, NOW),
        ((MARKED, events.Unsent(1, NOW)), State.ISSUING, NOW),
        ((MARKED, ISSUED), State.PENDING, None),
        ((MARKED, ISSUED, ACCEPTED), State.PENDING, NOW),
        ((MARKED, ISSUED, ACCEPTED, SETTLES), State.SETTLING, NOW),
    ],
)
def test_it_goes_on_where_its_facts_say_that_it_was(steps, state, due):
    """F27: what may have reached Astakos is looked for before anything is sent again."""
    record = after(fresh(), *steps, DIED, REVIVED)
    assert (record.state, record.due, record.closed, record.error) == (state, due, None, None)
    assert (record.attempts, record.failing_since) == (0, None)
    assert record.history[-1].what == f"sent again by an operator, {state}"


def test_what_may_be_at_astakos_is_issued_again_only_once_a_list_has_proved_its_absence():
    """F6: and before the quiet horizon no list proves it."""
    record = after(fresh(), MARKED, DOUBTFUL, DIED, REVIVED)
    with pytest.raises(NotNow):
        transition(record, MARKED, NOW)
    with pytest.raises(NotNow):
        transition(record, events.Absent(1, NOW + 1, NOW), NOW)
    absent = events.Absent(1, NOW + HORIZON, NOW)
    assert transition(record, absent, NOW).state is State.QUEUED


def test_a_refusal_that_waited_for_a_probe_still_does():
    """F13."""
    refused = events.Refused(2, FAULT)
    doubted = (MARKED, events.Absent(1, NOW + HORIZON, NOW), MARKED, refused)
    record = after(fresh(), *doubted, DIED, REVIVED)
    assert (record.state, record.refusal) == (State.ISSUING, FAULT)


def test_a_decision_whose_request_never_came_waits_for_it_once_more():
    """F77."""
    record = after(awaited(), DIED, REVIVED)
    assert (record.state, record.due) == (State.AWAITED, LATER)


def test_a_second_send_of_a_revived_one_still_knows_of_the_first():
    """F24: not found, then, is done as decided."""
    record = after(fresh(), MARKED, ISSUED, ACCEPTED, SETTLES, DIED, REVIVED, SETTLES)
    assert after(record, events.SettleNotFound()).state is State.ACCEPTED


def test_one_that_dies_again_tells_its_call_back_again():
    record = after(fresh(callback="shop.settled"), DIED, events.CallbackSent(State.DEAD))
    assert not record.callbacks_due
    assert after(record, REVIVED, DIED).callbacks_due


@pytest.mark.parametrize("decided", [ACCEPTED, REJECTED])
def test_one_that_is_given_up_has_its_reservation_rejected_whatever_was_decided(decided):
    """The write-once decision stays as it is, and the serial too: it is rejected as a twin is."""
    record = after(fresh(), MARKED, ISSUED, decided, SETTLES, DIED, DISCARDED)
    assert (record.state, record.decision, record.serial) == (
        State.DISCARDED,
        decided.decision,
        7,
    )
    assert record.is_open and record.due == NOW
    closed = after(record, events.TwinSettled(7))
    assert (closed.is_open, closed.due) == (False, None)
    assert "discarded by an operator: nobody wants it" in [note.what for note in closed.history]


@pytest.mark.parametrize("record", [fresh(), awaited(), after(fresh(), MARKED, DOUBTFUL)])
def test_one_without_a_serial_is_closed_by_giving_it_up(record):
    given_up = after(record, DIED, DISCARDED)
    assert (given_up.state, given_up.is_open, given_up.due) == (State.DISCARDED, False, None)


def test_a_serial_that_turns_up_after_it_was_given_up_is_rejected():
    """F7: the sweep finds it by its tag."""
    late = after(fresh(), MARKED, DOUBTFUL, DIED, DISCARDED, events.Issued(9))
    assert (late.state, late.twins) == (State.DISCARDED, ((9, False),))


def test_a_bare_serial_is_given_up_as_any_other():
    record = after(bare(REJECT), SETTLES, DIED, DISCARDED)
    assert record.twins == ((7, False),)


def test_what_is_given_up_is_not_sent_again():
    with pytest.raises(NotNow):
        after(fresh(), DIED, DISCARDED, REVIVED)


# --- Deadlines that are extended, call-backs that are told more than the end ------------------


def test_a_deadline_is_extended_only_while_nobody_has_decided():
    record = after(fresh(deadline=NOW + 1), MARKED, ISSUED, events.Extended(LATER))
    assert (record.deadline, record.due) == (LATER, None)
    with pytest.raises(NotNow):
        after(record, ACCEPTED, events.Extended(LATER))


def test_a_call_back_is_told_of_a_pending_one_only_on_request():
    assert not after(fresh(callback="shop.settled"), MARKED, ISSUED).callbacks_due
    record = after(fresh(callback="shop.settled", moments=("pending",)), MARKED, ISSUED)
    assert (record.callbacks_due, record.due) == (("pending",), NOW)
    told = after(record, events.CallbackSent("pending"))
    assert (told.callbacks_due, told.due) == ((), None)
    ended = after(told, ACCEPTED, SETTLES, events.Settled())
    assert not ended.callbacks_due


def test_one_that_was_pending_for_too_short_to_be_told_is_told_all_the_same():
    """At least once also where it was decided and settled before the broker could be reached."""
    asked = fresh(callback="shop.settled", moments=("pending", "closed"))
    record = after(asked, MARKED, ISSUED, ACCEPTED, SETTLES, events.Settled())
    assert record.callbacks_due == ("pending", "accepted")
    late = after(record, events.CallbackSent("pending"))
    assert (late.callbacks_due, late.due) == (("accepted",), NOW)


def test_who_asked_for_refusals_only_is_told_of_nothing_else():
    asked = fresh(callback="shop.settled", moments=("refused",))
    assert after(asked, MARKED, events.Refused(1, FAULT)).callbacks_due == ("refused",)
    assert after(asked, REJECTED).callbacks_due == ()
