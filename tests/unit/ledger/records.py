"""Records in every state, each brought there by the events that bring one there."""

from functools import reduce

from astakos_worker.ledger import events, states
from astakos_worker.ledger.record import Decision, Record, State, bare_key
from astakos_worker.ledger.request import Provision, Request
from astakos_worker.ledger.states import transition

NOW = 1000.0
HORIZON = 60.0
ACCEPT, REJECT = Decision("accept", "", NOW), Decision("reject", "", NOW)
FAULT = {"class": "Unreachable", "message": "no answer"}
REFUSAL = {"class": "QuotaLimit", "message": "over limit"}
REQUEST = Request((Provision("user:u", "project:p", "cyclades.vm", 1),), "a server")

MARKED = events.Marked(NOW + 10, NOW + HORIZON)
DOUBTFUL = events.Doubtful(1, NOW + 1, FAULT)
ABSENT = events.Absent(1, NOW + HORIZON, NOW + HORIZON)
ISSUED = events.Issued(7)
ACCEPTED, REJECTED = events.Decided(ACCEPT), events.Decided(REJECT)
SETTLES = events.SettleMarked()


def fresh(**more):
    """A commission as its caller enqueued it."""
    return states.queued("key", "cyclades", "0a1b2c3d", REQUEST, now=NOW, **more)


def awaited(decision=ACCEPT):
    """A decision that came by name before its request."""
    return states.awaited("key", "cyclades", "0a1b2c3d", decision, now=NOW, until=NOW + 3600)


def bare(decision=ACCEPT):
    """A decided serial that nobody's record has."""
    return states.bare(bare_key(7), "cyclades", "0a1b2c3d", serial=7, decision=decision, now=NOW)


def after(record, *steps, now=NOW):
    """The record when all of that has happened to it."""
    return reduce(lambda each, event: transition(each, event, now), steps, record)


_SETTLED = (ISSUED, SETTLES, events.Settled())
_WAYS = {
    State.AWAITED: (awaited, ()),
    State.QUEUED: (fresh, ()),
    State.ISSUING: (fresh, (MARKED,)),
    State.PENDING: (fresh, (MARKED, ISSUED)),
    State.SETTLING: (fresh, (ACCEPTED, MARKED, ISSUED, SETTLES)),
    State.ACCEPTED: (fresh, (ACCEPTED, MARKED, *_SETTLED)),
    State.REJECTED: (fresh, (MARKED, REJECTED, *_SETTLED)),
    State.REFUSED: (fresh, (MARKED, events.Refused(1, REFUSAL))),
    State.CANCELLED: (fresh, (REJECTED,)),
    State.VANISHED: (fresh, (MARKED, ISSUED, events.Vanished())),
    State.CONFLICT: (fresh, (MARKED, ISSUED, events.Conflicted(FAULT))),
    State.UNKNOWN: (bare, (SETTLES, events.SettleNotFound())),
    State.MERGED: (bare, (events.Merged("key"),)),
    State.DEAD: (fresh, (events.Died(FAULT),)),
    State.DISCARDED: (fresh, (events.Died(FAULT), events.Discarded())),
}


def at(state: State) -> Record:
    """A record in this state."""
    begin, steps = _WAYS[state]
    return after(begin(), *steps)
