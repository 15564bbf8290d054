"""What Astakos says of a bare serial, and what that changes in its record. Pure."""

from astakos_worker.ledger import events
from astakos_worker.ledger.changes.updates import close, noted
from astakos_worker.ledger.record import Record, State


def recognised(record: Record, event: events.Recognised, now: float) -> Record:
    """The serial is pending, and no other record has it: note which commission it is."""
    _check_bare(record)
    if record.seen is not None:
        return record
    return noted(record, now, f"it is {event.name[:80]!r}", seen=event.seen)


def not_there(record: Record, event: events.NotThere, now: float) -> Record:
    """Astakos does not know the serial, and nothing was sent for it."""
    del event
    _check_bare(record)
    if record.sent:
        raise events.NotNow(f"something was sent for {record.key!r} in between")
    return close(record, State.UNKNOWN, now)


def merged(record: Record, event: events.Merged, now: float) -> Record:
    """The serial is the serial of a key's record, which has the decision now."""
    _check_bare(record)
    return close(record, State.MERGED, now, {"merged": event.key})


def _check_bare(record: Record) -> None:
    if not record.bare:
        raise events.NotNow(f"{record.key!r} is not a bare serial")
