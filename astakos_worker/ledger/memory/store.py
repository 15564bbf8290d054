"""The ledger in this process' memory: for simulations, and for the tests of services.

It does what the scripts of `redis/` do; the tests hold both to the same answers.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import chain

from astakos_worker.ledger.contract import (
    ANYONE,
    Asked,
    Claim,
    Clock,
    Entry,
    Queue,
    WakeupPolicy,
    Write,
    Written,
)
from astakos_worker.ledger.marks import Mark, queue_of, sends
from astakos_worker.ledger.memory.lanes import MemoryLanes
from astakos_worker.ledger.memory.rows import MemoryLane, MemoryRow, serials_of
from astakos_worker.ledger.record import Decision, Record, State, is_bare

#: Look at 8 records for each one that is taken, and at 400 at most.
_WIDE, _MOST_WIDE = 8, 400


class MemoryLedger(MemoryLanes):
    """A ledger in this process. `changed` is called with lane and key of a watched record."""

    def __init__(
        self,
        clock: Clock,
        *,
        wakeups: WakeupPolicy | None = None,
        retention: float = 7 * 86400,
        bare_retention: float = 3600,
        changed: Callable[[str, str], None] = lambda _lane, _key: None,
    ) -> None:
        super().__init__(clock)
        self._wakeups = wakeups or WakeupPolicy()
        self._retention = retention
        self._bare_retention = bare_retention
        self._changed = changed

    # --- Writing, claiming, deciding, beating ----------------------------------------------------

    def cas(self, writes: Sequence[Write]) -> list[Written]:
        """Do each write if its version is still the record's; answer each."""
        with self._lock:
            return [self._cas(write) for write in writes]

    def claim(self, asked: Asked, writes: Sequence[Write] = ()) -> tuple[Claim, list[Written]]:
        """Do the writes, then claim the most overdue records."""
        with self._lock:
            answers = [self._cas(write) for write in writes]
            return self._claim(asked), answers

    def sign_off(self, lane: str, carrier: str) -> bool:
        """Say that a carrier ends; return whether it is to send a wake-up, since more is due."""
        with self._lock:
            at = self._at(lane)
            at.awake.pop(carrier, None)
            return self._wakeup_for_anyone(at)

    def decide(
        self,
        lane: str,
        decisions: Mapping[str, Decision],
        incarnations: Mapping[str, str] | None = None,
    ) -> dict[str, Written]:
        """Write each decision into its key's cell, if the cell is empty."""
        its = incarnations or {}
        with self._lock:
            return {
                key: self._decide(lane, key, decision, its.get(key))
                for key, decision in decisions.items()
            }

    def beat(
        self, carriers: Mapping[str, Sequence[str]], driver: str | None, lease: float
    ) -> dict[str, int]:
        """Say which carriers are alive; return to the driver the wake-ups wanted, by lane."""
        with self._lock:
            now = self.clock.now()
            for lane, names in carriers.items():
                at = self._at(lane)
                for name in names:
                    if name in at.awake:
                        at.awake[name] = now + self._wakeups.forgotten
            if driver is None or not self.take_lease("drive", driver, lease):
                return {}
            wakeups = {}
            for lane, at in self._lanes.items():
                n = 0
                while self._wakeup_for_anyone(at):
                    n += 1
                if n:
                    wakeups[lane] = n
            return wakeups

    def watch(self, lane: str, key: str, seconds: float) -> Entry | None:
        """Report the changes of a record for `seconds`; return the record as it is now."""
        with self._lock:
            row = self._row(lane, key)
            if row is None:
                return None
            if row.watched < self.clock.now() + seconds / 2:
                row.watched = self.clock.now() + seconds
            return row.entry()

    # --- Inside -------------------------------------------------------------------------------

    def _written(self, lane: str) -> None:
        at = self._at(lane)
        self._notice(lane, at.writes)
        at.writes += 1
        self.remember_writes(lane, at.writes)

    def _cas(self, write: Write) -> Written:
        record, now = write.record, self.clock.now()
        at = self._at(record.service)
        row = self._row(record.service, record.key)
        if row is not None and write.makes:
            if row.record.incarnation == record.incarnation:
                return self._repeated(at, row, write)
            if write.replaces not in {None, row.record.incarnation}:
                return Written(False, row.entry())
        may = not write.fenced or (row.fence if row else 0) == write.fence
        cell = row.cell if row and not write.reset else None
        agrees = cell is None or record.decision is None or cell.verb == record.decision.verb
        if (row.version if row else 0) != write.version or not may or not agrees:
            # A write clears the mark: where there is one, the version is a claim's.
            again = (
                row is not None
                and row.mark is None
                and row.version == write.version + 1
                and row.record == record
            )
            if row is None or not may or not again:
                return Written(False, row.entry() if row else None)
            return self._repeated(at, row, write)
        if row is None:
            row, at.used = MemoryRow(record), True
        elif write.reset:
            at.purge(record.key)
            row.fence, row.lease = row.fence + 1, 0.0
        self._written(record.service)
        at.rows[record.key] = row
        row.record, row.version, row.mark = record, row.version + 1, None
        row.cell = cell or write.cell or record.decision

        self._move(row, write, now)
        clash = self._index(at, row)
        retention = self._bare_retention if is_bare(record.key) else self._retention
        row.expires = math.inf if record.is_open else now + retention
        if row.watched > now:
            self._changed(record.service, record.key)
        wakeup = write.wakeup and self._wakeup(at, write.wakeup_id)
        return Written(True, row.entry(), wakeup, clash)

    def _repeated(self, at: MemoryLane, row: MemoryRow, write: Write) -> Written:
        """Answer a write that was done before, and whose answer was lost."""
        if write.wakeup:
            at.promised.pop(write.wakeup_id, None)
        wakeup = write.wakeup and self._wakeup(at, write.wakeup_id)
        return Written(True, row.entry(), wakeup, self._clash(at, write.record))

    @staticmethod
    def _move(row: MemoryRow, write: Write, now: float) -> None:
        """Set the lease and the due time, unless another carrier holds the record."""
        record = write.record
        holds = write.fence is not None and row.fence == write.fence
        if not holds and row.lease > now:
            return
        row.lease, row.due = 0.0, record.due
        if write.lease is not None and record.is_open and (holds or row.version == 1):
            row.lease = row.due = now + write.lease
        elif row.due is None and record.is_open and row.cell and record.decision is None:
            row.due = now  # decided under the lease, and the writer has not seen it
        row.queue = queue_of(record)

    def _index(self, at: MemoryLane, row: MemoryRow) -> str | None:
        """Enter the record's serials; return another key that has one of them."""
        clash = None
        for serial in row.serials():
            other = at.serials.get(serial)
            if other is not None and at.rows[other].expires <= self.clock.now():
                at.purge(other)
                other = None
            if other is not None and other != row.record.key:
                clash = other
            if other is None or is_bare(other):
                at.serials[serial] = row.record.key
        return clash

    @staticmethod
    def _clash(at: MemoryLane, record: Record) -> str | None:
        """Return another key that has one of the serials, for a write whose answer was lost."""
        clash = None
        for serial in serials_of(record):
            other = at.serials.get(serial)
            if other is not None and other != record.key:
                clash = other
        return clash

    def _claim(self, asked: Asked) -> Claim:
        at, now, me = self._at(asked.lane), self.clock.now(), asked.carrier
        self._notice(asked.lane, at.writes)
        at.promised.pop(self._answered(at, asked.wakeup_id), None)
        trial = 0
        if at.until is not None:
            if at.until > now or (at.trier != me and at.is_awake(at.trier, now)):
                at.awake.pop(me, None)
                return Claim(why="resting")
            at.trier, trial = me, at.level
        if at.awake_now(now) - at.is_awake(me, now) >= self._wakeups.carriers:
            at.awake.pop(me, None)
            return Claim(why="full")

        at.settlers = [None if each == me else each for each in at.settlers]
        taken = [at.is_awake(each, now) for each in at.settlers]
        queue, keys, n, wanted = self._chosen(at, asked, taken, now, trial=bool(trial))
        if queue == "settle" and keys:
            at.settlers[taken.index(False)] = me
        own = [wanted] if n and wanted in keys else []
        keys = [key for key in keys if key not in own]
        entries = []
        for key in [*own, *self._together(at, keys, n - len(own))][:n]:
            row = at.rows[key]
            row.fence += 1
            row.lease = row.due = now + asked.lease
            entries.append(row.entry(fresh=self._mark(asked, row, now)))
        if not entries:
            at.awake.pop(me, None)
            return Claim(why="idle")
        at.awake[me] = now + self._wakeups.forgotten
        more = self._wakeup_for_anyone(at)
        return Claim(tuple(entries), queue, "", more, trial, at.failures)

    def _chosen(
        self, at: MemoryLane, asked: Asked, taken: list[bool], now: float, *, trial: bool
    ) -> tuple[Queue, list[str], int, str | None]:
        """Return the queue to take records from, its due keys, how many, and the first one."""
        issues, settles = (1, 1) if trial else (asked.issues, asked.settles)
        decided, waiting = at.due("settle", now), at.due("issue", now)
        may_settle = not any(taken) or (not all(taken) and len(decided) >= settles)
        if trial and may_settle and (first := self._untried(at, decided)):
            return "settle", decided, 1, first
        ripe = may_settle and self._is_ripe(at, decided, waiting, settles, now - asked.settle_wait)
        if at.distrust and (trial or not ripe):
            waiting = self._trusted(at, waiting, now)
        if trial and (first := self._untried(at, waiting)):
            return "issue", waiting, 1, first
        if decided and may_settle and (ripe or not waiting):
            return "settle", decided, settles, None if trial else asked.own
        return "issue", waiting, issues, None if trial else asked.own

    @staticmethod
    def _untried(at: MemoryLane, keys: list[str]) -> str | None:
        """Return the first of the most overdue records that have not failed."""
        return next((key for key in keys[:_MOST_WIDE] if not at.rows[key].record.attempts), None)

    def _mark(self, asked: Asked, row: MemoryRow, now: float) -> bool:
        """Mark what the carrier of a claim is about to send; False: nothing is marked."""
        what, times = sends(row.record), 1
        if what == "issue":
            if row.mark or (row.cell and row.cell.verb == "reject"):
                return False
        elif what == "settle" and row.cell:
            times = min(row.mark.times + 1, 8) if row.mark else 1
        else:
            return False
        row.mark = Mark(now, now + asked.send_for, now + asked.quiet_for, times)
        row.version += 1
        self._written(asked.lane)
        return True

    @staticmethod
    def _is_ripe(
        at: MemoryLane, decided: list[str], waiting: list[str], settles: int, before: float
    ) -> bool:
        """Return whether decided records need not wait any longer for others."""
        enough = not waiting or len(decided) >= settles
        return bool(decided) and (enough or (at.rows[decided[0]].due or 0.0) <= before)

    @staticmethod
    def _together(at: MemoryLane, keys: list[str], n: int) -> list[str]:
        """Return the keys: the most overdue, others of its holder, then the next, and so on."""
        if len(keys) <= n:
            return keys
        groups: dict[str, list[str]] = {}
        for key in keys[: min(n * _WIDE, _MOST_WIDE)]:
            groups.setdefault(at.rows[key].record.settles_with, []).append(key)
        return list(chain.from_iterable(groups.values()))

    @staticmethod
    def _trusted(at: MemoryLane, keys: list[str], now: float) -> list[str]:
        """Put queued records off, which may have been issued (F68); return the other keys."""
        rows = at.rows
        queued = {
            key for key in keys if rows[key].record.state is State.QUEUED and not rows[key].mark
        }
        for key in queued:
            at.rows[key].due = now + 2
        return [key for key in keys if key not in queued]

    def _decide(
        self, lane: str, key: str, decision: Decision, incarnation: str | None = None
    ) -> Written:
        row = self._row(lane, key)
        if row is None:
            return Written(False, None)
        if incarnation is not None and row.record.incarnation != incarnation:
            return Written(False, row.entry(), superseded=True)
        now = self.clock.now()
        wakeup = False
        if row.record.is_open:
            if row.cell is None:
                self._written(lane)
                row.cell = decision
                if row.due is None:
                    row.queue, row.due = "settle", now
                if row.watched > now:
                    self._changed(lane, key)
            wakeup = self._wakeup(self._at(lane), f"{key}!")
        return Written(True, row.entry(), wakeup)

    def _wakeup(self, at: MemoryLane, name: str, *, coalesce: bool | None = None) -> bool:
        now, wakeups = self.clock.now(), self._wakeups
        if at.until is not None and at.until > now:
            return False
        decided, waiting = len(at.due("settle", now)), len(at.due("issue", now))
        if not decided + waiting:
            return False
        if wakeups.coalesce if coalesce is None else coalesce:
            settlers = 2 if decided > 4 * wakeups.per_carrier else 1  # a third would find none
            backlog = waiting + min(decided, settlers * wakeups.per_carrier)
            wanted = min(wakeups.carriers, math.ceil(backlog / wakeups.per_carrier))
            wanted = wanted if at.until is None else 1  # one carrier tries a lane that has rested
            promised = sum(till >= now for till in at.promised.values())
            if at.awake_now(now) + promised >= wanted:
                return False
        at.promised = {each: till for each, till in at.promised.items() if till >= now}
        at.promised[name] = now + wakeups.promise
        return True

    def _answered(self, at: MemoryLane, wakeup_id: str | None) -> str:
        """Return the wake-up that a carrier answers; for `ANYONE`, the first promised one."""
        anyones = map(_anyone, range(self._wakeups.carriers))
        return (
            next(filter(at.promised.get, anyones), "") if wakeup_id == ANYONE else wakeup_id or ""
        )

    def _wakeup_for_anyone(self, at: MemoryLane) -> bool:
        """Ask for a wake-up for any due record, under the first name that is not promised now."""
        now = self.clock.now()
        for i in range(self._wakeups.carriers):
            if at.promised.get(_anyone(i), 0.0) < now:
                return self._wakeup(at, _anyone(i), coalesce=True)
        return False


def _anyone(i: int) -> str:
    return f"\x1fany:{i}"
