"""The table of states: each event in each state does what the table says, and nothing else."""

import pytest
from msgspec.structs import replace

from astakos_worker.ledger import changes, events
from astakos_worker.ledger.events import NotNow
from astakos_worker.ledger.record import CLOSED, OPEN, State, Twin, bare_key
from astakos_worker.ledger.states import ALLOWED, transition
from tests.unit.ledger.records import (
    ABSENT,
    ACCEPT,
    FAULT,
    MARKED,
    NOW,
    REFUSAL,
    REJECT,
    REQUEST,
    at,
)

S = State

#: A sample of each event, and the state to which it leads: None is the state that it finds.
#: All samples are of mark 1 and send 1. Which states they apply in is for `ALLOWED` to say.
SAMPLES = [
    (events.Requested(REQUEST, "99999999"), S.QUEUED),
    (events.Decided(ACCEPT), None),
    (events.Extended(NOW + 9), None),
    (MARKED, S.ISSUING),
    (events.Unsent(1, NOW), S.QUEUED),
    (events.Doubtful(1, NOW, FAULT), None),
    (events.Declined(1, NOW, FAULT), S.QUEUED),
    (events.Refused(1, REFUSAL), S.REFUSED),
    (ABSENT, S.QUEUED),
    (events.Issued(8), {S.QUEUED: S.PENDING, S.ISSUING: S.PENDING}),
    (events.SettleMarked(), S.SETTLING),
    (events.SettleUnsent(1, NOW), None),
    (events.SettleFailed(NOW, FAULT), None),
    (events.Settled(), S.ACCEPTED),
    (events.SettleNotFound(), S.VANISHED),
    (events.TwinSettled(9), None),
    (events.Recognised("5eed", "a name"), None),
    (events.NotThere(), S.UNKNOWN),
    (events.Merged("key"), S.MERGED),
    (events.Vanished(), S.VANISHED),
    (events.Resurfaced(), S.SETTLING),
    (events.TwinResurfaced(9), None),
    (events.Conflicted(FAULT), S.CONFLICT),
    (events.Died(FAULT), S.DEAD),
    (events.Revived(NOW + 9), S.QUEUED),
    (events.Discarded(), S.DISCARDED),
    (events.Postponed(NOW + 9), None),
    (events.Released(), None),
    (events.CallbackSent(S.ACCEPTED), None),
]


def records_in(state):
    """Records in a state: as they come, undecided, decided, of a bare serial, with a twin."""
    own = at(state)
    yield own
    if state not in {S.AWAITED, S.SETTLING}:  # these are always decided
        yield replace(own, decision=None)
    yield replace(own, decision=ACCEPT)
    yield replace(own, decision=REJECT)
    yield replace(own, key=bare_key(7), request=None, seen=None, sent=())
    yield replace(own, twins=(Twin(9),))
    yield replace(own, twins=(Twin(9, done=True),))


def applied(event, state):
    """What an event makes of the records of a state: None where it is refused."""
    for record in records_in(state):
        assert record.state is state
        try:
            yield record, transition(record, event, NOW)
        except NotNow:
            yield record, None


def test_the_table_and_its_functions_name_every_event():
    all_events = set(events.Event.__args__)
    assert (
        set(ALLOWED) == set(changes.CHANGES) == {type(event) for event, _ in SAMPLES} == all_events
    )


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("event", [each for each, _ in SAMPLES], ids=lambda e: type(e).__name__)
def test_an_event_applies_in_the_states_of_the_table_and_in_no_other(event, state):
    made = [follows for _, follows in applied(event, state)]
    if state not in ALLOWED[type(event)]:
        assert made == [None] * len(made)
    else:
        assert any(follows is not None for follows in made)


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize(("event", "leads"), SAMPLES, ids=lambda each: type(each).__name__)
def test_an_event_leads_where_it_should(event, leads, state):
    """For the record as its own events made it: the state that follows, unless it is refused."""
    own, follows = next(applied(event, state))
    if follows is None:
        return
    target = leads.get(state) if isinstance(leads, dict) else leads
    if isinstance(event, events.Resurfaced) and own.decision is None:
        target = S.PENDING
    assert follows.state is (target or state)


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
