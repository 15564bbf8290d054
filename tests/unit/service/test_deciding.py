"""Accepting and rejecting: written once, at any time, by key or by serial."""

import pytest

from astakos_worker.configuration import names
from astakos_worker.ledger import events
from astakos_worker.ledger.record import Decision, bare_key
from astakos_worker.service.errors import CommissionFailed, DecisionConflict, UnknownKey
from astakos_worker.service.inside import history
from astakosclient.errors import BadValue, NotFound, QuotaLimit
from tests.unit.service.conftest import LANE, VM

GONE = {"class": "NotSettled", "message": "for hours", "outcome": "refused"}


@pytest.fixture
def pending(commissions, worker, clock, bell):
    """A commission that is pending as 57, whose wake-up was carried out long ago."""
    commission = commissions.issue(**VM, key="k")
    worker.issues("k", 57)
    clock.passes(60)
    bell.rung.clear()
    return commission


# --- One decision, once -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "task"), [("accept", names.WAKE_ACCEPT), ("reject", names.WAKE_REJECT)]
)
def test_a_decision_is_in_the_ledger_when_the_call_returns(  # noqa: PLR0917  # fixtures
    commissions, pending, worker, bell, verb, task
):
    decided = getattr(commissions, verb)("k")
    assert (decided.last.decision, worker.entry("k").cell.verb) == (verb, verb)
    assert bell.rung == [(task, LANE, "k")]
    worker.settles("k")
    assert commissions.get("k").state == f"{verb}ed"


def test_a_handle_decides_as_well(pending, worker):
    assert pending.accept().last.decision == "accept"
    assert worker.entry("k").cell.verb == "accept"


def test_the_reason_of_a_reject_is_kept_for_operators(commissions, pending):
    pending.reject("the disk was full")
    assert commissions.get("k").reason == "the disk was full"


@pytest.mark.parametrize(("first", "second"), [("accept", "reject"), ("reject", "accept")])
def test_the_first_decision_stands_and_the_second_caller_is_told(
    commissions, pending, worker, first, second
):
    """F23."""
    getattr(commissions, first)("k")
    with pytest.raises(DecisionConflict, match=f"has been decided: {first}") as caught:
        getattr(commissions, second)("k")
    assert caught.value.key == "k"
    worker.settles("k")
    with pytest.raises(DecisionConflict, match=f"has been decided: {first}"):
        getattr(commissions, second)("k")
    assert commissions.get("k").state == f"{first}ed"


@pytest.mark.parametrize("verb", ["accept", "reject"])
def test_the_same_decision_again_is_no_other(commissions, pending, worker, verb):
    getattr(commissions, verb)("k")
    before = worker.entry("k")
    assert getattr(commissions, verb)("k").last.decision == verb
    assert worker.entry("k") == before
    worker.settles("k")
    assert getattr(commissions, verb)("k").last.state == f"{verb}ed"


# --- Before there is a serial -----------------------------------------------------------------


def test_a_reject_before_the_issue_cancels(commissions, worker):
    """F18: success, and nothing is left to send."""
    commissions.issue(**VM, key="k")
    assert commissions.reject("k").last.state == "cancelled"
    with pytest.raises(events.NotNow):
        worker.announces("k")


def test_an_issue_that_comes_after_its_cancel_leaves_it_cancelled(commissions, worker):
    """F19."""
    commissions.issue(**VM, key="k")
    commissions.reject("k")
    worker.does("k", events.Released())
    again = commissions.issue(**VM, key="k")
    assert again.last.state == "cancelled"
    assert worker.entry("k").record.due is None
    with pytest.raises(DecisionConflict):
        again.accept()


def test_an_accept_before_the_issue_is_remembered(commissions, worker):
    """F20: it is due as soon as there is a serial."""
    commissions.issue(**VM, key="k")
    assert commissions.accept("k").last.state == "queued"
    record = worker.issues("k", 57)
    assert (record.state, record.decision.verb) == ("pending", "accept")
    assert record.due is not None


def test_a_decision_while_the_answer_is_awaited_stands(commissions, worker):
    """F21: whatever serial is found later is rejected."""
    commissions.issue(**VM, key="k")
    worker.announces("k")
    assert commissions.reject("k").last.state == "issuing"
    record = worker.does("k", events.Issued(57, "adopted"))
    assert (record.state, record.decision.verb) == ("pending", "reject")


# --- What there is no deciding of -------------------------------------------------------------


@pytest.mark.parametrize("verb", ["accept", "reject"])
def test_a_key_that_nobody_issued_is_unknown_at_once(commissions, ledger, verb):
    """F77."""
    with pytest.raises(UnknownKey, match=rf"'sever-42' to {verb}") as caught:
        getattr(commissions, verb)("sever-42")
    assert caught.value.key == "sever-42"
    assert ledger.lanes() == []


@pytest.mark.parametrize("which", [True, False, None, 5.5, 0, -1, "", "x" * 201, b"k", ["k"]])
def test_what_is_neither_key_nor_serial_is_refused(commissions, ledger, which):
    """F28: `True` is not the serial 1."""
    for call in (commissions.accept, commissions.reject, commissions.get, commissions.outcome):
        with pytest.raises(BadValue):
            call(which)
    assert ledger.lanes() == []


def test_accepting_what_was_refused_raises_the_refusal(commissions, worker):
    commissions.issue(**VM, key="k")
    worker.is_refused("k")
    with pytest.raises(QuotaLimit) as caught:
        commissions.accept("k")
    assert (caught.value.limit, caught.value.usage, caught.value.quantity) == (2, 2, 1)


def test_rejecting_what_was_refused_is_no_error(commissions, worker):
    """There is nothing to give back."""
    commissions.issue(**VM, key="k")
    worker.is_refused("k")
    assert commissions.reject("k").last.state == "refused"


def test_accepting_what_has_expired_is_a_conflict(commissions, pending, ledger, clock):
    """An ordinary reject with a reason: the sweep's."""
    ledger.decide(LANE, {"k": Decision("reject", "expired", clock.now())})
    with pytest.raises(DecisionConflict, match=r"reject \(expired\)"):
        commissions.accept("k")


def test_an_accept_before_the_expiry_wins(commissions, pending, ledger, clock):
    pending.accept()
    ledger.decide(LANE, {"k": Decision("reject", "expired", clock.now())})
    assert commissions.get("k").decision == "accept"
    assert pending.accept().last.decision == "accept"


@pytest.mark.parametrize("verb", ["accept", "reject"])
def test_deciding_what_a_person_has_to_look_at_says_so(commissions, pending, worker, verb):
    worker.does("k", events.Died(GONE))
    with pytest.raises(CommissionFailed, match="'k' is dead: for hours"):
        getattr(commissions, verb)("k")


# --- By serial --------------------------------------------------------------------------------


def test_a_serial_of_a_known_commission_decides_that_one(commissions, pending, worker):
    assert commissions.accept(57).key == "k"
    assert worker.entry("k").cell.verb == "accept"
    with pytest.raises(DecisionConflict):
        commissions.reject(57)


def test_a_serial_that_nobody_here_issued_gets_a_record_of_its_own(commissions, worker, bell):
    commission = commissions.accept(57)
    record = worker.entry(57).record
    assert (record.state, record.serial, record.decision.verb) == ("pending", 57, "accept")
    assert commission.last.key == "serial 57"
    assert bell.rung == [(names.WAKE_ACCEPT, LANE, bare_key(57))]
    assert commissions.get(57).decision == "accept"


@pytest.mark.parametrize(("first", "second"), [("accept", "reject"), ("reject", "accept")])
def test_the_first_decision_of_a_bare_serial_stands_too(commissions, worker, first, second):
    """F23."""
    getattr(commissions, first)(57)
    assert getattr(commissions, first)(57).last.decision == first
    with pytest.raises(DecisionConflict, match="serial 57"):
        getattr(commissions, second)(57)
    worker.settles(57)
    assert commissions.get(57).state == f"{first}ed"


def test_the_handle_of_a_bare_serial_works_like_any_other(commissions, worker):
    commission = commissions.reject(57)
    assert repr(commission) == "<Commission serial 57 pending>"
    assert commission.reject().last.decision == "reject"
    with pytest.raises(DecisionConflict):
        commission.accept()
    worker.settles(57)
    assert commission.outcome(1).state == "rejected"
    assert commission.last.state == "rejected"


def test_a_bare_serial_that_astakos_does_not_know_is_not_found(commissions, worker):
    """Resolved earlier, never existed, another's: they cannot be told apart."""
    commission = commissions.accept(57)
    worker.does(57, events.SettleMarked(), events.SettleNotFound())
    assert commissions.get(57).state == "unknown"
    with pytest.raises(NotFound, match="serial 57"):
        commission.outcome(1)
    with pytest.raises(NotFound):
        commissions.accept(57)


def test_a_bare_serial_that_turns_out_to_be_a_commissions_leads_there(commissions, worker):
    commission = commissions.accept(57)
    commissions.issue(**VM, key="k")
    worker.issues("k", 57)
    worker.does("k", events.Decided(Decision("accept", "", 1.0)))
    worker.does(57, events.Merged("k"))
    worker.settles("k")
    assert commission.outcome(1).key == "k"
    assert commission.accept().key == "k"
    assert commissions.outcome(57, 1).state == "accepted"


def test_a_serial_that_nobody_decided_here_is_unknown(commissions):
    with pytest.raises(UnknownKey, match="serial 57"):
        commissions.get(57)


# --- History ----------------------------------------------------------------------------------


def test_an_operator_reads_the_whole_story(commissions, pending, worker):
    pending.accept()
    worker.settles("k")
    record, version = history(commissions, "k")
    assert [note.what for note in record.history][:2] == ["queued", "issuing, attempt 1"]
    assert record.history[-1].what == "accepted"
    assert version == worker.entry("k").version
    assert history(commissions, 57)[0] == record
