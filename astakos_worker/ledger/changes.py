"""What each event changes in a record: one short function for each kind of event. Pure.

`states.py` has checked before that the event applies in the record's state. Where an event has
another condition (a decided record, a bare serial), its function raises `NotNow`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from astakos_worker.ledger.events import (
    Absent,
    CallbackSent,
    Conflicted,
    Decided,
    Declined,
    Died,
    Discarded,
    Doubtful,
    Event,
    Extended,
    Issued,
    Marked,
    Merged,
    NotNow,
    NotThere,
    Postponed,
    Recognised,
    Refused,
    Released,
    Requested,
    Resurfaced,
    Revived,
    Settled,
    SettleFailed,
    SettleMarked,
    SettleNotFound,
    SettleUnsent,
    TwinResurfaced,
    TwinSettled,
    Unsent,
    Vanished,
)
from astakos_worker.ledger.record import (
    CLOSED,
    Fault,
    HistoryLine,
    Record,
    State,
    Twin,
)

#: Lines of history that are kept: the first ones, and the last ones.
_FIRST, _LAST = 4, 20

#: How many sends of a decision a record lists one by one.
_SENDS = 8

# --- The request and the decision -------------------------------------------------------------


def _requested(record: Record, event: Requested, now: float) -> Record:
    after = _noted(
        record,
        now,
        "its request came",
        state=State.QUEUED,
        request=event.request,
        incarnation=event.incarnation,
        deadline=event.deadline,
        callback=event.callback,
        moments=event.moments,
        due=now,
    )
    return _cancelled_if_rejected(after, now)


def _decided(record: Record, event: Decided, now: float) -> Record:
    decision = event.decision
    if record.state in CLOSED and record.decision is None:
        return record  # it ended before a decision
    if record.decision is not None:
        if record.decision.verb != decision.verb:
            raise NotNow(f"{record.key!r} has been decided: {record.decision.verb}")
        return record
    due = now if record.state is State.PENDING else record.due
    why = f" ({decision.reason})" if decision.reason else ""
    after = _noted(record, now, f"{decision.verb} decided{why}", decision=decision, due=due)
    return _cancelled_if_rejected(after, now)


def _cancelled_if_rejected(record: Record, now: float) -> Record:
    rejected = record.decision is not None and record.decision.verb == "reject"
    if record.state is State.QUEUED and rejected:
        return _close(record, State.CANCELLED, now)
    return record


def _extended(record: Record, event: Extended, now: float) -> Record:
    if record.decision is not None:
        raise NotNow(f"{record.key!r} has been decided: {record.decision.verb}")
    return _noted(record, now, "deadline extended", deadline=event.deadline)


# --- Issuing ----------------------------------------------------------------------------------


def _marked(record: Record, event: Marked, now: float) -> Record:
    if record.decision and record.decision.verb == "reject":
        raise NotNow(f"{record.key!r} was rejected before it was issued")
    return _noted(
        record,
        now,
        f"issuing, attempt {record.marks + 1}",
        state=State.ISSUING,
        marks=record.marks + 1,
        send_until=event.send_until,
        quiet_at=event.quiet_at,
        refusal=None,
    )


def _unsent(record: Record, event: Unsent, now: float) -> Record:
    _check_mark(record, event.mark)
    if event.fault is None:
        return _cancelled_if_rejected(replace(record, state=State.QUEUED, due=event.due), now)
    return _queued_again(record, event.fault, event.due, now, "not sent")


def _declined(record: Record, event: Declined, now: float) -> Record:
    _check_mark(record, event.mark)
    return _queued_again(record, event.fault, event.due, now, "declined for now")


def _queued_again(record: Record, fault: Fault, due: float, now: float, why: str) -> Record:
    failure = _failure(record, fault, now)
    what = f"{why}: {_said(fault)}"
    return _cancelled_if_rejected(
        _noted(record, now, what, state=State.QUEUED, due=due, **failure), now
    )


def _doubtful(record: Record, event: Doubtful, now: float) -> Record:
    _check_mark(record, event.mark)
    failure = _failure(record, event.fault, now)
    return _noted(record, now, f"ambiguous: {_said(event.fault)}", due=event.due, **failure)


def _refused(record: Record, event: Refused, now: float) -> Record:
    _check_mark(record, event.mark)
    if record.doubts:  # an earlier POST of ours may hold the quota that this one lacked (F13)
        what = f"refused, to be probed: {_said(event.fault)}"
        return _noted(record, now, what, refusal=event.fault, quiet_at=now, due=now)
    return _close(record, State.REFUSED, now, event.fault)


def _absent(record: Record, event: Absent, now: float) -> Record:
    _check_mark(record, event.mark)
    if record.quiet_at is None or event.listed < record.quiet_at:
        raise NotNow(f"a list of {event.listed} proves nothing before {record.quiet_at}")
    if record.refusal is not None:
        return _close(record, State.REFUSED, now, record.refusal)
    doubts = record.doubts + 1
    after = _noted(record, now, "not there", state=State.QUEUED, due=event.due, doubts=doubts)
    return _cancelled_if_rejected(after, now)


def _issued(record: Record, event: Issued, now: float) -> Record:
    serial = event.serial
    if record.serial == serial or any(twin.serial == serial for twin in record.twins):
        return record
    if record.serial is None and record.state in {State.QUEUED, State.ISSUING}:
        after = _noted(
            record,
            now,
            f"{event.how}: serial {serial}",
            state=State.PENDING,
            serial=serial,
            due=now,
            attempts=0,
            failing_since=None,
            refusal=None,
            error=None,
        )
        return _idle_or_due(after)
    what = f"{event.how}: twin {serial}"
    return _noted(record, now, what, twins=(*record.twins, Twin(serial)), due=now)


def _check_mark(record: Record, mark: int) -> None:
    if record.marks != mark:
        raise NotNow(f"{record.key!r} is at attempt {record.marks}, not {mark}")


# --- Settling ---------------------------------------------------------------------------------


def _settle_marked(record: Record, event: SettleMarked, now: float) -> Record:
    del event
    if record.decision is None:
        raise NotNow(f"{record.key!r} is not decided")
    send = record.settles + 1
    # Only whether there was more than one send counts, so the oldest may be dropped.
    sent = (*record.sent, send)[-_SENDS:]
    what = f"{record.decision.verb} sent, attempt {send}"
    return _noted(record, now, what, state=State.SETTLING, settles=send, sent=sent)


def _settle_unsent(record: Record, event: SettleUnsent, now: float) -> Record:
    if event.send not in record.sent:
        return record  # recorded before
    sent = tuple(n for n in record.sent if n != event.send)
    failure = _failure(record, event.fault, now) if event.fault else {}
    return replace(record, sent=sent, due=event.due, **failure)


def _settle_failed(record: Record, event: SettleFailed, now: float) -> Record:
    failure = _failure(record, event.fault, now)
    return _noted(record, now, f"not settled: {_said(event.fault)}", due=event.due, **failure)


def _settled(record: Record, event: Settled, now: float) -> Record:
    del event
    return _close(record, _decided_state(record), now)


def _settle_not_found(record: Record, event: SettleNotFound, now: float) -> Record:
    del event
    if len(record.sent) > 1:  # an earlier send settled it (F24)
        return _close(record, _decided_state(record), now)
    return _close(record, State.UNKNOWN if record.bare else State.VANISHED, now)


def _twin_settled(record: Record, event: TwinSettled, now: float) -> Record:
    serial = event.serial
    twins = tuple(Twin(t.serial, t.done or t.serial == serial) for t in record.twins)
    if twins == record.twins:
        return record
    return _idle_or_due(_noted(record, now, f"twin {serial} rejected", twins=twins))


# --- Bare serials -----------------------------------------------------------------------------


def _recognised(record: Record, event: Recognised, now: float) -> Record:
    _check_bare(record)
    if record.seen is not None:
        return record
    return _noted(record, now, f"it is {event.name[:80]!r}", seen=event.seen)


def _not_there(record: Record, event: NotThere, now: float) -> Record:
    del event
    _check_bare(record)
    if record.sent:
        raise NotNow(f"something was sent for {record.key!r} in between")
    return _close(record, State.UNKNOWN, now)


def _merged(record: Record, event: Merged, now: float) -> Record:
    _check_bare(record)
    return _close(record, State.MERGED, now, {"merged": event.key})


def _check_bare(record: Record) -> None:
    if not record.bare:
        raise NotNow(f"{record.key!r} is not a bare serial")


# --- What the sweep finds ---------------------------------------------------------------------


def _vanished(record: Record, event: Vanished, now: float) -> Record:
    del event
    if record.decision is not None:
        raise NotNow(f"{record.key!r} was decided in between")
    return _close(record, State.VANISHED, now)


def _resurfaced(record: Record, event: Resurfaced, now: float) -> Record:
    del event
    state = State.SETTLING if record.decision else State.PENDING
    after = _noted(record, now, "pending again in Astakos", state=state, due=now, closed=None)
    return _idle_or_due(after)


def _twin_resurfaced(record: Record, event: TwinResurfaced, now: float) -> Record:
    serial = event.serial
    twins = tuple(Twin(t.serial, t.done and t.serial != serial) for t in record.twins)
    if twins == record.twins:
        return record
    return _noted(record, now, f"twin {serial} pending again in Astakos", twins=twins, due=now)


def _conflicted(record: Record, event: Conflicted, now: float) -> Record:
    if record.state is State.CONFLICT:
        return record
    return _close(record, State.CONFLICT, now, event.fault)


# --- What a person or a carrier does ----------------------------------------------------------


def _died(record: Record, event: Died, now: float) -> Record:
    return _close(record, State.DEAD, now, event.fault)


def _revived(record: Record, event: Revived, now: float) -> Record:
    """Return a dead record in the state that its facts show.

    One whose POST may have been sent becomes `issuing`, so it is probed before it is sent again.
    """
    if record.serial is not None:
        state = State.SETTLING if record.settles else State.PENDING
    elif record.request is None:
        state = State.AWAITED
    else:
        state = State.ISSUING if record.marks else State.QUEUED
    after = _noted(
        record,
        now,
        f"sent again by an operator, {state}",
        state=state,
        closed=None,
        due=event.due if state is State.AWAITED else now,
        attempts=0,
        failing_since=None,
        error=None,
        callbacks_sent=tuple(each for each in record.callbacks_sent if each != State.DEAD),
    )
    return _cancelled_if_rejected(_idle_or_due(after), now)


def _discarded(record: Record, event: Discarded, now: float) -> Record:
    # Nobody may use it any more, even if it was accepted: its own serial is rejected like a twin.
    own = () if record.serial is None else (Twin(record.serial),)
    why = f": {event.reason}" if event.reason else ""
    what = f"discarded by an operator{why}"
    return _close(_noted(record, now, what, twins=(*record.twins, *own)), State.DISCARDED, now)


def _postponed(record: Record, event: Postponed, now: float) -> Record:
    if not record.is_open:
        raise NotNow(f"{record.key!r} is {record.state}, and nothing is left to do for it")
    if event.fault is None:  # counted as well, so that it waits longer each time
        return replace(record, due=event.due, attempts=record.attempts + 1)
    return replace(record, due=event.due, **_failure(record, event.fault, now))


def _released(record: Record, event: Released, now: float) -> Record:
    del event, now
    return _idle_or_due(record)


def _callback_sent(record: Record, event: CallbackSent, now: float) -> Record:
    del now
    if event.state not in record.callbacks_due:
        return record  # recorded before, or about an earlier end of a record that was opened again
    return _idle_or_due(replace(record, callbacks_sent=(*record.callbacks_sent, event.state)))


#: Event -> the function that applies it.
CHANGES: Final[Mapping[type[Event], Callable[[Record, Any, float], Record]]] = {
    Requested: _requested,
    Decided: _decided,
    Extended: _extended,
    Marked: _marked,
    Unsent: _unsent,
    Doubtful: _doubtful,
    Declined: _declined,
    Refused: _refused,
    Absent: _absent,
    Issued: _issued,
    SettleMarked: _settle_marked,
    SettleUnsent: _settle_unsent,
    SettleFailed: _settle_failed,
    Settled: _settled,
    SettleNotFound: _settle_not_found,
    TwinSettled: _twin_settled,
    Recognised: _recognised,
    NotThere: _not_there,
    Merged: _merged,
    Vanished: _vanished,
    Resurfaced: _resurfaced,
    TwinResurfaced: _twin_resurfaced,
    Conflicted: _conflicted,
    Died: _died,
    Revived: _revived,
    Discarded: _discarded,
    Postponed: _postponed,
    Released: _released,
    CallbackSent: _callback_sent,
}


# --- What several functions share -------------------------------------------------------------


def _failure(record: Record, fault: Fault, now: float) -> dict[str, Any]:
    """Return what one more failure changes; an error of another class restarts `failing_since`."""
    same = record.error is not None and record.error.get("class") == fault.get("class")
    return {
        "error": fault,
        "attempts": record.attempts + 1,
        "failing_since": (record.failing_since if same else None) or now,
    }


def _close(record: Record, state: State, now: float, fault: Fault | None = None) -> Record:
    succeeded = state in {State.ACCEPTED, State.REJECTED, State.CANCELLED}
    error = record.error if fault is None else fault
    after = _noted(
        record,
        now,
        str(state),
        state=state,
        closed=now,
        error=None if succeeded else error,
        attempts=0,
        failing_since=None,
    )
    return _idle_or_due(after, now)


def _idle_or_due(record: Record, now: float | None = None) -> Record:
    """Return the record without a due time, unless a twin or a call-back is left to do.

    `now`: the time at which what is left is due; None keeps the due time.
    """
    if record.twins_due or record.callbacks_due:
        return record if now is None else replace(record, due=now)
    idle = record.state in CLOSED or (record.state is State.PENDING and record.decision is None)
    return replace(record, due=None) if idle else record


def _decided_state(record: Record) -> State:
    if record.decision is None:
        raise NotNow(f"{record.key!r} is not decided")
    return State.ACCEPTED if record.decision.verb == "accept" else State.REJECTED


def _said(fault: Fault) -> str:
    return f"{fault.get('class', 'error')}: {fault.get('message', '')}"[:200]


def _noted(record: Record, now: float, what: str, **changes: Any) -> Record:
    """Return the record with these changes and one more line of history."""
    history = (*record.history, HistoryLine(round(now, 3), what))
    if len(history) > _FIRST + _LAST:
        history = (*history[:_FIRST], *history[-_LAST:])
    return replace(record, history=history, **changes)
