"""What settling changes in a record: a marked send of the decision, and its answer. Pure."""

from msgspec.structs import replace

from astakos_worker.ledger import events
from astakos_worker.ledger.changes.updates import close, failure_fields, idle_or_due, noted, text_of
from astakos_worker.ledger.record import Record, State, Twin

#: How many sends of a decision a record lists one by one.
_SENDS = 8


def settle_marked(record: Record, event: events.SettleMarked, now: float) -> Record:
    """A send of the decision is marked: the record becomes `settling`."""
    del event
    if record.decision is None:
        raise events.NotNow(f"{record.key!r} is not decided")
    send = record.settles + 1
    # Only whether there was more than one send counts, so the oldest may be dropped.
    sent = (*record.sent, send)[-_SENDS:]
    what = f"{record.decision.verb} sent, attempt {send}"
    return noted(record, now, what, state=State.SETTLING, settles=send, sent=sent)


def settle_unsent(record: Record, event: events.SettleUnsent, now: float) -> Record:
    """A marked send was not executed: it does not count as a send any more."""
    if event.send not in record.sent:
        return record  # recorded before
    sent = tuple(n for n in record.sent if n != event.send)
    failure = failure_fields(record, event.fault, now) if event.fault else {}
    return replace(record, sent=sent, due=event.due, **failure)


def settle_failed(record: Record, event: events.SettleFailed, now: float) -> Record:
    """The result of a send is not known, or it failed: the record is due again later."""
    failure = failure_fields(record, event.fault, now)
    return noted(record, now, f"not settled: {text_of(event.fault)}", due=event.due, **failure)


def settled(record: Record, event: events.Settled, now: float) -> Record:
    """Astakos executed the decision: the record is accepted or rejected."""
    del event
    return close(record, _decided_state(record), now)


def settle_not_found(record: Record, event: events.SettleNotFound, now: float) -> Record:
    """Astakos does not know the serial: an earlier send settled it, or somebody else did."""
    del event
    if len(record.sent) > 1:  # an earlier send settled it (F24)
        return close(record, _decided_state(record), now)
    return close(record, State.UNKNOWN if record.bare else State.VANISHED, now)


def twin_settled(record: Record, event: events.TwinSettled, now: float) -> Record:
    """A twin was rejected."""
    serial = event.serial
    twins = tuple(Twin(t.serial, t.done or t.serial == serial) for t in record.twins)
    if twins == record.twins:
        return record
    return idle_or_due(noted(record, now, f"twin {serial} rejected", twins=twins))


def _decided_state(record: Record) -> State:
    if record.decision is None:
        raise events.NotNow(f"{record.key!r} is not decided")
    return State.ACCEPTED if record.decision.verb == "accept" else State.REJECTED
