"""Writing events into the ledger: applied, and where somebody was faster, applied again.

Rule 8 of the design: a holder whose version is stale reloads, applies its event to what is
there now, and tries again. An event that no longer fits (`NotNow`) is dropped: another has
taken over. What announces a send must hold the record, and is dropped at once if it does not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog

from astakos_worker.engine.replies import plain_fault
from astakos_worker.ledger.contract import Asked, Claim, Entry, Ledger, Write, Written
from astakos_worker.ledger.events import Conflicted, Decided, Event
from astakos_worker.ledger.record import State, is_bare
from astakos_worker.ledger.states import NotNow, transition

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class EventWrite:
    """One event to be recorded for one commission, by its holder unless said otherwise."""

    entry: Entry
    event: Event | None  # None: the record is only given back
    fenced: bool = False  # a send follows: only who holds the record may
    lease: float | None = None
    holder: bool = True


class Journal:
    """Records steps. All of one call travel in one round trip, but for what is contended."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        # When each step was first told. A write is taken for the repetition of one whose answer
        # was lost only if it says the very same; told twice, a step would count twice.
        self._told: dict[int, tuple[EventWrite, float]] = {}

    def write(self, steps: Sequence[EventWrite]) -> list[Entry | None]:
        """Record the steps; return each record as it is then, None where it was dropped."""
        pairs = self._prepared(steps)
        verdicts = self._ledger.cas([write for _, write in pairs if write is not None])
        return self._settled(pairs, verdicts)

    def claim(self, asked: Asked, steps: Sequence[EventWrite]) -> tuple[Claim, list[Entry | None]]:
        """Record the steps and claim what comes next, in one round trip."""
        pairs = self._prepared(steps)
        writes = [write for _, write in pairs if write is not None]
        claim, verdicts = self._ledger.claim(asked, writes)
        entries = self._settled(pairs, verdicts)
        return replace(claim, entries=tuple(self.current(e) for e in claim.entries)), entries

    def current(self, entry: Entry) -> Entry:
        """Return the entry with what its cell holds applied to its record."""
        return self._current(entry, self._ledger.clock.now()) if entry.cell else entry

    @staticmethod
    def _current(entry: Entry, now: float) -> Entry:
        if entry.cell is None:
            return entry
        try:
            record = transition(entry.record, Decided(entry.cell), now)
        except NotNow:  # the record has had its decision from elsewhere, and that one stands
            return entry
        return replace(entry, record=record)

    def _prepared(self, steps: Sequence[EventWrite]) -> list[tuple[EventWrite, Write | None]]:
        return [(step, self._write(step, step.entry)) for step in steps]

    def _write(self, step: EventWrite, entry: Entry) -> Write | None:
        _, now = self._told.setdefault(id(step), (step, self._ledger.clock.now()))
        entry = self._current(entry, now)
        record = entry.record
        if record.incarnation != step.entry.record.incarnation:
            # The key is in use again: what became of its former commission is the sweep's (F71).
            log.info("event_dropped", reason=f"{record.key!r} is another commission by now")
            return None
        if step.event is not None:
            try:
                record = transition(record, step.event, now)
            except NotNow as late:
                log.info("event_dropped", reason=str(late))
                return None
        return Write(
            record,
            entry.version,
            fence=step.entry.fence if step.holder else None,
            fenced=step.fenced,
            lease=step.lease,
        )

    def _settled(
        self, pairs: Sequence[tuple[EventWrite, Write | None]], verdicts: Sequence[Written]
    ) -> list[Entry | None]:
        answers = iter(verdicts)
        out: list[Entry | None] = []
        for step, write in pairs:
            verdict = next(answers) if write is not None else None
            while verdict is not None and not verdict.done:
                if step.fenced or verdict.entry is None:
                    log.info("record_overtaken", key=step.entry.record.key)
                    verdict = None
                    break
                again = self._write(step, verdict.entry)
                verdict = self._ledger.cas([again])[0] if again is not None else None
            if verdict is None or verdict.entry is None:
                out.append(None)
                continue
            if verdict.clash is not None:
                self._contested(verdict.entry, verdict.clash)
            entry = self.current(verdict.entry)
            # Who was overtaken does not come by the fence of who has it in hand now.
            out.append(replace(entry, fence=step.entry.fence) if step.holder else entry)
        return out

    def _contested(self, entry: Entry, other: str) -> None:
        """See to two records that say the same serial; a bare one is its checker's to merge."""
        lane, key = entry.record.service, entry.record.key
        if entry.record.state is State.CONFLICT or is_bare(key) or is_bare(other):
            return
        fault = plain_fault("Conflict", f"{other!r} has the same serial")
        log.error("conflict", lane=lane, key=key, other=other)
        self._ledger.alarm(lane, "conflict", f"{key!r} and {other!r} have the same serial")
        self.write([EventWrite(entry, Conflicted(fault), holder=False)])
