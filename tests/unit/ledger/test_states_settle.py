"""One decision and no other, sent until Astakos has it."""

import pytest

from astakos_worker.ledger import events
from astakos_worker.ledger.events import NotNow
from astakos_worker.ledger.record import Decision, State
from astakos_worker.ledger.states import transition
from tests.unit.ledger.records import (
    ACCEPT,
    ACCEPTED,
    FAULT,
    ISSUED,
    MARKED,
    NOW,
    REJECTED,
    SETTLES,
    after,
    at,
    bare,
    fresh,
)

PENDING = after(fresh(), MARKED, ISSUED)


def test_a_decision_makes_a_pending_commission_due():
    record = transition(PENDING, ACCEPTED, NOW + 4)
    assert (record.state, record.decision, record.due) == (State.PENDING, ACCEPT, NOW + 4)


@pytest.mark.parametrize(
    ("first", "second"), [(ACCEPTED, REJECTED), (REJECTED, ACCEPTED)], ids=["accept", "reject"]
)
def test_the_first_decision_stands_and_the_other_is_refused(first, second):
    """F23: at every moment until it is settled, and afterwards."""
    record = after(PENDING, first)
    for event in (SETTLES, events.Settled()):
        with pytest.raises(NotNow, match="has been decided"):
            transition(record, second, NOW)
        record = after(record, event)
    with pytest.raises(NotNow, match="has been decided"):
        transition(record, second, NOW)
    assert record.decision == first.decision


def test_the_same_decision_again_changes_nothing_not_even_its_reason():
    record = after(PENDING, ACCEPTED)
    again = events.Decided(Decision("accept", "another reason", NOW + 9))
    assert transition(record, again, NOW + 9) is record


def test_a_decision_after_an_end_without_one_changes_nothing():
    record = at(State.REFUSED)
    assert transition(record, ACCEPTED, NOW) is record


def test_an_undecided_commission_is_not_settled():
    with pytest.raises(NotNow, match="not decided"):
        transition(PENDING, SETTLES, NOW)


def test_that_a_decision_is_about_to_be_sent_is_counted():
    record = after(PENDING, ACCEPTED, SETTLES, SETTLES)
    assert (record.state, record.settles) == (State.SETTLING, 2)


@pytest.mark.parametrize(
    ("decided", "state"),
    [(ACCEPTED, State.ACCEPTED), (REJECTED, State.REJECTED)],
    ids=["accept", "reject"],
)
def test_a_settled_commission_ends_as_decided(decided, state):
    failed = events.SettleFailed(NOW + 1, FAULT)
    record = transition(
        after(PENDING, decided, SETTLES, failed, SETTLES), events.Settled(), NOW + 3
    )
    assert (record.state, record.closed, record.due) == (state, NOW + 3, None)
    assert (record.error, record.attempts, record.failing_since) == (None, 0, None)


def test_a_settle_that_failed_is_due_again_with_its_error():
    """F24, F26."""
    record = after(PENDING, ACCEPTED, SETTLES, events.SettleFailed(NOW + 8, FAULT))
    assert (record.state, record.due, record.error) == (State.SETTLING, NOW + 8, FAULT)
    assert (record.attempts, record.failing_since, record.sent) == (1, NOW, (1,))


def test_a_settle_that_was_not_sent_may_or_may_not_be_a_failure():
    sent = after(PENDING, ACCEPTED, SETTLES)
    handed_back = after(sent, events.SettleUnsent(1, NOW + 8))
    assert (handed_back.sent, handed_back.attempts, handed_back.error) == ((), 0, None)
    failed = after(sent, events.SettleUnsent(1, NOW + 8, FAULT))
    assert (failed.sent, failed.attempts, failed.error) == ((), 1, FAULT)


# --- Not found --------------------------------------------------------------------------------


def test_not_found_on_the_very_first_send_is_an_alarm():
    """F25."""
    record = after(PENDING, ACCEPTED, SETTLES, events.SettleNotFound())
    assert record.state is State.VANISHED


@pytest.mark.parametrize("lost", [None, events.SettleFailed(NOW, FAULT)], ids=["other", "lost"])
def test_not_found_after_another_send_is_done_as_decided(lost):
    """F24, F25: an answer that was lost, or another settler's send."""
    first = [SETTLES, lost] if lost else [SETTLES]
    record = after(PENDING, REJECTED, *first, SETTLES, events.SettleNotFound())
    assert record.state is State.REJECTED


def test_a_send_that_certainly_never_left_is_none():
    """F25: first is judged without what was not sent."""
    first, second = events.SettleUnsent(1, NOW), events.SettleUnsent(2, NOW)
    record = after(PENDING, ACCEPTED, SETTLES, first, SETTLES, second, SETTLES)
    assert after(record, events.SettleNotFound()).state is State.VANISHED
    assert after(record, SETTLES, events.SettleNotFound()).state is State.ACCEPTED


def test_that_a_send_never_left_is_said_once_however_often_it_is_told():
    """F24: a write that is repeated after somebody else's must not discount another send."""
    unsent = events.SettleUnsent(2, NOW)
    record = after(PENDING, ACCEPTED, SETTLES, SETTLES, unsent, SETTLES, unsent)
    assert record.sent == (1, 3)
    assert after(record, events.SettleNotFound()).state is State.ACCEPTED


def test_first_is_judged_by_all_that_is_recorded_when_the_answer_is_in():
    """F25: of two settlers, the one that was executed second hears "not found"."""
    one = after(PENDING, ACCEPTED, SETTLES)
    both = after(one, SETTLES)
    assert after(one, events.SettleNotFound()).state is State.VANISHED
    assert after(both, events.SettleNotFound()).state is State.ACCEPTED


def test_a_bare_serial_that_astakos_does_not_know_is_unknown_and_no_alarm():
    record = after(bare(), SETTLES, events.SettleNotFound())
    assert (record.state, record.due) == (State.UNKNOWN, None)


def test_a_bare_serial_that_was_never_there_is_unknown_whatever_was_about_to_be_sent():
    """F25: it is looked at before its first send; nothing that was not sent counts as one."""
    record = after(bare(), events.NotThere())
    assert (record.state, record.due) == (State.UNKNOWN, None)
    unsent = after(bare(), SETTLES, events.SettleUnsent(1, NOW), events.NotThere())
    assert unsent.state is State.UNKNOWN


def test_a_bare_serial_that_another_has_sent_meanwhile_is_not_unknown():
    """F17: who looked before that send learns from the record that it came late."""
    with pytest.raises(NotNow):
        transition(after(bare(), SETTLES), events.NotThere(), NOW)


def test_what_a_bare_serial_was_when_it_was_first_looked_at_stands():
    """F44: what looks otherwise later is another commission."""
    looked = events.Recognised("5eed", "a disk")
    record = after(bare(), looked, SETTLES, events.Recognised("0ther", "a tape"))
    assert record.seen == "5eed"
    assert "a disk" in record.history[1].what


def test_a_twin_that_is_pending_again_is_to_be_rejected_again():
    """F43: also where its commission has none of its own, refused or cancelled."""
    record = after(fresh(), REJECTED, events.Issued(8), events.TwinSettled(8))
    assert (record.state, record.is_open) == (State.CANCELLED, False)
    again = after(record, events.TwinResurfaced(8))
    assert (again.twins_due, again.due) == (True, NOW)
    assert transition(again, events.TwinResurfaced(8), NOW) is again


def test_a_bare_serial_is_merged_once_and_nothing_else_is():
    record = after(bare(), events.Merged("key"))
    assert (record.state, record.error, record.due) == (State.MERGED, {"merged": "key"}, None)
    with pytest.raises(NotNow):
        transition(record, events.Merged("key"), NOW)
    with pytest.raises(NotNow):
        transition(PENDING, events.Merged("key"), NOW)


# --- The sweep --------------------------------------------------------------------------------


def test_what_was_decided_meanwhile_has_not_vanished():
    """F69: its own settle will tell."""
    with pytest.raises(NotNow, match="decided in between"):
        transition(after(PENDING, ACCEPTED), events.Vanished(), NOW)


@pytest.mark.parametrize("state", [State.ACCEPTED, State.REJECTED])
def test_what_a_restored_astakos_holds_again_is_settled_again_as_decided(state):
    """F43: and "not found" is no alarm then."""
    record = transition(at(state), events.Resurfaced(), NOW + 9)
    assert (record.state, record.due, record.closed) == (State.SETTLING, NOW + 9, None)
    assert after(record, SETTLES, events.Settled()).state is state
    assert after(record, SETTLES, events.SettleNotFound()).state is state


def test_what_vanished_decided_and_is_there_again_is_settled_as_decided():
    """F43."""
    record = after(PENDING, REJECTED, SETTLES, events.SettleNotFound(), events.Resurfaced())
    assert (record.state, record.due) == (State.SETTLING, NOW)
    assert after(record, SETTLES, events.Settled()).state is State.REJECTED


def test_what_vanished_undecided_and_is_there_again_waits_for_its_decision():
    """F43."""
    record = after(at(State.VANISHED), events.Resurfaced())
    assert (record.state, record.due, record.closed) == (State.PENDING, None, None)
    assert after(record, ACCEPTED).due == NOW


def test_a_conflict_keeps_its_first_reason():
    record = at(State.CONFLICT)
    assert record.error == FAULT
    assert transition(record, events.Conflicted({"class": "Other"}), NOW) is record


# --- Call-backs -------------------------------------------------------------------------------


def test_a_commission_with_a_call_back_is_due_until_that_was_told():
    record = after(fresh(callback="shop.settled"), REJECTED)
    assert record.callbacks_due and record.is_open and record.due == NOW
    later = transition(record, events.Postponed(NOW + 5, FAULT), NOW)
    assert (later.due, later.attempts) == (NOW + 5, 1)
    told = after(later, events.CallbackSent(State.CANCELLED))
    assert (told.due, told.is_open, told.callbacks_sent) == (None, False, (State.CANCELLED,))


def test_a_call_back_that_was_told_of_an_earlier_state_is_told_again():
    told = events.CallbackSent(State.VANISHED)
    record = after(fresh(callback="shop.settled"), MARKED, ISSUED, events.Vanished(), told)
    assert not record.is_open
    again = after(record, events.Resurfaced(), ACCEPTED, SETTLES, events.Settled())
    assert again.callbacks_due and again.due == NOW


def test_word_of_an_earlier_end_that_comes_late_is_not_told_over_the_last_one():
    told = events.CallbackSent(State.CANCELLED)
    record = after(fresh(callback="shop.settled"), REJECTED, told)
    assert transition(record, events.CallbackSent(State.VANISHED), NOW) is record


def test_a_record_that_is_given_back_is_due_only_if_something_is_left_to_do():
    assert after(PENDING, events.Postponed(NOW + 3), events.Released()).due is None
    assert after(fresh(), events.Released()).due == NOW
    twin = after(PENDING, events.Issued(8), events.Released())
    assert twin.due == NOW


# --- What a record keeps of it ------------------------------------------------------------------


@pytest.mark.parametrize("event", [events.Recognised("5eed", "a name"), events.NotThere()])
def test_what_is_said_of_a_bare_serial_changes_no_commission_of_ours(event):
    with pytest.raises(events.NotNow, match="is not a bare serial"):
        transition(after(fresh(), ACCEPTED, MARKED, ISSUED), event, NOW)


def test_a_look_without_a_fault_counts_as_a_try():
    once = after(PENDING, ACCEPTED, events.Postponed(NOW + 3))
    assert (once.attempts, after(once, events.Postponed(NOW + 9)).attempts) == (1, 2)


def test_the_history_keeps_milliseconds_and_bounded_texts():
    record = transition(bare(), events.Recognised("5eed", "x" * 100), 1000.12345)
    assert record.history[-1].at == 1000.123
    assert record.history[-1].what == f"it is {'x' * 80!r}"
    odd = {"class": "Odd", "message": "x" * 300}
    long = after(PENDING, ACCEPTED, SETTLES, events.SettleFailed(NOW + 1, odd))
    assert long.history[-1].what == f"not settled: Odd: {'x' * 195}"


@pytest.mark.parametrize("event", [events.Settled(), SETTLES])
def test_nothing_is_settled_before_it_is_decided(event):
    with pytest.raises(events.NotNow):
        transition(PENDING, event, NOW)
