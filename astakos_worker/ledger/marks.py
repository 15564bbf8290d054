"""What a claim announces: whoever is given a record to send something for it has said so by that.

So there is no time at which a carrier could send and the ledger does not know (rule 3), and no
write of its own for it. A claim cannot write a record, which only Python understands. It leaves a
mark beside it, and whoever reads the record applies that; the next write has it in the record.
"""

from typing import Literal, NamedTuple

from astakos_worker.ledger.contract import Queue
from astakos_worker.ledger.events import Decided, Marked, SettleMarked
from astakos_worker.ledger.record import Decision, Record, State
from astakos_worker.ledger.states import transition


class Mark(NamedTuple):
    """When something was announced, and how often since the record was written. Seconds."""

    at: float
    send_until: float  # it is not sent after this
    quiet_at: float  # a list started after this proves that it was not done
    times: int = 1


def announced(record: Record) -> Literal["", "issue", "settle"]:
    """Return what a claim of this record announces: a decided one is to be settled.

    Nothing for what is looked at before it is sent: a bare serial of which nothing was sent yet.
    """
    if record.state is State.QUEUED:
        return "issue"
    settles = record.state in {State.PENDING, State.SETTLING} and record.serial is not None
    return "settle" if settles and (record.sent or not record.bare) else ""


def marked(record: Record, mark: Mark | None, cell: Decision | None) -> Record:
    """Return a record with what was announced since it was written."""
    if mark is None:
        return record
    if record.state is State.QUEUED:
        return transition(record, Marked(mark.send_until, mark.quiet_at), mark.at)
    if cell is not None and record.decision is None:
        record = transition(record, Decided(cell), mark.at)
    for _ in range(mark.times):
        record = transition(record, SettleMarked(), mark.at)
    return record


def load_mark(text: str | None) -> Mark | None:
    """Return the mark that a script left: milliseconds, and a count."""
    if not text:
        return None
    at, send_until, quiet_at, times = map(int, text.split())
    return Mark(at / 1000, send_until / 1000, quiet_at / 1000, times)


def queue_of(record: Record) -> Queue:
    """Return where a record waits: to be settled with others, or to be issued."""
    settles = record.state in {State.PENDING, State.SETTLING} or record.twins_due
    return "settle" if settles else "issue"
