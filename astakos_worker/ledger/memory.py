"""The same ledger in memory: for simulations, and for services' own tests.

It follows the scripts beside `store.py` line by line; both are held to one contract test.
"""

import math
import threading
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from astakos_worker.ledger.contract import (
    ANYONE,
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
from astakos_worker.ledger.record import Decision, Record, State, bare_key, is_bare
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

    def serials(self) -> list[int]:
        own = () if self.record.serial is None else (self.record.serial,)
        return [*own, *(twin.serial for twin in self.record.twins)]


class _Lane:
    """What one lane's keys hold."""

    def __init__(self) -> None:
        self.used = False  # it has had a record, or something was said of it
        self.writes = 0
        self.distrust = 0  # somebody was told of so many writes that are not there
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
        self.notes: dict[str, str] = {}

    def due(self, queue: Queue, now: float) -> list[str]:
        rows = [
            (row.due, key)
            for key, row in self.rows.items()
            if row.queue == queue
            and row.due is not None
            and row.due <= now
            and row.record.is_open  # one that was closed by who did not hold it is left out
        ]
        return [key for _, key in sorted(rows)]

    def purge(self, key: str) -> None:
        """Forget a record and the serials that it has in the index."""
        row = self.rows.pop(key)
        for serial in row.serials():
            if self.serials.get(serial) == key:
                del self.serials[serial]

    def awake_now(self, now: float) -> int:
        return sum(till >= now for till in self.awake.values())

    def is_awake(self, who: str | None, now: float) -> bool:
        return who is not None and self.awake.get(who, 0.0) >= now


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
        self._seen: dict[str, int] = {}
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
            return self._ring_anyone(at)

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
                while self._ring_anyone(at):
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

    def newer(self, lane: str, keys: Iterable[str]) -> set[str]:
        """Return no key: what one process has written another version has not."""
        del lane, keys
        return set()

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

    def unissued(self, lane: str) -> list[str]:
        """Return keys of open records without a serial: what Astakos may not show yet."""
        with self._lock:
            rows = self._at(lane).rows.items()
            return [k for k, row in rows if row.record.is_open and row.record.serial is None]

    def expired(self, lane: str, limit: int = 500, skip: int = 0) -> list[str]:
        """Return keys of undecided records whose deadline has passed, the oldest first."""
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
            return [key for _, key in late][skip : skip + limit]

    def dead(self, lane: str, limit: int = 500) -> list[str]:
        """Return keys of dead records, those that are purged first in front."""
        with self._lock:
            rows = [self._row(lane, key) for key in list(self._at(lane).rows)]
            dead = [row for row in rows if row is not None and row.record.state is State.DEAD]
            return [row.record.key for row in sorted(dead, key=_purged)][:limit]

    def lanes(self) -> list[str]:
        """Return the lanes that ever had a record, an alarm or a note."""
        with self._lock:
            return sorted(name for name, at in self._lanes.items() if at.used)

    def lane(self, name: str) -> Lane:
        """Return how a lane stands."""
        with self._lock:
            at, now = self._at(name), self.clock.now()
            opened = [row.record for row in at.rows.values() if row.record.is_open]
            dues = [r.due for r in at.rows.values() if r.due is not None and r.record.is_open]
            return Lane(
                name,
                due=sum(due <= now for due in dues),
                open=len(opened),
                held=sum(record.serial is not None for record in opened),
                dead=len(self.dead(name, len(at.rows))),
                awake=at.awake_now(now),
                oldest_due=max(0.0, now - min(dues, default=now)),
                resting=max(0.0, (at.until or now) - now),
                reason=at.reason,
                alarms=dict(at.alarms),
            )

    def next_due(self) -> float | None:
        """Return when a record is due next, for who moves the clock; None if none will be."""
        with self._lock:
            return min(
                (
                    max(row.due, at.until or 0.0)
                    for at in self._lanes.values()
                    for row in at.rows.values()
                    if row.due is not None and row.record.is_open
                ),
                default=None,
            )

    # --- Lanes at rest, alarms, named leases --------------------------------------------------

    def rest(self, lane: str, seconds: float, reason: str) -> None:
        """Let nobody work on a lane for a while; then one carrier tries with one record."""
        with self._lock:
            at, now = self._at(lane), self.clock.now()
            at.trier = None
            if at.until is None or at.until <= now:
                at.level += 1
            if at.until is None or now + seconds > at.until:
                at.until, at.reason = now + seconds, reason

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
                self._at(lane).used = True

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

    # --- Lost writes --------------------------------------------------------------------------

    def seen(self) -> dict[str, int]:
        """Return how many writes of each lane this process was told of."""
        with self._lock:
            return dict(self._seen)

    def remember(self, lane: str, writes: int) -> None:
        """Remember that a lane has had so many writes."""
        with self._lock:
            self._seen[lane] = max(writes, self._seen.get(lane, 0))

    def notice(self) -> set[str]:
        """Return the lanes of which writes are gone that somebody was told of (F68)."""
        with self._lock:
            for lane in self._seen:
                self._notice(lane, self._at(lane).writes)
            return {lane for lane in self._seen if self._at(lane).distrust}

    def trust(self, lane: str) -> bool:
        """Go on with a lane of which writes are gone; False: none are."""
        with self._lock:
            at = self._at(lane)
            if not at.distrust:
                return False
            at.writes, at.distrust = max(at.writes, at.distrust) + 10**9, 0
            at.alarms.pop("lost-writes", None)
            self._seen[lane] = at.writes
            return True

    # --- What the sweep remembers -------------------------------------------------------------

    def sights(self, lane: str, serials: Sequence[int]) -> dict[int, Sight]:
        """Return what is remembered of these serials; new ones are remembered as of now."""
        with self._lock:
            seen, now = self._at(lane).sights, self.clock.now()
            return {n: seen.setdefault(n, Sight(now)) for n in serials}

    def looked(self, lane: str, looks: Mapping[int, str]) -> None:
        """Remember how serials look."""
        with self._lock:
            seen, now = self._at(lane).sights, self.clock.now()
            for n, look in looks.items():
                seen[n] = replace(seen.get(n, Sight(now)), look=look)

    def forget(self, lane: str, listed: Container[int]) -> None:
        """Forget all serials but those that are listed."""
        with self._lock:
            at = self._at(lane)
            at.sights = {n: sight for n, sight in at.sights.items() if n in listed}

    def note(self, lane: str, name: str, text: str | None) -> None:
        """Remember a text about a lane under a name, or with None forget it."""
        with self._lock:
            if text is None:
                self._at(lane).notes.pop(name, None)
            else:
                self._at(lane).notes[name] = text
                self._at(lane).used = True

    def notes(self, lane: str) -> dict[str, str]:
        """Return what is remembered about a lane."""
        with self._lock:
            return dict(self._at(lane).notes)

    def watch(self, lane: str, key: str, seconds: float) -> Entry | None:
        """Have changes of a record published for a while; return it as it is."""
        with self._lock:
            row = self._row(lane, key)
            if row is None:
                return None
            if row.watched < self.clock.now() + seconds / 2:
                row.watched = self.clock.now() + seconds
            return row.entry()

    # --- Inside -------------------------------------------------------------------------------

    def _at(self, lane: str) -> _Lane:
        return self._lanes.setdefault(lane, _Lane())

    def _row(self, lane: str, key: str) -> _Row | None:
        rows = self._at(lane).rows
        row = rows.get(key)
        if row is not None and row.expires <= self.clock.now():
            self._at(lane).purge(key)
            return None
        return row

    def _notice(self, lane: str, writes: int) -> None:
        at, seen = self._at(lane), self._seen.get(lane, 0)
        if seen > writes:
            at.distrust = max(at.distrust, seen)
            at.alarms["lost-writes"] = "the ledger has forgotten writes that it had acknowledged"

    def _written(self, lane: str) -> None:
        at = self._at(lane)
        self._notice(lane, at.writes)
        at.writes += 1
        self.remember(lane, at.writes)

    def _cas(self, write: Write) -> Verdict:
        record, now = write.record, self.clock.now()
        at = self._at(record.service)
        row = self._row(record.service, record.key)
        may = not write.must_hold or (row.fence if row else 0) == write.fence
        cell = row.cell if row and not write.reset else None
        agrees = cell is None or record.decision is None or cell.verb == record.decision.verb
        if (row.version if row else 0) != write.version or not may or not agrees:
            again = row is not None and row.version == write.version + 1 and row.record == record
            if row is None or not may or not again:
                return Verdict(False, row.entry() if row else None)
            if write.ring:
                at.promised.pop(write.promise, None)
            ring = write.ring and self._ring(at, write.promise)
            return Verdict(True, row.entry(), ring, self._unmerged(at, row))
        if row is None:
            row, at.used = _Row(record), True
        elif write.reset:
            at.purge(record.key)
            row.fence, row.lease = row.fence + 1, 0.0
        self._written(record.service)
        at.rows[record.key] = row
        row.record, row.version = record, row.version + 1
        row.cell = cell or write.cell or record.decision

        self._move(row, write, now)
        clash = self._index(at, row)
        keep = self._bare_retention if is_bare(record.key) else self._retention
        row.expires = math.inf if record.is_open else now + keep
        if row.watched > now:
            self._changed(record.service, record.key)
        ring = write.ring and self._ring(at, write.promise)
        return Verdict(True, row.entry(), ring, clash)

    @staticmethod
    def _move(row: _Row, write: Write, now: float) -> None:
        """Set lease and due time; a live lease is its holder's alone."""
        record = write.record
        holds = write.fence is not None and row.fence == write.fence
        if not holds and row.lease > now:
            return
        row.lease, row.due = 0.0, record.due
        if write.keep is not None and record.is_open and (holds or row.version == 1):
            row.lease = row.due = now + write.keep
        elif row.due is None and record.is_open and row.cell and record.decision is None:
            row.due = now  # decided under the lease, and the writer has not seen it
        row.queue = queue_of(record)

    def _index(self, at: _Lane, row: _Row) -> str | None:
        """Enter the record's serials; return the key that had one of them."""
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
    def _unmerged(at: _Lane, row: _Row) -> str | None:
        """Return who had one of the serials before, for a write whose answer was lost."""
        clash = None
        for serial in row.serials():
            other, bare = at.serials.get(serial), at.rows.get(bare_key(serial))
            if other is not None and other != row.record.key:
                clash = other
            elif bare is not None and bare is not row and bare.record.state is not State.MERGED:
                clash = bare_key(serial)
        return clash

    def _claim(self, asked: Asked) -> Claim:
        at, now, me = self._at(asked.lane), self.clock.now(), asked.carrier
        self._notice(asked.lane, at.writes)
        at.promised.pop(self._promise(at, asked.wake), None)
        issues, settles, trial = asked.issues, asked.settles, 0
        if at.until is not None:
            if at.until > now or (at.trier != me and at.is_awake(at.trier, now)):
                at.awake.pop(me, None)
                return Claim(why="resting")
            at.trier, trial, issues, settles = me, at.level, 1, 1
        if at.awake_now(now) - at.is_awake(me, now) >= self._waking.carriers:
            at.awake.pop(me, None)
            return Claim(why="full")

        may_settle = at.settler == me or not at.is_awake(at.settler, now)
        if may_settle:
            at.settler = None
        queue: Queue = "issue"
        decided, keys, n = at.due("settle", now), at.due("issue", now), issues
        ripe = may_settle and self._is_ripe(at, decided, keys, settles, now - asked.settle_wait)
        if at.distrust and not ripe:
            keys = self._trusted(at, keys, now)
        if decided and may_settle and (ripe or not keys):
            queue, at.settler, keys, n = "settle", me, decided, settles
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
        return Claim(tuple(entries), queue, "", self._ring_anyone(at), trial)

    @staticmethod
    def _is_ripe(
        at: _Lane, decided: list[str], waiting: list[str], settles: int, before: float
    ) -> bool:
        """Return whether what is decided waits for no more company."""
        enough = not waiting or len(decided) >= settles
        return bool(decided) and (enough or (at.rows[decided[0]].due or 0.0) <= before)

    @staticmethod
    def _trusted(at: _Lane, keys: list[str], now: float) -> list[str]:
        """Put off what is queued: it may have been issued already (F68)."""
        queued = {key for key in keys if at.rows[key].record.state is State.QUEUED}
        for key in queued:
            at.rows[key].due = now + 2
        return [key for key in keys if key not in queued]

    def _decide(self, lane: str, key: str, decision: Decision) -> Verdict:
        row = self._row(lane, key)
        if row is None:
            return Verdict(False, None)
        now = self.clock.now()
        ring = False
        if row.record.is_open:
            if row.cell is None:
                self._written(lane)
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
        decided, waiting = len(at.due("settle", now)), len(at.due("issue", now))
        if not decided + waiting:
            return False
        if waking.coalesce if coalesce is None else coalesce:
            backlog = waiting + min(decided, waking.per_carrier)  # one settles for all
            wanted = min(waking.carriers, math.ceil(backlog / waking.per_carrier))
            wanted = wanted if at.until is None else 1  # and one tries a lane
            promised = sum(till >= now for till in at.promised.values())
            if at.awake_now(now) + promised >= wanted:
                return False
        at.promised = {each: till for each, till in at.promised.items() if till >= now}
        at.promised[name] = now + waking.promise
        return True

    def _promise(self, at: _Lane, wake: str | None) -> str:
        """Return the promise that a carrier keeps; which one of any for anyone matters not."""
        anyones = map(_anyone, range(self._waking.carriers))
        return next(filter(at.promised.get, anyones), "") if wake == ANYONE else wake or ""

    def _ring_anyone(self, at: _Lane) -> bool:
        """Promise a wake-up for whatever is due, under a name that no standing promise has."""
        now = self.clock.now()
        for i in range(self._waking.carriers):
            if at.promised.get(_anyone(i), 0.0) < now:
                return self._ring(at, _anyone(i), coalesce=True)
        return False


def _purged(row: _Row) -> tuple[float, str]:
    return row.expires, row.record.key


def _anyone(i: int) -> str:
    return f"\x1fany:{i}"
