"""The state machine of a commission: `transition(record, event, now) -> record`, pure.

All rules about states are here. `ALLOWED` says in which states each event applies; the
functions in `changes/` say what the event changes. An event that does not apply raises
`NotNow`: another process was faster, and the event has no meaning any more.
"""

from collections.abc import Mapping
from typing import Final

from astakos_worker.ledger import events
from astakos_worker.ledger.changes import CHANGES
from astakos_worker.ledger.record import (
    OPEN,
    WHEN_CLOSED,
    Decision,
    HistoryLine,
    Moment,
    Record,
    State,
)
from astakos_worker.ledger.request import Request

_EVERY = frozenset(State)
_ISSUING = frozenset({State.ISSUING})
_SETTLING = frozenset({State.SETTLING})
_PENDING_OR_SETTLING = frozenset({State.PENDING, State.SETTLING})

#: The states in which each event applies. In every other state the event raises `NotNow`. An event
#: may have conditions besides (a decided record, a bare serial): its own function has those.
ALLOWED: Final[Mapping[type[events.Event], frozenset[State]]] = {
    # The request and the decision.
    events.Requested: frozenset({State.AWAITED}),
    events.Decided: _EVERY,
    events.Extended: frozenset({State.QUEUED, State.ISSUING, State.PENDING}),
    # Issuing. An answer may bring a serial in any state: a serial is never lost.
    events.Marked: frozenset({State.QUEUED}),
    events.Unsent: _ISSUING,
    events.Doubtful: _ISSUING,
    events.Declined: _ISSUING,
    events.Refused: _ISSUING,
    events.Absent: _ISSUING,
    events.Issued: _EVERY,
    # Settling.
    events.SettleMarked: _PENDING_OR_SETTLING,
    events.SettleUnsent: _SETTLING,
    events.SettleFailed: _SETTLING,
    events.Settled: _SETTLING,
    events.SettleNotFound: _SETTLING,
    events.TwinSettled: _EVERY,
    # Bare serials.
    events.Recognised: _PENDING_OR_SETTLING,
    events.NotThere: _PENDING_OR_SETTLING,
    events.Merged: _EVERY - {State.MERGED},
    # What the sweep finds.
    events.Vanished: frozenset({State.PENDING}),
    events.Resurfaced: frozenset({State.ACCEPTED, State.REJECTED, State.VANISHED}),
    events.TwinResurfaced: _EVERY,
    events.Conflicted: _EVERY,
    # What a person or a carrier does.
    events.Died: OPEN,
    events.Revived: frozenset({State.DEAD}),
    events.Discarded: frozenset({State.DEAD}),
    events.Postponed: _EVERY,
    events.Released: _EVERY,
    events.CallbackSent: _EVERY,
}


# --- Making a record --------------------------------------------------------------------------


def queued(
    key: str,
    service: str,
    incarnation: str,
    request: Request,
    *,
    now: float,
    decision: Decision | None = None,
    deadline: float | None = None,
    callback: str | None = None,
    moments: tuple[Moment, ...] = WHEN_CLOSED,
) -> Record:
    """Return the record of a new commission, due at once."""
    return Record(
        key,
        service,
        incarnation,
        State.QUEUED,
        now,
        request=request,
        decision=decision,
        deadline=deadline,
        callback=callback,
        moments=moments,
        due=now,
        history=(HistoryLine(now, "queued"),),
    )


def awaited(
    key: str, service: str, incarnation: str, decision: Decision, *, now: float, until: float
) -> Record:
    """Return the record of a decision that came before its request (F77)."""
    return Record(
        key,
        service,
        incarnation,
        State.AWAITED,
        now,
        decision=decision,
        due=until,
        history=(HistoryLine(now, f"{decision.verb} awaits its request"),),
    )


def bare(
    key: str, service: str, incarnation: str, *, serial: int, decision: Decision, now: float
) -> Record:
    """Return the record of a decision about a serial that no record of ours has."""
    return Record(
        key,
        service,
        incarnation,
        State.PENDING,
        now,
        serial=serial,
        decision=decision,
        due=now,
        history=(HistoryLine(now, f"{decision.verb} of a bare serial"),),
    )


# --- Transitions ------------------------------------------------------------------------------


def transition(record: Record, event: events.Event, now: float) -> Record:
    """Return the record after the event.

    `now` is in seconds of the store's clock. Returns the very same record where the event says
    nothing new. Raises `NotNow` where it does not apply: see `ALLOWED`.
    """
    kind = type(event)
    if record.state not in ALLOWED[kind]:
        raise events.NotNow(f"{record.key!r} is {record.state}: {kind.__name__} does not apply")
    return CHANGES[kind](record, event, now)
