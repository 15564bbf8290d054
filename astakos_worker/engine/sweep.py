"""Bring what Astakos holds as pending and the ledger together: adopt, heal, expire, report.

The sweep may be wrong about age, never about ownership. It reads the list first and the ledger
afterwards, leaves records under a live lease alone, reads a name afresh before it acts on
suspicion, and stops when the list cannot be right (F33 to F46, F69 to F71).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import structlog

from astakos_worker.engine.breaker import calm
from astakos_worker.engine.journal import Journal, Step
from astakos_worker.engine.judge import plain_fault
from astakos_worker.engine.pending import Stranger, chunks, plausible, read_name, strangers
from astakos_worker.engine.ports import Astakos, Limits, Ring
from astakos_worker.ledger.contract import Clock, Entry, Ledger, Write
from astakos_worker.ledger.events import Conflicted, Event, Issued, Resurfaced, Vanished
from astakos_worker.ledger.record import (
    OPEN,
    Decision,
    Record,
    State,
    bare_key,
    read_tag,
    shown,
)
from astakos_worker.ledger.states import bare

log = structlog.get_logger(__name__)

Action = Literal["foreign", "wait", "leave", "adopt", "twin", "reject"]

#: Rows of a report that name single commissions; the counts are of all.
_ROWS = 100


class Finding(NamedTuple):
    """What is to be done about one pending serial, and why."""

    action: Action
    why: str


def judge(  # noqa: PLR0911  # one return a rule
    stranger: Stranger, entry: Entry | None, now: float, limits: Limits
) -> Finding:
    """Return what to do about a pending serial that no record has: pure.

    `entry` is the record of the key in its tag, if there is one.
    """
    if stranger.tag is None:
        return Finding("foreign", "its name carries no tag of this ledger")
    age = now - stranger.sight.first
    if entry is None:
        if age < limits.quarantine:
            return Finding("wait", "the ledger does not know its key; in quarantine")
        return Finding("reject", "the ledger does not know its key")
    record = entry.record
    if record.incarnation != stranger.tag.incarnation:
        if age < limits.grace:
            return Finding("wait", "an earlier use of its key; within the grace")
        return Finding("reject", "a late ghost of an earlier use of its key")
    if entry.leased > now:
        return Finding("leave", "a worker has it in hand")
    if stranger.serial in {record.serial, *(twin.serial for twin in record.twins)}:
        return Finding("leave", "recorded while the list was read")
    if record.serial is None and record.state in {State.QUEUED, State.ISSUING}:
        return Finding("adopt", "its answer was lost")
    return Finding("twin", f"its key is {record.state} with serial {record.serial}")


@dataclass(slots=True)
class Report:
    """What a sweep saw and did: counts, and rows for what a person may ask about."""

    service: str
    listed: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    rows: list[dict[str, Any]] = field(default_factory=list)
    stopped: str = ""

    def add(self, action: str, serial: int, key: str | None, why: str) -> None:
        """Count one commission, and keep a row of it."""
        self.counts[action] += 1
        if len(self.rows) < _ROWS:
            name = shown(key) if key is not None else None
            self.rows.append({"action": action, "serial": serial, "key": name, "why": why})

    def to_dict(self) -> dict[str, Any]:
        """Return what a person reads as the result of the task."""
        out: dict[str, Any] = {"service": self.service, "listed": self.listed, **self.counts}
        if self.stopped:
            out["stopped"] = self.stopped
        return {**out, "rows": self.rows}


@dataclass(slots=True)
class Sweep:
    """Sweeps one lane at a time."""

    astakos: Astakos
    ledger: Ledger
    clock: Clock
    limits: Limits
    ring: Ring

    def sweep(self, lane: str, holder: str, *, fix: bool = True) -> Report:
        """Look at all that is pending; with `fix`, put right what may be put right."""
        report = Report(lane)
        if not self.ledger.hold(f"sweep:{lane}", holder, self.limits.sweep_lease):
            report.stopped = "another sweep is at work"
            return report
        try:
            self._sweep(lane, report, fix=fix)
        finally:
            self.ledger.release(f"sweep:{lane}", holder)
        log.info("sweep", **report.to_dict() | {"rows": len(report.rows)})
        return report

    def _sweep(self, lane: str, report: Report, *, fix: bool) -> None:
        self._expire(lane, report, fix=fix)
        before = dict(self._held(lane))
        started = self.clock.now()
        listed = self.astakos.get_pending_commissions()
        report.listed = len(listed)
        expected = min(len(before), self.ledger.lane(lane).held)
        if not plausible(len(listed), expected, self.limits):
            report.stopped = (
                f"Astakos lists {len(listed)} pending commissions, the ledger holds {expected}: "
                "is the token another component's? Nothing was changed."
            )
            log.error("sweep_stopped", lane=lane, reason=report.stopped)
            self.ledger.alarm(lane, "sweep", report.stopped)
            return
        self.ledger.alarm(lane, "sweep", None)
        calm(self.ledger, lane)
        self._unknown(lane, listed, report, fix=fix)
        self._resurfaced(lane, listed, started, report, fix=fix)
        self._vanished(lane, before, listed, report, fix=fix)

    # --- Past their deadline ------------------------------------------------------------------

    def _expire(self, lane: str, report: Report, *, fix: bool) -> None:
        """Reject what nobody decided until its deadline (F37, F80)."""
        keys = self.ledger.expired(lane)
        for key, entry in self.ledger.get(lane, keys).items():
            record = entry.record
            if entry.cell is not None or record.decision is not None or record.state not in OPEN:
                continue
            report.add("expired", record.serial or 0, key, "undecided past its deadline")
            if fix:
                self._decide(lane, key, "expired")

    def _decide(self, lane: str, key: str, reason: str) -> None:
        decision = Decision("reject", reason, self.clock.now())
        if self.ledger.decide(lane, {key: decision})[key].ring:
            self.ring(lane)

    # --- Pending there, unknown here ----------------------------------------------------------

    def _unknown(self, lane: str, listed: Sequence[int], report: Report, *, fix: bool) -> None:
        namespace = self.limits.tag_namespace(lane)
        brake = max(self.limits.brake_floor, int(len(listed) * self.limits.brake_share))
        seen: list[int] = []
        found = strangers(self.astakos, self.ledger, lane, listed, namespace)
        for chunk in chunks(found, 500):
            seen += [one.serial for one in chunk]
            # A decision may be in the cell alone, and a cancelled key is not one to adopt for.
            current = Journal(self.ledger).current
            found_keys = self.ledger.get(lane, {one.tag.key for one in chunk if one.tag})
            entries = {key: current(entry) for key, entry in found_keys.items()}
            for one in chunk:
                key = one.tag.key if one.tag else None
                entry = entries.get(key) if key is not None else None
                action, why = judge(one, entry, self.clock.now(), self.limits)
                if action == "reject" and report.counts["reject"] >= brake:
                    self._brake(lane, brake, report)
                    return
                report.add(action, one.serial, key, why)
                if fix:
                    self._act(lane, action, one, entry)
        if fix:
            self.ledger.forget(lane, seen)

    def _brake(self, lane: str, brake: int, report: Report) -> None:
        report.stopped = f"more than {brake} commissions would be rejected by one sweep"
        log.error("sweep_stopped", lane=lane, reason=report.stopped)
        self.ledger.alarm(lane, "brake", report.stopped)

    def _act(self, lane: str, action: Action, one: Stranger, entry: Entry | None) -> None:
        if action not in {"adopt", "twin", "reject"} or one.tag is None:
            return
        name = read_name(self.astakos, one.serial)
        if name is None or read_tag(name) != one.tag:
            return  # settled meanwhile, or the serial is another commission's by now (F39, F44)
        if action == "reject":
            self._reject_bare(lane, one.serial)
        elif entry is not None:
            how = "adopted" if action == "adopt" else "found"
            self._write(entry, Issued(one.serial, how))
            self.ring(lane)

    def _reject_bare(self, lane: str, serial: int) -> None:
        """Reject a commission of ours that has no record, by a record of its own."""
        key, now = bare_key(serial), self.clock.now()
        decision = Decision("reject", "orphan", now)
        record = bare(key, lane, "0" * 8, serial=serial, decision=decision, now=now)
        [verdict] = self.ledger.cas([Write(record, 0, cell=decision, ring=True)])
        if verdict.ring:
            self.ring(lane)

    # --- Pending there, closed here -----------------------------------------------------------

    def _resurfaced(
        self, lane: str, listed: Sequence[int], started: float, report: Report, *, fix: bool
    ) -> None:
        """Settle again what Astakos' restored backup has forgotten (F43)."""
        for chunk in chunks(listed, 500):
            keys = self.ledger.find(lane, chunk)
            entries = self.ledger.get(lane, set(keys.values()))
            for serial, key in keys.items():
                entry = entries.get(key)
                if entry is None or not _settled_before(entry.record, serial, started):
                    continue
                name = read_name(self.astakos, serial)
                if name is None:
                    continue
                tag = read_tag(name)
                ours = entry.record.tag(self.limits.tag_namespace(lane))
                if entry.record.bare or tag == ours:
                    report.add("resettle", serial, key, "pending again though it was settled")
                    event: Event = Resurfaced()
                else:
                    report.add("conflict", serial, key, "its serial is another commission's now")
                    self.ledger.alarm(lane, "conflict", f"serial {serial} is not {key!r} any more")
                    event = Conflicted(plain_fault("Conflict", f"serial {serial} is reused"))
                if fix:
                    self._write(entry, event)
                    self.ring(lane)

    # --- Pending here, gone there -------------------------------------------------------------

    def _held(self, lane: str) -> list[tuple[int, str]]:
        held: list[tuple[int, str]] = []
        while page := self.ledger.held(lane, held[-1][0] if held else 0):
            held += page
        return held

    def _vanished(
        self,
        lane: str,
        before: dict[int, str],
        listed: Sequence[int],
        report: Report,
        *,
        fix: bool,
    ) -> None:
        """Say so where somebody else has settled what we hold as undecided (F69)."""
        missing = before.keys() - set(listed)
        if not missing:
            return
        missing -= set(self.astakos.get_pending_commissions())
        for chunk in chunks(sorted(missing), 500):
            entries = self.ledger.get(lane, {before[serial] for serial in chunk})
            for serial in chunk:
                entry = entries.get(before[serial])
                if entry is None or not self._is_vanished(entry, serial):
                    continue
                why = "settled by somebody else: we hold it as undecided"
                report.add("vanished", serial, before[serial], why)
                if fix:
                    self.ledger.alarm(lane, "vanished", f"{before[serial]!r}: {why}")
                    self._write(entry, Vanished())

    def _is_vanished(self, entry: Entry, serial: int) -> bool:
        record = entry.record
        undecided = record.decision is None and entry.cell is None
        if record.state is not State.PENDING or record.serial != serial or not undecided:
            return False
        return entry.leased <= self.clock.now() and read_name(self.astakos, serial) is None

    def _write(self, entry: Entry, event: Event) -> None:
        Journal(self.ledger).write([Step(entry, event, holder=False)])


def _settled_before(record: Record, serial: int, started: float) -> bool:
    settled = record.state in {State.ACCEPTED, State.REJECTED, State.VANISHED}
    return settled and record.serial == serial and (record.closed or started) < started
