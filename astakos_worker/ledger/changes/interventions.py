"""What the sweep finds, what ends a record for a person, and what a person does. Pure."""

from astakos_worker.ledger import events
from astakos_worker.ledger.changes.updates import cancelled_if_rejected, close, idle_or_due, noted
from astakos_worker.ledger.record import Record, State, Twin


def vanished(record: Record, event: events.Vanished, now: float) -> Record:
    """Astakos does not list an undecided commission any more: another program settled it."""
    del event
    if record.decision is not None:
        raise events.NotNow(f"{record.key!r} was decided in between")
    return close(record, State.VANISHED, now)


def resurfaced(record: Record, event: events.Resurfaced, now: float) -> Record:
    """A settled commission is pending again in Astakos: it is settled again."""
    del event
    state = State.SETTLING if record.decision else State.PENDING
    after = noted(record, now, "pending again in Astakos", state=state, due=now, closed=None)
    return idle_or_due(after)


def twin_resurfaced(record: Record, event: events.TwinResurfaced, now: float) -> Record:
    """A rejected twin is pending again in Astakos: it is rejected again."""
    serial = event.serial
    twins = tuple(Twin(t.serial, t.done and t.serial != serial) for t in record.twins)
    if twins == record.twins:
        return record
    return noted(record, now, f"twin {serial} pending again in Astakos", twins=twins, due=now)


def conflicted(record: Record, event: events.Conflicted, now: float) -> Record:
    """Two facts contradict each other: the record waits for a person."""
    if record.state is State.CONFLICT:
        return record
    return close(record, State.CONFLICT, now, event.fault)


def died(record: Record, event: events.Died, now: float) -> Record:
    """The commission cannot go on without a person."""
    return close(record, State.DEAD, now, event.fault)


def revived(record: Record, event: events.Revived, now: float) -> Record:
    """Return a dead record in the state that its facts show.

    One whose POST may have been sent becomes `issuing`, so it is probed before it is sent again.
    """
    if record.serial is not None:
        state = State.SETTLING if record.settles else State.PENDING
    elif record.request is None:
        state = State.AWAITED
    else:
        state = State.ISSUING if record.marks else State.QUEUED
    after = noted(
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
    return cancelled_if_rejected(idle_or_due(after), now)


def discarded(record: Record, event: events.Discarded, now: float) -> Record:
    """A person gives a dead commission up."""
    # Nobody may use it any more, even if it was accepted: its own serial is rejected like a twin.
    own = () if record.serial is None else (Twin(record.serial),)
    why = f": {event.reason}" if event.reason else ""
    what = f"discarded by an operator{why}"
    return close(noted(record, now, what, twins=(*record.twins, *own)), State.DISCARDED, now)
