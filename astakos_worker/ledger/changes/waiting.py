"""Events that move no state: a record waits, is given back, or its call-back was sent. Pure."""

from msgspec.structs import replace

from astakos_worker.ledger import events
from astakos_worker.ledger.changes.updates import failure_fields, idle_or_due
from astakos_worker.ledger.record import Record


def postponed(record: Record, event: events.Postponed, now: float) -> Record:
    """Nothing can be done before a time: the record is due then."""
    if not record.is_open:
        raise events.NotNow(f"{record.key!r} is {record.state}, and nothing is left to do for it")
    if event.fault is None:  # counted as well, so that it waits longer each time
        return replace(record, due=event.due, attempts=record.attempts + 1)
    return replace(record, due=event.due, **failure_fields(record, event.fault, now))


def released(record: Record, event: events.Released, now: float) -> Record:
    """A carrier found nothing to do: the record is due only if something is left to do."""
    del event, now
    return idle_or_due(record)


def callback_sent(record: Record, event: events.CallbackSent, now: float) -> Record:
    """The broker has taken a call-back."""
    del now
    if event.state not in record.callbacks_due:
        return record  # recorded before, or about an earlier end of a record that was opened again
    return idle_or_due(replace(record, callbacks_sent=(*record.callbacks_sent, event.state)))
