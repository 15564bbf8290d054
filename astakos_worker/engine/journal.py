"""Writes events into the ledger, and repeats a write that another process overtook.

A worker reads a record, asks Astakos, and writes what happened. Another process may write the
same record in between. Then the worker takes the record as it is now, applies its event to that,
and writes again (rule 8 of the design). For example: worker A reads version 7, and the service
records a decision as version 8. A's event is applied to version 8 and written as version 9.

Two kinds of events are dropped instead. An event that does not fit the record any more
(`NotNow`) means that another worker has done the work. And a write that says "I am about to
send" must come from the worker that holds the claim; if another worker has claimed the record
since, nothing is sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from astakos_worker.configuration.event_log import EventLog
from astakos_worker.engine.replies import plain_fault
from astakos_worker.ledger.contract import Asked, Claim, Entry, Ledger, Write, Written
from astakos_worker.ledger.events import Conflicted, Event, NotNow
from astakos_worker.ledger.overtaken import retry_overtaken
from astakos_worker.ledger.record import State, is_bare
from astakos_worker.ledger.states import transition

log = EventLog(__name__)


@dataclass(frozen=True, slots=True)
class EventWrite:
    """One event that is to be written for one commission.

    `event` None writes no event: the record is only given back. `lease` keeps the claim
    for this many seconds; None gives it back. `fenced`: a send follows, so the write is dropped
    unless the writer still holds the claim. `holder` False: the writer has not claimed it.
    """

    entry: Entry
    event: Event | None
    fenced: bool = False
    lease: float | None = None
    holder: bool = True


class Journal:
    """Writes events for one carry or one sweep. All writes of one call take one round trip."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        # When each event was first written. The ledger recognises a repeated write only if all of
        # its bytes are those of the first one, its times included. With a new time, an event
        # that is repeated because its answer was lost would count twice.
        self._times: dict[int, tuple[EventWrite, float]] = {}

    def write(self, events: Sequence[EventWrite]) -> list[Entry | None]:
        """Write the events; return each record as it is afterwards, None for a dropped event."""
        pairs = self._prepared(events)
        answers = self._ledger.cas([write for _, write in pairs if write is not None])
        return self._finished(pairs, answers)

    def claim(self, asked: Asked, events: Sequence[EventWrite]) -> tuple[Claim, list[Entry | None]]:
        """Write the events and claim the next records, all in one round trip."""
        pairs = self._prepared(events)
        writes = [write for _, write in pairs if write is not None]
        claim, answers = self._ledger.claim(asked, writes)
        entries = self._finished(pairs, answers)
        return claim, entries

    def _prepared(self, events: Sequence[EventWrite]) -> list[tuple[EventWrite, Write | None]]:
        return [(one, self._prepare(one, one.entry)) for one in events]

    def _prepare(self, one: EventWrite, entry: Entry) -> Write | None:
        """Return the write of an event to the record as it is; None: the event is dropped."""
        _, now = self._times.setdefault(id(one), (one, self._ledger.clock.now()))
        record = entry.record
        if record.incarnation != one.entry.record.incarnation:
            # The key was used again. The sweep finds what its earlier commission left (F71).
            log.info("event_dropped", reason=f"{record.key!r} is another commission by now")
            return None
        if one.event is not None:
            try:
                record = transition(record, one.event, now)
            except NotNow as late:
                log.info("event_dropped", reason=str(late))
                return None
        return Write(
            record,
            entry.version,
            fence=one.entry.fence if one.holder else None,
            fenced=one.fenced,
            lease=one.lease,
        )

    def _finished(
        self, pairs: Sequence[tuple[EventWrite, Write | None]], answers: Sequence[Written]
    ) -> list[Entry | None]:
        """Repeat the writes that were overtaken; return each record as it is afterwards."""
        rest = iter(answers)
        first = {n: next(rest) for n, (_, write) in enumerate(pairs) if write is not None}

        def again(n: int, entry: Entry) -> Write | None:
            one, _ = pairs[n]
            if one.fenced:
                return None
            return self._prepare(one, entry)

        last = retry_overtaken(self._ledger, first, again)
        return [
            self._recorded(one, answer) if (answer := last.get(n)) is not None else None
            for n, (one, _) in enumerate(pairs)
        ]

    def _recorded(self, one: EventWrite, answer: Written) -> Entry | None:
        if not answer.done or answer.entry is None:
            log.info("record_overtaken", key=one.entry.record.key)
            return None
        if answer.clash is not None:
            self._report_clash(answer.entry, answer.clash)
        entry = answer.entry
        # A worker that lost its claim keeps its old fence: it must not get the new holder's.
        return replace(entry, fence=one.entry.fence) if one.holder else entry

    def _report_clash(self, entry: Entry, other: str) -> None:
        """Close a record whose serial another record has, unless one of the two is bare.

        A bare serial's record is merged with the other one when its serial is checked.
        """
        lane, key = entry.record.service, entry.record.key
        if entry.record.state is State.CONFLICT or is_bare(key) or is_bare(other):
            return
        fault = plain_fault("Conflict", f"{other!r} has the same serial")
        log.error("conflict", lane=lane, key=key, other=other)
        self._ledger.alarm(lane, "conflict", f"{key!r} and {other!r} have the same serial")
        self.write([EventWrite(entry, Conflicted(fault), holder=False)])
