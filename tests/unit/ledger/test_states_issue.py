"""One serial and no other, whatever is lost or late on the way to it."""

import pytest

from astakos_worker.ledger import events
from astakos_worker.ledger.events import NotNow
from astakos_worker.ledger.record import State, Twin
from astakos_worker.ledger.states import transition
from tests.unit.ledger.records import (
    ABSENT,
    ACCEPT,
    ACCEPTED,
    DOUBTFUL,
    FAULT,
    HORIZON,
    ISSUED,
    MARKED,
    NOW,
    REFUSAL,
    REJECT,
    REJECTED,
    REQUEST,
    SETTLES,
    after,
    at,
    awaited,
    bare,
    fresh,
)

QUIET = NOW + HORIZON


def test_a_new_commission_is_due_at_once():
    record = fresh(deadline=NOW + 60, callback="shop.settled")
    assert (record.state, record.due, record.deadline) == (State.QUEUED, NOW, NOW + 60)
    assert record.callback == "shop.settled"
    assert [note.what for note in record.history] == ["queued"]


def test_a_mark_announces_a_post_and_when_it_is_too_late_for_it():
    record = after(fresh(), MARKED)
    assert (record.marks, record.send_until, record.quiet_at) == (1, NOW + 10, QUIET)


def test_a_serial_ends_the_doubts_and_waits_for_a_decision():
    record = after(fresh(), MARKED, DOUBTFUL, ISSUED)
    assert (record.state, record.serial, record.due) == (State.PENDING, 7, None)
    assert (record.attempts, record.failing_since, record.error) == (0, None, None)


def test_the_same_serial_again_says_nothing_new():
    """F17: adopted meanwhile by another or by the sweep."""
    record = after(fresh(), MARKED, ISSUED)
    assert transition(record, ISSUED, NOW) is record
    twice = after(record, events.Issued(8))
    assert transition(twice, events.Issued(8), NOW) is twice


def test_a_second_serial_is_a_twin_that_is_due_for_rejection():
    """F7, F17: the ledger's serial stands."""
    record = after(fresh(), MARKED, ISSUED, events.Issued(8))
    assert (record.state, record.serial, record.due) == (State.PENDING, 7, NOW)
    assert record.twins == (Twin(8),)
    assert record.twins_due


@pytest.mark.parametrize(
    "state", [State.CANCELLED, State.REFUSED, State.DEAD, State.ACCEPTED, State.CONFLICT]
)
def test_a_serial_that_comes_after_the_end_is_rejected_as_a_twin(state):
    """F36, F43: cancelled, refused or settled stays what it is."""
    record = transition(at(state), events.Issued(8), NOW + 5)
    assert (record.state, record.due, record.is_open) == (state, NOW + 5, True)
    done = transition(record, events.TwinSettled(8), NOW + 6)
    assert (done.state, done.due, done.is_open) == (state, None, False)
    assert done.twins == (Twin(8, done=True),)
    assert transition(done, events.TwinSettled(8), NOW + 7) is done


def test_a_twin_that_is_done_leaves_an_undecided_commission_alone():
    record = after(fresh(), MARKED, ISSUED, events.Issued(8), events.TwinSettled(8))
    assert (record.state, record.due) == (State.PENDING, None)


def test_one_of_two_twins_that_is_done_leaves_the_other_due():
    record = after(fresh(), MARKED, ISSUED, events.Issued(8), events.Issued(9))
    record = after(record, events.TwinSettled(8))
    assert record.twins_due and record.due == NOW


# --- Lost answers -----------------------------------------------------------------------------


def test_an_ambiguous_post_stays_announced_until_it_is_looked_for():
    """F5, F8, F9: it is never simply sent again."""
    record = after(fresh(), MARKED, DOUBTFUL)
    assert (record.state, record.due, record.error) == (State.ISSUING, NOW + 1, FAULT)
    with pytest.raises(NotNow):
        transition(record, MARKED, NOW)


def test_a_list_from_before_the_quiet_horizon_proves_nothing():
    """F6: a ghost may still commit."""
    record = after(fresh(), MARKED, DOUBTFUL)
    with pytest.raises(NotNow, match="proves nothing"):
        transition(record, events.Absent(1, QUIET - 0.001, QUIET), QUIET)


def test_a_list_from_after_the_quiet_horizon_lets_it_be_issued_again():
    record = transition(after(fresh(), MARKED, DOUBTFUL), ABSENT, QUIET)
    assert (record.state, record.due, record.doubts) == (State.QUEUED, QUIET, 1)
    assert after(record, MARKED).marks == 2


def test_nothing_is_absent_that_has_no_horizon():
    record = after(fresh(), events.Marked(NOW, None))
    with pytest.raises(NotNow):
        transition(record, events.Absent(1, 1e12, NOW), NOW)


@pytest.mark.parametrize(
    "late",
    [
        events.Unsent(1, NOW),
        DOUBTFUL,
        events.Declined(1, NOW, FAULT),
        events.Refused(1, REFUSAL),
        ABSENT,
    ],
    ids=lambda event: type(event).__name__,
)
def test_what_is_learnt_of_an_older_mark_does_nothing_to_a_newer_one(late):
    record = after(fresh(), MARKED, events.Unsent(1, NOW), MARKED)
    with pytest.raises(NotNow, match="attempt 2, not 1"):
        transition(record, late, QUIET)


def test_a_late_serial_of_an_older_mark_is_still_the_serial():
    """F17: no serial is rejected on sight."""
    record = after(fresh(), MARKED, DOUBTFUL, ABSENT, MARKED, ISSUED)
    assert (record.state, record.serial) == (State.PENDING, 7)


def test_what_was_handed_back_unsent_is_nobodys_failure():
    record = after(fresh(), MARKED, events.Unsent(1, NOW + 3))
    assert (record.state, record.due, record.attempts) == (State.QUEUED, NOW + 3, 0)
    assert record.error is None


def test_what_could_not_be_sent_backs_off_without_doubt():
    """F4: certain not to have left, so never counted as ambiguous."""
    record = after(fresh(), MARKED, events.Unsent(1, NOW + 3, FAULT))
    assert (record.state, record.due, record.attempts) == (State.QUEUED, NOW + 3, 1)
    assert (record.error, record.doubts) == (FAULT, 0)


# --- Refusals ---------------------------------------------------------------------------------


def test_a_refusal_without_an_earlier_doubt_is_final():
    """F12."""
    record = after(fresh(), MARKED, events.Refused(1, REFUSAL))
    assert (record.state, record.error, record.due) == (State.REFUSED, REFUSAL, None)


def test_a_refusal_after_a_doubt_waits_for_a_probe():
    """F13: it may be our own ghost that holds the quota."""
    doubted = transition(after(fresh(), MARKED, DOUBTFUL), ABSENT, QUIET)
    record = transition(after(doubted, MARKED), events.Refused(2, REFUSAL), QUIET + 5)
    assert (record.state, record.due, record.refusal) == (State.ISSUING, QUIET + 5, REFUSAL)
    with pytest.raises(NotNow):  # a list from before the refusal may have missed the ghost
        transition(record, events.Absent(2, QUIET + 4, QUIET + 6), QUIET + 6)
    absent = transition(record, events.Absent(2, QUIET + 5, QUIET + 6), QUIET + 6)
    assert (absent.state, absent.error) == (State.REFUSED, REFUSAL)
    found = transition(record, ISSUED, QUIET + 6)
    assert (found.state, found.serial, found.refusal) == (State.PENDING, 7, None)


def test_a_refusal_that_may_pass_is_tried_again():
    """F14: Astakos deletes holdings while it syncs quotas."""
    record = after(fresh(), MARKED, events.Declined(1, NOW + 3, FAULT))
    assert (record.state, record.due, record.error) == (State.QUEUED, NOW + 3, FAULT)


def test_how_long_it_fails_is_counted_by_kind_of_failure():
    """F14: a window of 404s does not begin with the refused connection before them."""
    other = {"class": "NotFound", "message": "no holding"}
    record = transition(after(fresh(), MARKED), events.Unsent(1, NOW, FAULT), NOW + 1)
    record = transition(after(record, MARKED), events.Declined(2, NOW, other), NOW + 5)
    assert (record.failing_since, record.attempts) == (NOW + 5, 2)
    record = transition(after(record, MARKED), events.Declined(3, NOW, other), NOW + 9)
    assert (record.failing_since, record.attempts) == (NOW + 5, 3)


# --- Decisions before there is a serial -------------------------------------------------------


def test_a_reject_before_the_issue_cancels_and_nothing_is_ever_sent():
    """F18, F19."""
    record = after(fresh(), REJECTED)
    assert (record.state, record.due, record.error) == (State.CANCELLED, None, None)
    with pytest.raises(NotNow):
        transition(record, MARKED, NOW)


def test_a_rejected_request_is_not_marked():
    """F18: also where the decision came with the record itself."""
    with pytest.raises(NotNow, match="rejected before it was issued"):
        transition(fresh(decision=REJECT), MARKED, NOW)


def test_an_accept_before_the_issue_is_carried_out_as_soon_as_there_is_a_serial():
    """F16, F20."""
    record = transition(after(fresh(), ACCEPTED, MARKED), ISSUED, NOW + 2)
    assert (record.state, record.decision, record.due) == (State.PENDING, ACCEPT, NOW + 2)
    assert transition(record, SETTLES, NOW).state is State.SETTLING


def test_a_reject_while_the_outcome_is_ambiguous_stands():
    """F21: a serial found later is rejected."""
    record = after(fresh(), MARKED, DOUBTFUL, REJECTED)
    assert (record.state, record.decision) == (State.ISSUING, REJECT)
    found = after(record, ISSUED, SETTLES, events.Settled())
    assert (found.state, found.serial) == (State.REJECTED, 7)


@pytest.mark.parametrize(
    "proof",
    [
        events.Unsent(1, NOW),
        events.Unsent(1, NOW, FAULT),
        events.Declined(1, NOW, FAULT),
        ABSENT,
    ],
    ids=["handed back", "not sent", "declined", "absent"],
)
def test_a_reject_while_it_was_announced_cancels_once_nothing_can_come_of_it(proof):
    """F21: and a commission that was cancelled is no failure."""
    record = after(fresh(), MARKED, REJECTED, proof)
    assert (record.state, record.due) == (State.CANCELLED, None)
    assert (record.error, record.attempts, record.failing_since) == (None, 0, None)
    assert record.history[-1].what == "cancelled"


def test_a_request_finds_the_decision_that_awaited_it():
    """F77, F20."""
    came = events.Requested(REQUEST, "99999999", NOW + 60, "shop.settled")
    record = transition(awaited(), came, NOW + 5)
    assert (record.state, record.due, record.decision) == (State.QUEUED, NOW + 5, ACCEPT)
    assert (record.request, record.incarnation) == (REQUEST, "99999999")
    assert (record.deadline, record.callback) == (NOW + 60, "shop.settled")


def test_a_request_whose_reject_awaited_it_is_cancelled_at_once():
    """F19, F77."""
    record = transition(awaited(REJECT), events.Requested(REQUEST, "99999999"), NOW)
    assert record.state is State.CANCELLED
    assert [note.what for note in record.history[-2:]] == ["its request came", "cancelled"]


def test_a_decision_that_nobody_ever_issues_is_due_after_its_hour_and_dies_with_the_reason():
    """F77."""
    record = awaited()
    assert record.due == NOW + 3600
    dead = transition(record, events.Died(FAULT), NOW + 3600)
    assert (dead.state, dead.error, dead.due) == (State.DEAD, FAULT, None)


def test_a_bare_serial_has_its_own_and_is_due_at_once():
    record = bare(REJECT)
    assert (record.state, record.serial, record.due) == (State.PENDING, 7, NOW)
    assert record.bare and not fresh().bare
