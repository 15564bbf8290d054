"""The mark that a claim leaves beside a record: "I am about to send something for it".

A claim must be recorded before its carrier sends. But a claim runs in a Lua script, and only Python
can write a record. So the script leaves a *mark* beside the record and counts up the version.
`up_to_date` applies the mark when the record is read. The next write stores the result in the
record.

For example: a record is `queued` in version 4. A carrier claims it: the stored text stays `queued`,
a mark is beside it, and the version is 5. Every reader sees `issuing`.
"""

from contextlib import suppress
from typing import Literal, NamedTuple

from astakos_worker.ledger.contract import Queue
from astakos_worker.ledger.events import Decided, Marked, NotNow, SettleMarked
from astakos_worker.ledger.record import Decision, Record, State
from astakos_worker.ledger.states import transition

#: What the carrier that claims a record is about to send. "" for nothing.
SendKind = Literal["", "issue", "settle"]


class Mark(NamedTuple):
    """When a carrier claimed the record to send for it. Seconds of the store's clock."""

    at: float
    send_until: float  # nothing is sent after this
    quiet_at: float  # a list that was started after this shows every POST that arrived
    times: int = 1  # claims since the record was written


def sends(record: Record) -> SendKind:
    """Return what the carrier that claims this record is about to send.

    For a bare serial that was not checked yet: nothing. It is read from Astakos first.
    """
    if record.state is State.QUEUED:
        return "issue"
    settles = record.state in {State.PENDING, State.SETTLING} and record.serial is not None
    return "settle" if settles and (record.sent or not record.bare) else ""


def up_to_date(record: Record, mark: Mark | None, decision: Decision | None) -> Record:
    """Return a stored record with its mark and its cell's decision applied.

    Each is applied with its own time, so that every reader gets the same record.
    """
    if mark is not None and record.state is State.QUEUED:
        record = transition(record, Marked(mark.send_until, mark.quiet_at), mark.at)
        mark = None
    if decision is not None:
        with suppress(NotNow):  # the record has a decision already, which stands
            record = transition(record, Decided(decision), decision.at)
    if mark is not None:
        for _ in range(mark.times):
            record = transition(record, SettleMarked(), mark.at)
    return record


def load_mark(text: str | None) -> Mark | None:
    """Return the mark that a script left: three times in milliseconds, and a count."""
    if not text:
        return None
    at, send_until, quiet_at, times = map(int, text.split())
    return Mark(at / 1000, send_until / 1000, quiet_at / 1000, times)


def queue_of(record: Record) -> Queue:
    """Return the queue that a record waits in."""
    settles = record.state in {State.PENDING, State.SETTLING} or record.twins_due
    return "settle" if settles else "issue"
