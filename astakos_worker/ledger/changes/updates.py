"""The parts of a change that several events share: a history line, a failure, an end. Pure."""

from typing import Any

from msgspec.structs import replace

from astakos_worker.ledger.record import CLOSED, Fault, HistoryLine, Record, State

#: Lines of history that are kept: the first ones, and the last ones.
_FIRST, _LAST = 4, 20


def noted(record: Record, now: float, what: str, **changes: Any) -> Record:
    """Return the record with these changes and one more line of history."""
    history = (*record.history, HistoryLine(round(now, 3), what))
    if len(history) > _FIRST + _LAST:
        history = (*history[:_FIRST], *history[-_LAST:])
    return replace(record, history=history, **changes)


def failure_fields(record: Record, fault: Fault, now: float) -> dict[str, Any]:
    """Return what one more failure changes; an error of another class restarts `failing_since`."""
    same = record.error is not None and record.error.get("class") == fault.get("class")
    return {
        "error": fault,
        "attempts": record.attempts + 1,
        "failing_since": (record.failing_since if same else None) or now,
    }


def text_of(fault: Fault) -> str:
    """Return a fault as a text for the history."""
    return f"{fault.get('class', 'error')}: {fault.get('message', '')}"[:200]


def close(record: Record, state: State, now: float, fault: Fault | None = None) -> Record:
    """Return the record in a state that ends it; an error stays unless it ended well."""
    succeeded = state in {State.ACCEPTED, State.REJECTED, State.CANCELLED}
    error = record.error if fault is None else fault
    after = noted(
        record,
        now,
        str(state),
        state=state,
        closed=now,
        error=None if succeeded else error,
        attempts=0,
        failing_since=None,
    )
    return idle_or_due(after, now)


def idle_or_due(record: Record, now: float | None = None) -> Record:
    """Return the record without a due time, unless a twin or a call-back is left to do.

    `now`: the time at which what is left is due; None keeps the due time.
    """
    if record.twins_due or record.callbacks_due:
        return record if now is None else replace(record, due=now)
    idle = record.state in CLOSED or (record.state is State.PENDING and record.decision is None)
    return replace(record, due=None) if idle else record


def cancelled_if_rejected(record: Record, now: float) -> Record:
    """Return a queued record as cancelled if a reject was decided, else unchanged."""
    rejected = record.decision is not None and record.decision.verb == "reject"
    if record.state is State.QUEUED and rejected:
        return close(record, State.CANCELLED, now)
    return record
