"""What the ledger in memory keeps of one lane: its records, and the rest of the lane's keys."""

import math
from dataclasses import dataclass

from astakos_worker.ledger.contract import Entry, Queue, Sighting
from astakos_worker.ledger.marks import Mark, up_to_date
from astakos_worker.ledger.record import Decision, Record


@dataclass
class MemoryRow:
    """One record, with what a server keeps beside it."""

    record: Record
    version: int = 0
    fence: int = 0
    cell: Decision | None = None
    lease: float = 0.0
    queue: Queue = "issue"
    due: float | None = None
    watched: float = 0.0
    expires: float = math.inf
    mark: Mark | None = None  # of the claims since the record was written

    def entry(self, *, fresh: bool = False) -> Entry:
        """Return the record as the ledger gives it."""
        record = up_to_date(self.record, self.mark, self.cell)
        return Entry(record, self.version, self.fence, self.cell, self.lease, fresh)

    def serials(self) -> list[int]:
        """Return its own serial and its twins'."""
        return serials_of(self.record)


def serials_of(record: Record) -> list[int]:
    """Return a record's own serial and its twins'."""
    own = () if record.serial is None else (record.serial,)
    return [*own, *(twin.serial for twin in record.twins)]


class MemoryLane:
    """What one lane's keys hold."""

    def __init__(self) -> None:
        self.used = False  # the lane has had a record, an alarm or a note
        self.writes = 0
        self.distrust = 0  # how many writes were known when some were gone
        self.rows: dict[str, MemoryRow] = {}
        self.serials: dict[int, str] = {}
        self.awake: dict[str, float] = {}
        self.promised: dict[str, float] = {}
        self.until: float | None = None
        self.level = 0
        self.failures = 0
        self.reason = ""
        self.settlers: list[str | None] = [None, None]
        self.trier: str | None = None
        self.alarms: dict[str, str] = {}
        self.sightings: dict[int, Sighting] = {}
        self.notes: dict[str, str] = {}

    def due(self, queue: Queue, now: float) -> list[str]:
        """Return the keys of the due records of a queue, the most overdue first."""
        rows = [
            (row.due, key)
            for key, row in self.rows.items()
            if row.queue == queue
            and row.due is not None
            and row.due <= now
            and row.record.is_open  # one may have been closed by a process that did not hold it
        ]
        return [key for _, key in sorted(rows)]

    def purge(self, key: str) -> None:
        """Forget a record, and its serials in the index."""
        row = self.rows.pop(key)
        for serial in row.serials():
            if self.serials.get(serial) == key:
                del self.serials[serial]

    def awake_now(self, now: float) -> int:
        """Return how many carriers are awake."""
        return sum(till >= now for till in self.awake.values())

    def is_awake(self, carrier: str | None, now: float) -> bool:
        """Return whether a carrier is awake."""
        return carrier is not None and self.awake.get(carrier, 0.0) >= now
