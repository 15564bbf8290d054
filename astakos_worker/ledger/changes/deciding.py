"""What a request, a decision or a moved deadline changes in a record. Pure."""

from astakos_worker.ledger import events
from astakos_worker.ledger.changes.updates import cancelled_if_rejected, noted
from astakos_worker.ledger.record import CLOSED, Record, State


def requested(record: Record, event: events.Requested, now: float) -> Record:
    """The request of an awaited record came: the record is queued."""
    after = noted(
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
    return cancelled_if_rejected(after, now)


def decided(record: Record, event: events.Decided, now: float) -> Record:
    """A decision is in the cell: the record gets it, and is due. The first decision stays."""
    decision = event.decision
    if record.state in CLOSED and record.decision is None:
        return record  # it ended before a decision
    if record.decision is not None:
        if record.decision.verb != decision.verb:
            raise events.NotNow(f"{record.key!r} has been decided: {record.decision.verb}")
        return record
    due = now if record.state is State.PENDING else record.due
    why = f" ({decision.reason})" if decision.reason else ""
    after = noted(record, now, f"{decision.verb} decided{why}", decision=decision, due=due)
    return cancelled_if_rejected(after, now)


def extended(record: Record, event: events.Extended, now: float) -> Record:
    """The caller moved the deadline of an undecided record."""
    if record.decision is not None:
        raise events.NotNow(f"{record.key!r} has been decided: {record.decision.verb}")
    return noted(record, now, "deadline extended", deadline=event.deadline)
