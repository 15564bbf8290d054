"""What issuing changes in a record: a marked POST, its answer, or proof of its absence. Pure."""

from msgspec.structs import replace

from astakos_worker.ledger import events
from astakos_worker.ledger.changes.updates import (
    cancelled_if_rejected,
    close,
    failure_fields,
    idle_or_due,
    noted,
    text_of,
)
from astakos_worker.ledger.record import Fault, Record, State, Twin


def marked(record: Record, event: events.Marked, now: float) -> Record:
    """A POST is marked: the record becomes `issuing`."""
    if record.decision and record.decision.verb == "reject":
        raise events.NotNow(f"{record.key!r} was rejected before it was issued")
    return noted(
        record,
        now,
        f"issuing, attempt {record.marks + 1}",
        state=State.ISSUING,
        marks=record.marks + 1,
        send_until=event.send_until,
        quiet_at=event.quiet_at,
        refusal=None,
    )


def unsent(record: Record, event: events.Unsent, now: float) -> Record:
    """The marked POST never left: the record is queued again."""
    _check_mark(record, event.mark)
    if event.fault is None:
        return cancelled_if_rejected(replace(record, state=State.QUEUED, due=event.due), now)
    return _queued_again(record, event.fault, event.due, now, "not sent")


def declined(record: Record, event: events.Declined, now: float) -> Record:
    """Astakos declined for now: the record is queued again."""
    _check_mark(record, event.mark)
    return _queued_again(record, event.fault, event.due, now, "declined for now")


def _queued_again(record: Record, fault: Fault, due: float, now: float, why: str) -> Record:
    failure = failure_fields(record, fault, now)
    what = f"{why}: {text_of(fault)}"
    return cancelled_if_rejected(
        noted(record, now, what, state=State.QUEUED, due=due, **failure), now
    )


def doubtful(record: Record, event: events.Doubtful, now: float) -> Record:
    """The answer was lost: the record stays `issuing`, and is looked for when it is due."""
    _check_mark(record, event.mark)
    failure = failure_fields(record, event.fault, now)
    return noted(record, now, f"ambiguous: {text_of(event.fault)}", due=event.due, **failure)


def refused(record: Record, event: events.Refused, now: float) -> Record:
    """Astakos refused: the record ends, or is probed first if an earlier POST may have arrived."""
    _check_mark(record, event.mark)
    if record.doubts:  # an earlier POST of ours may hold the quota that this one lacked (F13)
        what = f"refused, to be probed: {text_of(event.fault)}"
        return noted(record, now, what, refusal=event.fault, quiet_at=now, due=now)
    return close(record, State.REFUSED, now, event.fault)


def absent(record: Record, event: events.Absent, now: float) -> Record:
    """A list proved that the POST was not executed: the record is queued again."""
    _check_mark(record, event.mark)
    if record.quiet_at is None or event.listed < record.quiet_at:
        raise events.NotNow(f"a list of {event.listed} proves nothing before {record.quiet_at}")
    if record.refusal is not None:
        return close(record, State.REFUSED, now, record.refusal)
    doubts = record.doubts + 1
    after = noted(record, now, "not there", state=State.QUEUED, due=event.due, doubts=doubts)
    return cancelled_if_rejected(after, now)


def issued(record: Record, event: events.Issued, now: float) -> Record:
    """Astakos gave a serial: the record becomes `pending`, or gets one more twin."""
    serial = event.serial
    if record.serial == serial or any(twin.serial == serial for twin in record.twins):
        return record
    if record.serial is None and record.state in {State.QUEUED, State.ISSUING}:
        after = noted(
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
        return idle_or_due(after)
    what = f"{event.how}: twin {serial}"
    return noted(record, now, what, twins=(*record.twins, Twin(serial)), due=now)


def _check_mark(record: Record, mark: int) -> None:
    if record.marks != mark:
        raise events.NotNow(f"{record.key!r} is at attempt {record.marks}, not {mark}")
