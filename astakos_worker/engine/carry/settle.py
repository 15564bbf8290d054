"""Decided commissions to their end: many at once, each by its own row of the answer.

The decision, and that it is about to be sent, are in the ledger before it is sent. So a serial
that Astakos does not know after an earlier send is done (F24), and one on its very first send
is an alarm (F25). A batch that fails as a whole is halved until the culprit is alone (F27).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from astakos_worker.engine.breaker import CircuitBreaker
from astakos_worker.engine.carry.bare_serials import ALL_UNKNOWN, BareSerialChecker, needs_check
from astakos_worker.engine.carry.batch_size import BatchSize
from astakos_worker.engine.journal import EventWrite, Journal
from astakos_worker.engine.ports import Astakos, Draw, Limits
from astakos_worker.engine.replies import (
    Condition,
    condition_of,
    is_poison,
    is_too_large,
    plain_fault,
    settle_failed,
)
from astakos_worker.ledger.contract import Clock, Entry
from astakos_worker.ledger.events import (
    Event,
    Postponed,
    Settled,
    SettleFailed,
    SettleMarked,
    SettleNotFound,
    SettleUnsent,
    TwinSettled,
)
from astakos_worker.ledger.record import Record, State
from astakosclient.errors import AstakosClientException, Outcome


@dataclass(slots=True)
class Settler:
    """Sends decisions in batches."""

    astakos: Astakos
    journal: Journal
    checker: BareSerialChecker
    clock: Clock
    limits: Limits
    draw: Draw
    size: BatchSize

    def run(
        self,
        entries: Sequence[Entry],
        breaker: CircuitBreaker,
        out: list[EventWrite],
        *,
        fresh: bool,
    ) -> None:
        """Send the decisions of these records, and append what is to be recorded to `out`.

        `fresh` says that they were claimed a moment ago: so they are ours without another look.
        """
        size = self.size.at(self.clock.now(), self.limits.settle_batch)
        unseen = [entry for entry in entries if needs_check(entry.record)]
        if unseen:
            fresh = False
            known = [entry for entry in entries if not needs_check(entry.record)]
            entries = [*known, *self.checker.run(unseen, breaker, out)]
        ordered = sorted(entries, key=lambda entry: entry.record.settles_with)
        waiting = [ordered[i : i + size] for i in range(0, len(ordered), size)][::-1]
        while waiting:
            batch = waiting.pop()
            if breaker.open:
                now = self.clock.now()
                out.extend(
                    EventWrite(entry, _not_now(entry.record, now) if entry.marked else None)
                    for entry in batch
                )
                continue
            announced = self._announced(batch, fresh=fresh)
            fresh = False
            halves = self._batch(announced, breaker, out)
            waiting.extend(reversed(halves))

    def _announced(self, entries: Sequence[Entry], *, fresh: bool) -> list[Entry]:
        """Return those of a batch of which the ledger knows that they are about to be sent by us.

        What the claim announced is but held on to, and not even that when it was a moment ago.
        """
        going = [replace(e, marked=False) for e in entries if fresh and e.marked]
        steps = [
            EventWrite(
                entry,
                None if entry.marked else _mark(entry.record),
                fenced=True,
                lease=self.limits.lease,
            )
            for entry in entries
            if not (fresh and entry.marked)
        ]
        marked = [entry for entry in self.journal.write(steps) if entry is not None]
        # One that was here for its twin may have been decided just now: announced like any other.
        late = [entry for entry in marked if _settles(entry.record) and not entry.record.sent]
        if late:
            steps = [
                EventWrite(e, SettleMarked(), fenced=True, lease=self.limits.lease) for e in late
            ]
            marked = [entry for entry in marked if entry not in late]
            marked += [entry for entry in self.journal.write(steps) if entry is not None]
        return going + marked

    def _batch(
        self, entries: Sequence[Entry], breaker: CircuitBreaker, out: list[EventWrite]
    ) -> list[list[Entry]]:
        """Send one batch; return the halves that are to be sent again on their own."""
        marked, apart = _distinct(entries)
        out.extend(EventWrite(entry, _not_now(entry.record, self.clock.now())) for entry in apart)
        accept = [e.record.serial for e in marked if _verb(e.record) == "accept"]
        reject = [e.record.serial for e in marked if _verb(e.record) == "reject"]
        reject += [t.serial for e in marked for t in e.record.twins if not t.done]
        if not marked:
            return []
        try:
            reply = self.astakos.resolve_commissions(
                [n for n in accept if n is not None], [n for n in reject if n is not None]
            )
        except AstakosClientException as error:
            return self._failed(error, marked, breaker, out)
        breaker.answered()
        rows = _rows(reply)
        first = [e for e in marked if _settles(e.record) and len(e.record.sent) == 1]
        if len(rows) >= ALL_UNKNOWN and set(rows.values()) == {"unknown"} and first:
            breaker.rest_for_unknown_serials(len(rows))
            now = self.clock.now()
            out.extend(EventWrite(entry, _not_now(entry.record, now)) for entry in marked)
            return []
        for entry in marked:
            out.extend(self._judged(entry, rows))
        return []

    def _judged(self, entry: Entry, rows: Mapping[int, str]) -> list[EventWrite]:
        record, now = entry.record, self.clock.now()
        steps = [
            EventWrite(entry, TwinSettled(twin.serial))
            for twin in record.twins
            if not twin.done and rows.get(twin.serial) in {"rejected", "unknown"}
        ]
        if record.serial is None or not _settles(record):
            return steps or [self._later(entry, now, "no answer for its twin")]
        row = rows.get(record.serial)
        wanted = "accepted" if _verb(record) == "accept" else "rejected"
        if row == wanted:
            steps.append(EventWrite(entry, Settled()))
        elif row == "unknown":
            steps.append(EventWrite(entry, SettleNotFound()))
        else:
            why = f"Astakos answered {row or 'nothing'} for it"
            steps.append(self._later(entry, now, why, refused=row is not None))
        return steps

    def _later(self, entry: Entry, now: float, why: str, *, refused: bool = False) -> EventWrite:
        due = now + self.limits.backoff(entry.record.attempts, self.draw)
        fault = plain_fault("NotSettled", why)
        if not _settles(entry.record):
            return EventWrite(entry, Postponed(due, fault))
        if refused:  # this send did nothing, and is not to count as an earlier one (F25)
            return EventWrite(entry, SettleUnsent(entry.record.settles, due, fault))
        return EventWrite(entry, SettleFailed(due, fault))

    def _failed(
        self,
        error: AstakosClientException,
        marked: list[Entry],
        breaker: CircuitBreaker,
        out: list[EventWrite],
    ) -> list[list[Entry]]:
        now = self.clock.now()
        splits = is_poison(error) or is_too_large(error)
        if splits and len(marked) > 1:
            half = len(marked) // 2
            if is_too_large(error):
                self.size.found_too_large(len(marked), now)
            if error.outcome is Outcome.REFUSED:
                unsent = [
                    EventWrite(
                        entry, SettleUnsent(entry.record.settles, now), lease=self.limits.lease
                    )
                    for entry in marked
                    if _settles(entry.record)
                ]
                twins = [entry for entry in marked if not _settles(entry.record)]
                marked = [e for e in self.journal.write(unsent) if e is not None] + twins
                half = len(marked) // 2
            # Else it may have been executed: that it was sent stays recorded, and is sent again.
            return [marked[:half], marked[half:]]
        if not splits:
            breaker.failed(error)
        elif condition_of(error) is not Condition.PROXY:
            breaker.answered()
        for entry in marked:
            event: Event = settle_failed(error, entry.record, now, self.limits, self.draw)
            if not _settles(entry.record):
                event = Postponed(now + self.limits.backoff(entry.record.attempts, self.draw))
            out.append(EventWrite(entry, event))
        return []


def _settles(record: Record) -> bool:
    """Return whether its own serial is to be settled, and not only a twin of it."""
    return record.decision is not None and record.state in {State.PENDING, State.SETTLING}


def _mark(record: Record) -> Event | None:
    return SettleMarked() if _settles(record) else None


def _not_now(record: Record, now: float) -> Event:
    return SettleUnsent(record.settles, now) if _settles(record) else Postponed(now)


def _verb(record: Record) -> str | None:
    return record.decision.verb if record.decision and _settles(record) else None


def _distinct(entries: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Part the entries so that no serial is named twice in one request (F23, F28)."""
    seen: set[int] = set()
    together, apart = [], []
    for entry in entries:
        record = entry.record
        serials = {t.serial for t in record.twins if not t.done}
        if record.serial is not None and _settles(record):
            serials.add(record.serial)
        if serials & seen:
            apart.append(entry)
        else:
            seen |= serials
            together.append(entry)
    return together, apart


def _rows(reply: Mapping[str, Any]) -> dict[int, str]:
    """Return what became of each serial; rows that make no sense are left out."""
    rows: dict[int, str] = {}
    for name in ("accepted", "rejected"):
        rows.update({n: name for n in reply.get(name) or () if type(n) is int})
    for pair in reply.get("failed") or ():
        match pair:
            case [int(serial), {**fault}]:
                rows[serial] = "unknown" if "itemNotFound" in fault else "failed"
    return rows
