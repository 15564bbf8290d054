"""The state machine of a commission: `transition(record, event, now) -> record`, pure.

This is the one place that knows the rules about states. An event that does not fit the record
raises `NotNow`: somebody else has been faster, and the event means nothing any more.
"""

from dataclasses import replace

from astakos_worker.ledger.events import (
    Absent,
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
    Told,
    TwinResurfaced,
    TwinSettled,
    Unsent,
    Vanished,
)
from astakos_worker.ledger.record import (
    CLOSED,
    OPEN,
    Decision,
    Fault,
    Moment,
    Note,
    Record,
    Request,
    State,
    Twin,
)

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
    moments: tuple[Moment, ...] = ("closed",),
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
        history=(Note(now, "queued"),),
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
        history=(Note(now, f"{decision.verb} awaits its request"),),
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
        history=(Note(now, f"{decision.verb} of a bare serial"),),
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
            after = replace(
                record,
                state=State.QUEUED,
                request=request,
                incarnation=incarnation,
                deadline=deadline,
                callback=callback,
                moments=moments,
                due=now,
            )
            return _cancelled_if_rejected(_noted(after, now, "its request came"), now)
        case Decided(decision):
            return _decided(record, decision, now)
        case Marked(send_until, quiet_at):
            _fits(record, event, State.QUEUED)
            if record.decision and record.decision.verb == "reject":
                raise NotNow(f"{record.key!r} was rejected before it was issued")
            return _noted(
                replace(
                    record,
                    state=State.ISSUING,
                    marks=record.marks + 1,
                    send_until=send_until,
                    quiet_at=quiet_at,
                    verdict=None,
                ),
                now,
                f"issuing, attempt {record.marks + 1}",
            )
        case Unsent(mark, due, fault):
            _fits_mark(record, event, mark)
            after = replace(record, state=State.QUEUED, due=due)
            if fault is not None:
                after = _noted(_failed(after, fault, now), now, f"not sent: {_said(fault)}")
            return _cancelled_if_rejected(after, now)
        case Doubtful(mark, due, fault):
            _fits_mark(record, event, mark)
            after = _failed(replace(record, due=due), fault, now)
            return _noted(after, now, f"ambiguous: {_said(fault)}")
        case Declined(mark, due, fault):
            _fits_mark(record, event, mark)
            after = _failed(replace(record, state=State.QUEUED, due=due), fault, now)
            after = _noted(after, now, f"declined for now: {_said(fault)}")
            return _cancelled_if_rejected(after, now)
        case Refused(mark, fault):
            _fits_mark(record, event, mark)
            if record.doubts:  # it may be our own ghost that holds the quota (F13)
                after = replace(record, verdict=fault, quiet_at=now, due=now)
                return _noted(after, now, f"refused, to be probed: {_said(fault)}")
            return _close(replace(record, error=fault), State.REFUSED, now)
        case Issued(serial, how):
            return _issued(record, serial, how, now)
        case Absent(mark, listed, due):
            _fits_mark(record, event, mark)
            if record.quiet_at is None or listed < record.quiet_at:
                raise NotNow(f"a list of {listed} proves nothing before {record.quiet_at}")
            if record.verdict is not None:
                return _close(replace(record, error=record.verdict), State.REFUSED, now)
            after = replace(record, state=State.QUEUED, due=due, doubts=record.doubts + 1)
            return _cancelled_if_rejected(_noted(after, now, "not there"), now)
        case SettleMarked():
            _fits(record, event, State.PENDING, State.SETTLING)
            if record.decision is None:
                raise NotNow(f"{record.key!r} is not decided")
            return _noted(
                _sent_again(record),
                now,
                f"{record.decision.verb} sent, attempt {record.settles + 1}",
            )
        case SettleUnsent(send, due, fault):
            _fits(record, event, State.SETTLING)
            if send not in record.sent:
                return record  # said before
            after = replace(record, sent=tuple(n for n in record.sent if n != send), due=due)
            return _failed(after, fault, now) if fault else after
        case SettleFailed(due, fault):
            _fits(record, event, State.SETTLING)
            after = _failed(replace(record, due=due), fault, now)
            return _noted(after, now, f"not settled: {_said(fault)}")
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
            after = replace(record, twins=twins)
            return _noted(_rest(after), now, f"twin {serial} rejected")
        case Vanished():
            _fits(record, event, State.PENDING)
            if record.decision is not None:
                raise NotNow(f"{record.key!r} has been decided meanwhile")
            return _close(record, State.VANISHED, now)
        case Resurfaced():
            _fits(record, event, State.ACCEPTED, State.REJECTED, State.VANISHED)
            again = State.SETTLING if record.decision else State.PENDING
            after = _rest(replace(record, state=again, due=now, closed=None))
            return _noted(after, now, "pending again in Astakos")
        case TwinResurfaced(serial):
            twins = tuple(Twin(t.serial, t.done and t.serial != serial) for t in record.twins)
            if twins == record.twins:
                return record
            after = replace(record, twins=twins, due=now)
            return _noted(after, now, f"twin {serial} pending again in Astakos")
        case Conflicted(fault):
            if state is State.CONFLICT:
                return record
            return _close(replace(record, error=fault), State.CONFLICT, now)
        case Merged(key):
            if not record.bare or state is State.MERGED:
                raise NotNow(f"{record.key!r} is no bare serial")
            return _close(replace(record, error={"merged": key}), State.MERGED, now)
        case Recognised(seen, name):
            _fits_bare(record, event)
            if record.seen is not None:
                return record
            return _noted(replace(record, seen=seen), now, f"it is {name[:80]!r}")
        case NotThere():
            _fits_bare(record, event)
            if record.sent:
                raise NotNow(f"{record.key!r} has been sent meanwhile")
            return _close(record, State.UNKNOWN, now)
        case Died(fault):
            _fits(record, event, *OPEN)
            return _close(replace(record, error=fault), State.DEAD, now)
        case Revived(due):
            return _revived(record, event, due, now)
        case Discarded(reason):
            _fits(record, event, State.DEAD)
            # Whatever was decided: nobody is to use it, so what it reserves is given back.
            own = () if record.serial is None else (Twin(record.serial),)
            after = replace(record, twins=(*record.twins, *own))
            why = f"discarded by an operator: {reason}" if reason else "discarded by an operator"
            return _close(_noted(after, now, why), State.DISCARDED, now)
        case Extended(deadline):
            _fits(record, event, *OPEN)
            if record.decision is not None:
                raise NotNow(f"{record.key!r} has been decided: {record.decision.verb}")
            return _noted(replace(record, deadline=deadline), now, "deadline extended")
        case Postponed(due, fault):
            if not record.is_open:
                raise NotNow(f"{record.key!r} is {state}, and nothing is left to do for it")
            if fault is None:  # it waits longer each time all the same
                return replace(record, due=due, attempts=record.attempts + 1)
            return _failed(replace(record, due=due), fault, now)
        case Released():
            return _rest(record)
        case Told(told):
            if told not in record.untold:
                return record  # said before, or one of an earlier end came late
            return _rest(replace(record, told=(*record.told, told)))


def _decided(record: Record, decision: Decision, now: float) -> Record:
    if record.state in CLOSED and record.decision is None:
        return record  # it ended before anyone decided
    if record.decision is not None:
        if record.decision.verb != decision.verb:
            raise NotNow(f"{record.key!r} has been decided: {record.decision.verb}")
        return record
    due = now if record.state is State.PENDING else record.due
    why = f" ({decision.reason})" if decision.reason else ""
    after = _noted(
        replace(record, decision=decision, due=due), now, f"{decision.verb} decided{why}"
    )
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
        after = replace(
            record,
            state=State.PENDING,
            serial=serial,
            due=now,
            attempts=0,
            failing_since=None,
            verdict=None,
            error=None,
        )
        return _noted(_rest(after), now, f"{how}: serial {serial}")
    after = replace(record, twins=(*record.twins, Twin(serial)), due=now)
    return _noted(after, now, f"{how}: twin {serial}")


def _revived(record: Record, event: Event, due: float, now: float) -> Record:
    """Return a dead record where its facts say that it was; what may be at Astakos is probed."""
    _fits(record, event, State.DEAD)
    after = replace(
        record,
        closed=None,
        due=now,
        attempts=0,
        failing_since=None,
        error=None,
        told=tuple(state for state in record.told if state != State.DEAD),
    )
    if record.serial is not None:
        after = replace(after, state=State.SETTLING if record.settles else State.PENDING)
    elif record.request is None:
        after = replace(after, state=State.AWAITED, due=due)
    else:
        after = replace(after, state=State.ISSUING if record.marks else State.QUEUED)
    after = _noted(_rest(after), now, f"sent again by an operator, {after.state}")
    return _cancelled_if_rejected(after, now)


def _sent_again(record: Record) -> Record:
    send = record.settles + 1
    # That there was more than one is what counts, so the oldest may go.
    sent = (*record.sent, send)[-_SENDS:]
    return replace(record, state=State.SETTLING, settles=send, sent=sent)


def _failed(record: Record, fault: Fault, now: float) -> Record:
    """Return the record with one more failure; `failing_since` is of this kind of failure."""
    same = record.error is not None and record.error.get("class") == fault.get("class")
    return replace(
        record,
        error=fault,
        attempts=record.attempts + 1,
        failing_since=(record.failing_since if same else None) or now,
    )


def _close(record: Record, state: State, now: float) -> Record:
    succeeded = state in {State.ACCEPTED, State.REJECTED, State.CANCELLED}
    after = replace(
        record,
        state=state,
        closed=now,
        error=None if succeeded else record.error,
        attempts=0,
        failing_since=None,
    )
    return _noted(_rest(after, now), now, str(state))


def _rest(record: Record, now: float | None = None) -> Record:
    """Return the record due only if something is left to do for it; at `now` if that is new."""
    if record.twins_due or record.tell_due:
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


def _noted(record: Record, now: float, what: str) -> Record:
    history = (*record.history, Note(round(now, 3), what))
    if len(history) > _FIRST + _LAST:
        history = (*history[:_FIRST], *history[-_LAST:])
    return replace(record, history=history)
