"""The same ledger in memory: for simulations, and for services' own tests.

It follows the scripts beside `store.py` line by line; both are held to one contract test.
"""

import math
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from astakos_worker.ledger.contract import (
    Asked,
    Claim,
    Clock,
    Entry,
    Lane,
    Queue,
    Sight,
    Verdict,
    Waking,
    Write,
)
from astakos_worker.ledger.record import Decision, Record, is_bare
from astakos_worker.ledger.store import queue_of


@dataclass
class _Row:
    record: Record
    version: int = 0
    fence: int = 0
    cell: Decision | None = None
    lease: float = 0.0
    queue: Queue = "issue"
    due: float | None = None
    watched: float = 0.0
    expires: float = math.inf

    def entry(self) -> Entry:
        return Entry(self.record, self.version, self.fence, self.cell, self.lease)


class _Lane:
    """What one lane's keys hold."""

    def __init__(self) -> None:
        self.rows: dict[str, _Row] = {}
        self.serials: dict[int, str] = {}
        self.awake: dict[str, float] = {}
        self.promised: dict[str, float] = {}
        self.until: float | None = None
        self.level = 0
        self.reason = ""
        self.settler: str | None = None
        self.trier: str | None = None
        self.alarms: dict[str, str] = {}
        self.sights: dict[int, Sight] = {}

    def due(self, queue: Queue, now: float) -> list[str]:
        rows = [
            (row.due, key)
            for key, row in self.rows.items()
            if row.queue == queue and row.due is not None and row.due <= now
        ]
        return [key for _, key in sorted(rows)]

    def awake_now(self, now: float) -> int:
        return sum(till >= now for till in self.awake.values())

    def alive(self, who: str | None, me: str, now: float) -> bool:
        return who is not None and who != me and self.awake.get(who, 0.0) >= now


class MemoryLedger:
    """A ledger in this process. `changed` is called with lane and key of a watched record."""

    def __init__(
        self,
        clock: Clock,
        *,
        waking: Waking | None = None,
        retention: float = 7 * 86400,
        bare_retention: float = 3600,
        changed: Callable[[str, str], None] = lambda _lane, _key: None,
    ) -> None:
        self.clock = clock
        self._waking = waking or Waking()
        self._retention = retention
        self._bare_retention = bare_retention
        self._changed = changed
        self._lanes: dict[str, _Lane] = {}
        self._leases: dict[str, tuple[str, float]] = {}
        self._rung = 0
        self._lock = threading.RLock()

    # --- The four primitives ------------------------------------------------------------------

    def cas(self, writes: Sequence[Write]) -> list[Verdict]:
        """Write each whose version still stands."""
        with self._lock:
            return [self._cas(write) for write in writes]

    def claim(self, asked: Asked, writes: Sequence[Write] = ()) -> tuple[Claim, list[Verdict]]:
        """Write, then lease what is most overdue or sign off as awake."""
        with self._lock:
            verdicts = [self._cas(write) for write in writes]
            return self._claim(asked), verdicts

    def sign_off(self, lane: str, carrier: str) -> bool:
        """Say that a carrier goes; True: it is to ring, since more is due."""
        with self._lock:
            at = self._at(lane)
            at.awake.pop(carrier, None)
            at.settler = None if at.settler == carrier else at.settler
            at.trier = None if at.trier == carrier else at.trier
            return self._ring(at, f"{carrier}+", coalesce=True)

    def decide(self, lane: str, decisions: Mapping[str, Decision]) -> dict[str, Verdict]:
        """Set the write-once cell of each key. Unknown key: no entry."""
        with self._lock:
            return {key: self._decide(lane, key, d) for key, d in decisions.items()}

    def beat(
        self, carriers: Mapping[str, Sequence[str]], driver: str | None, lease: float
    ) -> dict[str, int]:
        """Say who is awake, per lane; whoever drives learns where to ring how often."""
        with self._lock:
            now = self.clock.now()
            for lane, names in carriers.items():
                at = self._at(lane)
                for name in names:
                    if name in at.awake:
                        at.awake[name] = now + self._waking.forgotten
            if driver is None or not self.hold("drive", driver, lease):
                return {}
            rings = {}
            for lane, at in self._lanes.items():
                n = 0
                while n < self._waking.carriers and self._ring(at, f"drive:{n}", coalesce=True):
                    n += 1
                if n:
                    rings[lane] = n
            return rings

    # --- Reading ------------------------------------------------------------------------------

    def get(self, lane: str, keys: Iterable[str]) -> dict[str, Entry]:
        """Return the records of these keys, as far as there are any."""
        with self._lock:
            found = {key: self._row(lane, key) for key in keys}
            return {key: row.entry() for key, row in found.items() if row is not None}

    def find(self, lane: str, serials: Iterable[int]) -> dict[int, str]:
        """Return the keys whose records have these serials, twins included."""
        with self._lock:
            index = self._at(lane).serials
            return {
                n: index[n] for n in serials if n in index and self._row(lane, index[n]) is not None
            }

    def held(self, lane: str, above: int = 0, limit: int = 500) -> list[tuple[int, str]]:
        """Return (serial, key) of open records with serials above this one, in order."""
        with self._lock:
            rows = self._at(lane).rows.items()
            all_ = sorted(
                (row.record.serial, key)
                for key, row in rows
                if row.record.is_open and row.record.serial is not None
            )
            return [(serial, key) for serial, key in all_ if serial > above][:limit]

    def expired(self, lane: str, limit: int = 500) -> list[str]:
        """Return keys of open records whose deadline has passed."""
        with self._lock:
            now = self.clock.now()
            late = sorted(
                (row.record.deadline, key)
                for key, row in self._at(lane).rows.items()
                if row.record.is_open
                and row.record.decision is None
                and row.record.deadline is not None
                and row.record.deadline <= now
            )
            return [key for _, key in late][:limit]

    def lanes(self) -> list[str]:
        """Return the lanes that ever had a record."""
        with self._lock:
            return sorted(self._lanes)

    def lane(self, name: str) -> Lane:
        """Return how a lane stands."""
        with self._lock:
            at, now = self._at(name), self.clock.now()
            dues = [r.due for r in at.rows.values() if r.due is not None]
            opened = [r.record for r in at.rows.values() if r.record.is_open]
            return Lane(
                name,
                due=sum(due <= now for due in dues),
                open=len(opened),
                held=sum(record.serial is not None for record in opened),
                awake=at.awake_now(now),
                oldest_due=max(0.0, now - min(dues, default=now)),
                resting=max(0.0, (at.until or now) - now),
                reason=at.reason,
                alarms=dict(at.alarms),
            )

    # --- Lanes at rest, alarms, named leases --------------------------------------------------

    def rest(self, lane: str, seconds: float, reason: str) -> None:
        """Let nobody work on a lane for a while; then one carrier tries with one record."""
        with self._lock:
            at = self._at(lane)
            at.until, at.reason, at.trier = self.clock.now() + seconds, reason, None
            at.level += 1

    def rested(self, lane: str) -> None:
        """Say that Astakos answers again."""
        with self._lock:
            at = self._at(lane)
            at.until, at.reason, at.trier, at.level = None, "", None, 0

    def alarm(self, lane: str, name: str, text: str | None) -> None:
        """Raise an alarm for operators, or with None end it."""
        with self._lock:
            if text is None:
                self._at(lane).alarms.pop(name, None)
            else:
                self._at(lane).alarms[name] = text

    def hold(self, name: str, holder: str, lease: float) -> bool:
        """Take or renew a named lease; False: another has it."""
        with self._lock:
            now = self.clock.now()
            other, till = self._leases.get(name, (holder, 0.0))
            if other != holder and till > now:
                return False
            self._leases[name] = (holder, now + lease)
            return True

    def release(self, name: str, holder: str) -> None:
        """Give a named lease back."""
        with self._lock:
            if self._leases.get(name, ("", 0.0))[0] == holder:
                del self._leases[name]

    # --- What the sweep remembers -------------------------------------------------------------

    def sights(self, lane: str, serials: Sequence[int]) -> dict[int, Sight]:
        """Return what is remembered of these serials; new ones are remembered as of now."""
        with self._lock:
            seen, now = self._at(lane).sights, self.clock.now()
            return {n: seen.setdefault(n, Sight(now)) for n in serials}

    def named(self, lane: str, names: Mapping[int, str]) -> None:
        """Remember the names of serials."""
        with self._lock:
            seen, now = self._at(lane).sights, self.clock.now()
            for n, name in names.items():
                seen[n] = replace(seen.get(n, Sight(now)), name=name)

    def forget(self, lane: str, listed: Iterable[int]) -> None:
        """Forget all serials but those that are listed."""
        with self._lock:
            at, keep = self._at(lane), set(listed)
            at.sights = {n: sight for n, sight in at.sights.items() if n in keep}

    def watch(self, lane: str, key: str, seconds: float) -> Entry | None:
        """Have changes of a record published for a while; return it as it is."""
        with self._lock:
            row = self._row(lane, key)
            if row is None:
                return None
            row.watched = self.clock.now() + seconds
            return row.entry()

    # --- Inside -------------------------------------------------------------------------------

    def _at(self, lane: str) -> _Lane:
        return self._lanes.setdefault(lane, _Lane())

    def _row(self, lane: str, key: str) -> _Row | None:
        rows = self._at(lane).rows
        row = rows.get(key)
        if row is not None and row.expires <= self.clock.now():
            del rows[key]
            return None
        return row

    def _cas(self, write: Write) -> Verdict:
        record, now = write.record, self.clock.now()
        at = self._at(record.service)
        row = self._row(record.service, record.key)
        if (row.version if row else 0) != write.version or (
            write.must_hold and (row is None or row.fence != write.fence)
        ):
            return Verdict(False, row.entry() if row else None)
        if row is None:
            row = at.rows[record.key] = _Row(record)
        row.record, row.version = record, row.version + 1
        if write.reset:
            row.cell = None
        row.cell = row.cell or write.cell

        self._move(row, write, now)
        clash = self._index(at, record)
        keep = self._bare_retention if is_bare(record.key) else self._retention
        row.expires = math.inf if record.is_open else now + keep
        if row.watched > now:
            self._changed(record.service, record.key)
        ring = write.ring and self._ring(at, f"{record.key}?")
        return Verdict(True, row.entry(), ring, clash)

    @staticmethod
    def _move(row: _Row, write: Write, now: float) -> None:
        """Set lease and due time; a live lease is its holder's alone."""
        record = write.record
        holds = write.fence is not None and row.fence == write.fence
        if not holds and row.lease > now:
            return
        row.lease, row.due = 0.0, record.due
        if write.keep is not None:
            row.lease = row.due = now + write.keep
        elif row.due is None and record.is_open and row.cell and record.decision is None:
            row.due = now  # decided under the lease, and the writer has not seen it
        row.queue = queue_of(record)

    @staticmethod
    def _index(at: _Lane, record: Record) -> str | None:
        """Enter the record's serials; return the key that had one of them."""
        clash = None
        for serial in (record.serial, *(twin.serial for twin in record.twins)):
            if serial is None:
                continue
            other = at.serials.get(serial)
            if other is not None and other != record.key:
                clash = other
            if other is None or is_bare(other):
                at.serials[serial] = record.key
        return clash

    def _claim(self, asked: Asked) -> Claim:
        at, now, me = self._at(asked.lane), self.clock.now(), asked.carrier
        if asked.wake is not None:
            at.promised.pop(asked.wake, None)
        issues, settles, trial = asked.issues, asked.settles, 0
        if at.until is not None:
            if at.until > now or at.alive(at.trier, me, now):
                at.awake.pop(me, None)
                return Claim(why="resting")
            at.trier, trial, issues, settles = me, at.level, 1, 1
        if at.awake.get(me, 0.0) < now and at.awake_now(now) >= self._waking.carriers:
            at.awake.pop(me, None)
            return Claim(why="full")

        may_settle = not at.alive(at.settler, me, now)
        if may_settle:
            at.settler = None
        queue: Queue = "issue"
        keys, waiting = at.due("settle", now), at.due("issue", now)
        ripe = bool(keys) and (
            not waiting
            or len(keys) >= settles
            or now - (at.rows[keys[0]].due or now) >= asked.settle_wait
        )
        n = settles
        if may_settle and ripe:
            queue, at.settler = "settle", me
        else:
            keys, n = waiting, issues
        if asked.own in keys:
            keys = [asked.own, *(key for key in keys if key != asked.own)]
        entries = []
        for key in keys[:n]:
            row = at.rows[key]
            row.fence += 1
            row.lease = row.due = now + asked.lease
            entries.append(row.entry())
        if not entries:
            at.awake.pop(me, None)
            return Claim(why="idle")
        at.awake[me] = now + self._waking.forgotten
        ring = self._ring(at, f"{me}+", coalesce=True)
        return Claim(tuple(entries), queue, "", ring, trial)

    def _decide(self, lane: str, key: str, decision: Decision) -> Verdict:
        row = self._row(lane, key)
        if row is None:
            return Verdict(False, None)
        now = self.clock.now()
        ring = False
        if row.record.is_open:
            if row.cell is None:
                row.cell = decision
                if row.due is None:
                    row.queue, row.due = "settle", now
                if row.watched > now:
                    self._changed(lane, key)
            ring = self._ring(self._at(lane), f"{key}!")
        return Verdict(True, row.entry(), ring)

    def _ring(self, at: _Lane, name: str, *, coalesce: bool | None = None) -> bool:
        now, waking = self.clock.now(), self._waking
        if at.until is not None and at.until > now:
            return False
        backlog = len(at.due("settle", now)) + len(at.due("issue", now))
        if not backlog:
            return False
        if waking.coalesce if coalesce is None else coalesce:
            wanted = min(waking.carriers, math.ceil(backlog / waking.per_carrier))
            promised = sum(till >= now for till in at.promised.values())
            if at.awake_now(now) + promised >= wanted:
                return False
        at.promised[name] = now + waking.promise
        return True
