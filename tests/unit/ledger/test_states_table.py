"""The whole table: what each event makes of a record in each state, and where it is refused."""

import pytest

from astakos_worker.ledger import states
from astakos_worker.ledger.record import CLOSED, OPEN, State
from astakos_worker.ledger.states import NotNow, transition
from tests.unit.ledger.records import ABSENT, ACCEPT, FAULT, MARKED, NOW, REQUEST, VERDICT, at

S = State
UNCHANGED = {state: state for state in State}
ISSUING_ONLY = {S.ISSUING: S.QUEUED}

#: Event -> state -> state; what is not named is refused. The sample events are of mark 1.
TABLE = [
    (states.Requested(REQUEST, "99999999"), {S.AWAITED: S.QUEUED}),
    (
        states.Decided(ACCEPT),
        {s: s for s in State if s not in {S.REJECTED, S.CANCELLED}},
    ),
    (MARKED, {S.QUEUED: S.ISSUING}),
    (states.Unsent(1, NOW), ISSUING_ONLY),
    (states.Doubtful(1, NOW, FAULT), {S.ISSUING: S.ISSUING}),
    (states.Declined(1, NOW, FAULT), ISSUING_ONLY),
    (states.Refused(1, VERDICT), {S.ISSUING: S.REFUSED}),
    (states.Issued(8), {**UNCHANGED, S.QUEUED: S.PENDING, S.ISSUING: S.PENDING}),
    (ABSENT, ISSUING_ONLY),
    (states.SettleMarked(), {S.SETTLING: S.SETTLING}),
    (states.SettleUnsent(1, NOW), {S.SETTLING: S.SETTLING}),
    (states.SettleFailed(NOW, FAULT), {S.SETTLING: S.SETTLING}),
    (states.Settled(), {S.SETTLING: S.ACCEPTED}),
    (states.SettleNotFound(), {S.SETTLING: S.VANISHED}),
    (states.TwinSettled(9), UNCHANGED),
    (states.Vanished(), {S.PENDING: S.VANISHED}),
    (
        states.Resurfaced(),
        {S.ACCEPTED: S.SETTLING, S.REJECTED: S.SETTLING, S.VANISHED: S.PENDING},
    ),
    (states.Conflicted(FAULT), dict.fromkeys(State, S.CONFLICT)),
    (states.Merged("key"), {S.UNKNOWN: S.MERGED}),
    (states.Recognised("5eed", "a name"), {}),
    (states.NotThere(), {}),
    (states.TwinResurfaced(9), UNCHANGED),
    (states.Died(FAULT), dict.fromkeys(OPEN, S.DEAD)),
    (states.Revived(NOW + 9), {S.DEAD: S.QUEUED}),
    (states.Discarded(), {S.DEAD: S.DISCARDED}),
    (
        states.Extended(NOW + 9),
        {s: s for s in OPEN - {S.AWAITED, S.SETTLING}},  # these two are decided
    ),
    (states.Postponed(NOW + 9), {state: state for state in OPEN}),
    (states.Released(), UNCHANGED),
    (states.CallbackSent(S.ACCEPTED), UNCHANGED),
]


def test_the_table_names_every_event():
    assert {type(event) for event, _ in TABLE} == set(states.Event.__args__)


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize(("event", "moves"), TABLE, ids=lambda each: type(each).__name__)
def test_an_event_moves_a_record_as_the_table_says_or_is_refused(event, moves, state):
    record = at(state)
    assert record.state is state
    if state in moves:
        assert transition(record, event, NOW).state is moves[state]
    else:
        with pytest.raises(NotNow):
            transition(record, event, NOW)


@pytest.mark.parametrize("state", sorted(CLOSED))
def test_a_closed_record_is_not_due_and_says_when_it_closed(state):
    record = at(state)
    assert record.due is None
    assert record.closed == NOW
    assert not record.is_open


@pytest.mark.parametrize("state", sorted(OPEN))
def test_an_open_record_is_not_closed(state):
    record = at(state)
    assert record.closed is None
    assert record.is_open
