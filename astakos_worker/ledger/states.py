"""The state machine of a commission: `transition(record, event, now) -> record`, pure.

This is the one place that knows the rules about states. An event that does not fit the record
raises `NotNow`: somebody else has been faster, and the event means nothing any more.
"""

from typing import Any

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
    OPEN,
    WHEN_CLOSED,
    Decision,
    Fault,
    HistoryLine,
    Moment,
    Record,
    State,
    Twin,
    Verb,
)
from astakos_worker.ledger.request import Request

#: Lines of history that are kept: the first ones tell how it began, the last how it goes.
_FIRST, _LAST = 4, 20

#: Sends of a decision that are remembered one by one.
_SENDS = 8


class NotNow(Exception):  # noqa: N818  # it is no failure: an event came too late
    """Raised when an event does not fit the state that the record is in."""


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
    """Return the record of a decision whose request has not come yet (F77)."""
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
    """Return the record of a decided serial that no record of ours has."""
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


def transition(record: Record, event: Event, now: float) -> Record:  # noqa: C901, PLR0911, PLR0912, PLR0915
    """Return the record after the event; the very same one if the event says nothing new.

    One arm an event: this is the table of the machine, and reads as one.
    """
    state = record.state
    match event:
        case Requested(request, incarnation, deadline, callback, moments):
            _fits(record, event, State.AWAITED)
            after = _noted(
                record,
                now,
                "its request came",
                state=State.QUEUED,
                request=request,
                incarnation=incarnation,
                deadline=deadline,
                callback=callback,
                moments=moments,
                due=now,
            )
            return _cancelled_if_rejected(after, now)
        case Decided(decision):
            return _decided(record, decision, now)
        case Marked(send_until, quiet_at):
            _fits(record, event, State.QUEUED)
            if record.decision and record.decision.verb == "reject":
                raise NotNow(f"{record.key!r} was rejected before it was issued")
            return _noted(
                record,
                now,
                f"issuing, attempt {record.marks + 1}",
                state=State.ISSUING,
                marks=record.marks + 1,
                send_until=send_until,
                quiet_at=quiet_at,
                refusal=None,
            )
        case Unsent(mark, due, fault):
            _fits_mark(record, event, mark)
            if fault is None:
                after = replace(record, state=State.QUEUED, due=due)
            else:
                what = f"not sent: {_said(fault)}"
                failure = _failure(record, fault, now)
                after = _noted(record, now, what, state=State.QUEUED, due=due, **failure)
            return _cancelled_if_rejected(after, now)
        case Doubtful(mark, due, fault):
            _fits_mark(record, event, mark)
            what = f"ambiguous: {_said(fault)}"
            return _noted(record, now, what, due=due, **_failure(record, fault, now))
        case Declined(mark, due, fault):
            _fits_mark(record, event, mark)
            what = f"declined for now: {_said(fault)}"
            failure = _failure(record, fault, now)
            after = _noted(record, now, what, state=State.QUEUED, due=due, **failure)
            return _cancelled_if_rejected(after, now)
        case Refused(mark, fault):
            _fits_mark(record, event, mark)
            if record.doubts:  # it may be our own ghost that holds the quota (F13)
                what = f"refused, to be probed: {_said(fault)}"
                return _noted(record, now, what, refusal=fault, quiet_at=now, due=now)
            return _close(record, State.REFUSED, now, fault)
        case Issued(serial, how):
            return _issued(record, serial, how, now)
        case Absent(mark, listed, due):
            _fits_mark(record, event, mark)
            if record.quiet_at is None or listed < record.quiet_at:
                raise NotNow(f"a list of {listed} proves nothing before {record.quiet_at}")
            if record.refusal is not None:
                return _close(record, State.REFUSED, now, record.refusal)
            doubts = record.doubts + 1
            after = _noted(record, now, "not there", state=State.QUEUED, due=due, doubts=doubts)
            return _cancelled_if_rejected(after, now)
        case SettleMarked():
            _fits(record, event, State.PENDING, State.SETTLING)
            if record.decision is None:
                raise NotNow(f"{record.key!r} is not decided")
            return _sent_again(record, record.decision.verb, now)
        case SettleUnsent(send, due, fault):
            _fits(record, event, State.SETTLING)
            if send not in record.sent:
                return record  # said before
            sent = tuple(n for n in record.sent if n != send)
            failure = _failure(record, fault, now) if fault else {}
            return replace(record, sent=sent, due=due, **failure)
        case SettleFailed(due, fault):
            _fits(record, event, State.SETTLING)
            what = f"not settled: {_said(fault)}"
            return _noted(record, now, what, due=due, **_failure(record, fault, now))
        case Settled():
            _fits(record, event, State.SETTLING)
            return _close(record, _decided_state(record), now)
        case SettleNotFound():
            _fits(record, event, State.SETTLING)
            if len(record.sent) > 1:  # an earlier send did it (F24)
                return _close(record, _decided_state(record), now)
            return _close(record, State.UNKNOWN if record.bare else State.VANISHED, now)
        case TwinSettled(serial):
            twins = tuple(Twin(t.serial, t.done or t.serial == serial) for t in record.twins)
            if twins == record.twins:
                return record
            return _rest(_noted(record, now, f"twin {serial} rejected", twins=twins))
        case Vanished():
            _fits(record, event, State.PENDING)
            if record.decision is not None:
                raise NotNow(f"{record.key!r} has been decided meanwhile")
            return _close(record, State.VANISHED, now)
        case Resurfaced():
            _fits(record, event, State.ACCEPTED, State.REJECTED, State.VANISHED)
            again = State.SETTLING if record.decision else State.PENDING
            what = "pending again in Astakos"
            return _rest(_noted(record, now, what, state=again, due=now, closed=None))
        case TwinResurfaced(serial):
            twins = tuple(Twin(t.serial, t.done and t.serial != serial) for t in record.twins)
            if twins == record.twins:
                return record
            what = f"twin {serial} pending again in Astakos"
            return _noted(record, now, what, twins=twins, due=now)
        case Conflicted(fault):
            if state is State.CONFLICT:
                return record
            return _close(record, State.CONFLICT, now, fault)
        case Merged(key):
            if not record.bare or state is State.MERGED:
                raise NotNow(f"{record.key!r} is no bare serial")
            return _close(record, State.MERGED, now, {"merged": key})
        case Recognised(seen, name):
            _fits_bare(record, event)
            if record.seen is not None:
                return record
            return _noted(record, now, f"it is {name[:80]!r}", seen=seen)
        case NotThere():
            _fits_bare(record, event)
            if record.sent:
                raise NotNow(f"{record.key!r} has been sent meanwhile")
            return _close(record, State.UNKNOWN, now)
        case Died(fault):
            _fits(record, event, *OPEN)
            return _close(record, State.DEAD, now, fault)
        case Revived(due):
            return _revived(record, event, due, now)
        case Discarded(reason):
            _fits(record, event, State.DEAD)
            # Whatever was decided: nobody is to use it, so what it reserves is given back.
            own = () if record.serial is None else (Twin(record.serial),)
            why = f"discarded by an operator: {reason}" if reason else "discarded by an operator"
            after = _noted(record, now, why, twins=(*record.twins, *own))
            return _close(after, State.DISCARDED, now)
        case Extended(deadline):
            _fits(record, event, *OPEN)
            if record.decision is not None:
                raise NotNow(f"{record.key!r} has been decided: {record.decision.verb}")
            return _noted(record, now, "deadline extended", deadline=deadline)
        case Postponed(due, fault):
            if not record.is_open:
                raise NotNow(f"{record.key!r} is {state}, and nothing is left to do for it")
            if fault is None:  # it waits longer each time all the same
                return replace(record, due=due, attempts=record.attempts + 1)
            return replace(record, due=due, **_failure(record, fault, now))
        case Released():
            return _rest(record)
        case CallbackSent(about):
            if about not in record.callbacks_due:
                return record  # said before, or one of an earlier end came late
            return _rest(replace(record, callbacks_sent=(*record.callbacks_sent, about)))


def _decided(record: Record, decision: Decision, now: float) -> Record:
    if record.state in CLOSED and record.decision is None:
        return record  # it ended before anyone decided
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


def _issued(record: Record, serial: int, how: str, now: float) -> Record:
    if record.serial == serial or any(twin.serial == serial for twin in record.twins):
        return record
    if record.serial is None and record.state in {State.QUEUED, State.ISSUING}:
        after = _noted(
            record,
            now,
            f"{how}: serial {serial}",
            state=State.PENDING,
            serial=serial,
            due=now,
            attempts=0,
            failing_since=None,
            refusal=None,
            error=None,
        )
        return _rest(after)
    what = f"{how}: twin {serial}"
    return _noted(record, now, what, twins=(*record.twins, Twin(serial)), due=now)


def _revived(record: Record, event: Event, due: float, now: float) -> Record:
    """Return a dead record where its facts say that it was; what may be at Astakos is probed."""
    _fits(record, event, State.DEAD)
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
        due=due if state is State.AWAITED else now,
        attempts=0,
        failing_since=None,
        error=None,
        callbacks_sent=tuple(each for each in record.callbacks_sent if each != State.DEAD),
    )
    return _cancelled_if_rejected(_rest(after), now)


def _sent_again(record: Record, verb: Verb, now: float) -> Record:
    send = record.settles + 1
    # That there was more than one is what counts, so the oldest may go.
    sent = (*record.sent, send)[-_SENDS:]
    what = f"{verb} sent, attempt {send}"
    return _noted(record, now, what, state=State.SETTLING, settles=send, sent=sent)


def _failure(record: Record, fault: Fault, now: float) -> dict[str, Any]:
    """Return what one more failure changes; `failing_since` is of this kind of failure."""
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
    return _rest(after, now)


def _rest(record: Record, now: float | None = None) -> Record:
    """Return the record due only if something is left to do for it; at `now` if that is new."""
    if record.twins_due or record.callbacks_due:
        return record if now is None else replace(record, due=now)
    idle = record.state in CLOSED or (record.state is State.PENDING and record.decision is None)
    return replace(record, due=None) if idle else record


def _decided_state(record: Record) -> State:
    if record.decision is None:
        raise NotNow(f"{record.key!r} is not decided")
    return State.ACCEPTED if record.decision.verb == "accept" else State.REJECTED


def _fits(record: Record, event: Event, *states: State) -> None:
    if record.state not in states:
        raise NotNow(f"{record.key!r} is {record.state}: {type(event).__name__} does not apply")


def _fits_bare(record: Record, event: Event) -> None:
    _fits(record, event, State.PENDING, State.SETTLING)
    if not record.bare:
        raise NotNow(f"{record.key!r} is no bare serial")


def _fits_mark(record: Record, event: Event, mark: int) -> None:
    _fits(record, event, State.ISSUING)
    if record.marks != mark:
        raise NotNow(f"{record.key!r} is at attempt {record.marks}, not {mark}")


def _said(fault: Fault) -> str:
    return f"{fault.get('class', 'error')}: {fault.get('message', '')}"[:200]


def _noted(record: Record, now: float, what: str, **changes: Any) -> Record:
    """Return the record so changed, with a line in its history: one copy, for both."""
    history = (*record.history, HistoryLine(round(now, 3), what))
    if len(history) > _FIRST + _LAST:
        history = (*history[:_FIRST], *history[-_LAST:])
    return replace(record, history=history, **changes)
