"""What a claim announces of a record, and what the record is with it."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from astakos_worker.ledger import events
from astakos_worker.ledger.marks import Mark, load_mark, sends, up_to_date
from astakos_worker.ledger.record import CLOSED, Decision, State
from astakos_worker.ledger.record_json import dump, load
from astakos_worker.ledger.states import transition
from tests.unit.ledger.records import (
    ACCEPT,
    FAULT,
    MARKED,
    NOW,
    REJECT,
    SETTLES,
    after,
    at,
    bare,
    fresh,
)
from tests.unit.ledger.test_states_properties import Teller

MARK = Mark(NOW + 1, NOW + 11, NOW + 96)


def claimable(seed):
    """All records of one story of which a claim would announce something."""
    story = Teller(Random(seed)).story()
    return [follows for _, _, follows in story if sends(follows)] or [fresh()]


records = st.integers(0, 2**64).map(claimable).flatmap(st.sampled_from)
decisions = st.sampled_from([ACCEPT, REJECT])
marks = st.builds(
    Mark,
    st.integers(0, 2000).map(float),
    st.integers(0, 2000).map(float),
    st.integers(0, 2000).map(float),
    st.integers(1, 8),
)


# --- What is announced ------------------------------------------------------------------------

ANNOUNCED = {State.QUEUED: "issue", State.PENDING: "settle", State.SETTLING: "settle"}


@pytest.mark.parametrize("state", State)
def test_what_a_claim_announces_depends_on_the_state(state):
    assert sends(at(state)) == ANNOUNCED.get(state, "")


def test_what_is_proven_not_done_is_announced_again():
    """F6, F13."""
    assert sends(after(fresh(), MARKED, events.Unsent(1, NOW))) == "issue"
    assert sends(after(fresh(), MARKED)) == ""


def test_a_bare_serial_is_looked_at_before_it_is_announced():
    """What nothing was sent for may be anybody's."""
    assert sends(bare()) == ""
    seen = after(bare(), events.Recognised("5eed", "a name"))
    assert sends(seen) == ""
    sent = after(seen, SETTLES)
    assert sends(sent) == "settle"
    assert sends(after(sent, events.SettleUnsent(1, NOW))) == ""
    assert sends(after(sent, events.SettleFailed(NOW, FAULT))) == "settle"


# --- A record with its mark -------------------------------------------------------------------


@pytest.mark.parametrize("state", list(State))
def test_a_record_with_nothing_beside_it_is_as_it_was_written(state):
    record = at(state)
    assert up_to_date(record, None, None) is record


@pytest.mark.parametrize("state", list(State))
def test_a_decision_beside_the_record_is_applied_at_its_own_time(state):
    """F18, F23: every reader gets the same record, whenever it reads."""
    record, late = at(state), replace(ACCEPT, at=NOW + 5)
    read = up_to_date(record, None, late)
    if record.decision is not None or state in CLOSED:
        assert read is record
    else:
        assert read == transition(record, events.Decided(late), NOW + 5)
        assert (read.decision, read.history[-1].at) == (late, NOW + 5)


def test_what_is_to_be_issued_is_being_issued():
    """F5: by the mark's times, which whoever looks for it goes by."""
    record = up_to_date(fresh(), MARK, None)
    assert (record.state, record.marks) == (State.ISSUING, 1)
    assert (record.send_until, record.quiet_at) == (MARK.send_until, MARK.quiet_at)
    assert record == transition(fresh(), events.Marked(MARK.send_until, MARK.quiet_at), MARK.at)


def test_the_stories_lead_to_each_kind_of_record_that_is_announced():
    """Without this, what follows could hold because none was ever drawn."""
    kinds = {
        (record.state, record.decision is not None, record.bare)
        for seed in range(500)
        for record in claimable(seed)
    }
    assert kinds >= {
        (State.QUEUED, False, False),
        (State.QUEUED, True, False),
        (State.PENDING, False, False),
        (State.PENDING, True, False),
        (State.SETTLING, True, False),
        (State.SETTLING, True, True),
    }


@pytest.mark.parametrize("decision", [ACCEPT, REJECT])
def test_what_is_being_issued_has_its_decision_too(decision):
    """F18, F20: a reject that came after the mark does not cancel what may have been sent."""
    read = up_to_date(fresh(), MARK, decision)
    assert (read.state, read.marks, read.decision) == (State.ISSUING, 1, decision)


@pytest.mark.parametrize("times", [1, 2, 8])
def test_a_decision_that_the_record_does_not_know_is_being_sent(times):
    """F25."""
    record = up_to_date(at(State.PENDING), MARK._replace(times=times), REJECT)
    assert (record.state, record.decision, record.settles) == (State.SETTLING, REJECT, times)
    assert record.sent == tuple(range(1, times + 1))
    assert record.history[-1] == (MARK.at, f"reject sent, attempt {times}")


def test_a_decision_that_the_record_knows_stands():
    """F23."""
    decided = after(at(State.PENDING), events.Decided(REJECT))
    assert up_to_date(decided, MARK, replace(REJECT, at=1.0)).decision == REJECT


@given(records, decisions, marks)
@settings(max_examples=500)
def test_whatever_a_claim_announces_can_be_read(record, decision, mark):
    """F5, F25: a record that nobody could read would be lost; what else it says is untouched."""
    cell = record.decision or decision
    if sends(record) == "issue":
        if cell.verb == "reject":
            record, cell = replace(record, decision=None), None
        read = up_to_date(record, mark, cell)
        expected = replace(
            record,
            state=State.ISSUING,
            marks=record.marks + 1,
            decision=cell,
            send_until=mark.send_until,
            quiet_at=mark.quiet_at,
            refusal=None,
        )
        # What is learnt of the send that was marked fits.
        assert transition(read, events.Unsent(read.marks, NOW), NOW).state is State.QUEUED
        assert transition(read, events.Issued(99), NOW).serial == 99
    else:
        read = up_to_date(record, mark, cell)
        settles = record.settles + mark.times
        new = range(record.settles + 1, settles + 1)
        expected = replace(
            record,
            state=State.SETTLING,
            decision=cell,
            settles=settles,
            sent=(*record.sent, *new)[-8:],
            due=read.due,
        )
        closed = transition(read, events.Settled(), NOW)
        assert closed.state is (State.ACCEPTED if cell.verb == "accept" else State.REJECTED)
    assert replace(read, history=()) == replace(expected, history=())
    assert mark.at in [line.at for line in read.history[-2:]]
    assert load(dump(read)) == read


@given(records.map(lambda record: record if record.state is State.QUEUED else fresh()), marks)
def test_a_decision_after_the_announcement_does_not_make_it_unreadable(record, mark):
    """F18: a reject that came too late to keep it from being issued."""
    record = replace(record, decision=None)
    late = Decision("reject", "too late", NOW)
    read = up_to_date(record, mark, late)
    assert (read.state, read.decision) == (State.ISSUING, late)


# --- As a script leaves it --------------------------------------------------------------------


@pytest.mark.parametrize("text", [None, ""])
def test_no_mark_is_none(text):
    assert load_mark(text) is None


@given(st.tuples(*[st.integers(0, 2**42)] * 3, st.integers(1, 8)))
def test_a_mark_is_read_as_it_was_written(numbers):
    """In milliseconds, which are exact."""
    mark = load_mark(" ".join(map(str, numbers)))
    assert mark is not None
    assert [round(each * 1000) for each in mark[:3]] == list(numbers[:3])
    assert mark.times == numbers[3]
