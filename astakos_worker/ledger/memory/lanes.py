"""The lanes of a ledger in memory, what is read of its records, and the sweep's memory.

No record is written here: that is `store.py`.
"""

import threading
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace

from astakos_worker.ledger.contract import Clock, Entry, Lane, Served, Sighting, Unreadable
from astakos_worker.ledger.memory.rows import MemoryLane, MemoryRow
from astakos_worker.ledger.record import State

#: The only namespace of a ledger in memory.
_NAMESPACE = "default"


class MemoryLanes:
    """The part of `MemoryLedger` that writes no record."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._lanes: dict[str, MemoryLane] = {}
        self._leases: dict[str, tuple[str, float]] = {}
        self._served: dict[Served, float] = {}
        self._seen: dict[str, int] = {}
        self._lock = threading.RLock()

    # --- Reading ------------------------------------------------------------------------------

    def get(self, lane: str, keys: Iterable[str]) -> dict[str, Entry]:
        """Return the records of these keys."""
        with self._lock:
            found = {key: self._row(lane, key) for key in keys}
            return {key: row.entry() for key, row in found.items() if row is not None}

    def newer(self, lane: str, keys: Iterable[str]) -> set[str]:
        """Return no key: no other version writes into this process' memory."""
        del lane, keys
        return set()

    def unreadable(self, lane: str) -> dict[str, Unreadable]:
        """Return no record: this process can read all that it has written."""
        del lane
        return {}

    def read_again(self, lane: str) -> int:
        """Return 0: no record was set aside."""
        del lane
        return 0

    def find(self, lane: str, serials: Iterable[int]) -> dict[int, str]:
        """Return the keys whose records have these serials, as their own or as twins."""
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
        """Return the keys of open records without a serial: Astakos may not list them yet."""
        with self._lock:
            rows = self._at(lane).rows.items()
            return [k for k, row in rows if row.record.is_open and row.record.serial is None]

    def expired(self, lane: str, limit: int = 500, skip: int = 0) -> list[str]:
        """Return the keys of undecided records past their deadline, the oldest first."""
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
        """Return the keys of dead records; those that are purged first come first."""
        with self._lock:
            rows = [self._row(lane, key) for key in list(self._at(lane).rows)]
            dead = [row for row in rows if row is not None and row.record.state is State.DEAD]
            return [row.record.key for row in sorted(dead, key=_purged)][:limit]

    def lanes(self) -> list[str]:
        """Return the lanes that ever had a record, an alarm or a note."""
        with self._lock:
            return sorted(name for name, at in self._lanes.items() if at.used)

    def lane(self, name: str) -> Lane:
        """Return the state of a lane."""
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
                rests=at.level,
                reason=at.reason,
                alarms=dict(at.alarms),
            )

    def next_due(self) -> float | None:
        """Return when the next record is due, for a caller that moves the clock; None: none is."""
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
        """Let no carrier work on a lane for `seconds`; then one carrier tries one record."""
        with self._lock:
            at, now = self._at(lane), self.clock.now()
            at.trier = None
            if at.until is None or at.until <= now:
                at.level += 1
            if at.until is None or now + seconds > at.until:
                at.until, at.reason = now + seconds, reason

    def end_rest(self, lane: str) -> None:
        """Let carriers work on the lane again, and count its failures from 0."""
        with self._lock:
            at = self._at(lane)
            at.until, at.reason, at.trier, at.level, at.failures = None, "", None, 0, 0

    def count_failure(self, lane: str) -> int:
        """Count a request that failed; return how many failed since the last success."""
        with self._lock:
            at = self._at(lane)
            at.failures += 1
            return at.failures

    def forget_failures(self, lane: str) -> None:
        """Count the failures of a lane from 0 again: a request has succeeded."""
        with self._lock:
            self._at(lane).failures = 0

    def alarm(self, lane: str, name: str, text: str | None) -> None:
        """Raise an alarm for operators; with None end it."""
        with self._lock:
            if text is None:
                self._at(lane).alarms.pop(name, None)
            else:
                self._at(lane).alarms[name] = text
                self._at(lane).used = True

    def serve(self, services: Iterable[str], queues: Iterable[str], seconds: float) -> None:
        """Say that a worker reads these queues for these services, for so many seconds."""
        with self._lock:
            until, listed = self.clock.now() + seconds, list(queues)
            rows = [Served(_NAMESPACE, one, queue) for one in services for queue in listed]
            self._served.update(dict.fromkeys(rows, until))

    def served(self) -> set[Served]:
        """Return what is served now."""
        with self._lock:
            now = self.clock.now()
            return {one for one, until in self._served.items() if until > now}

    def take_lease(self, name: str, holder: str, lease: float) -> bool:
        """Take or renew a named lease for `lease` seconds; False: another holder has it."""
        with self._lock:
            now = self.clock.now()
            other, till = self._leases.get(name, (holder, 0.0))
            if other != holder and till > now:
                return False
            self._leases[name] = (holder, now + lease)
            return True

    def release_lease(self, name: str, holder: str) -> None:
        """Give a named lease back, if this holder has it."""
        with self._lock:
            if self._leases.get(name, ("", 0.0))[0] == holder:
                del self._leases[name]

    # --- Lost writes --------------------------------------------------------------------------

    def known_writes(self) -> dict[str, int]:
        """Return how many writes this process knows each lane to have had."""
        with self._lock:
            return dict(self._seen)

    def remember_writes(self, lane: str, writes: int) -> None:
        """Remember how many writes a lane has had."""
        with self._lock:
            self._seen[lane] = max(writes, self._seen.get(lane, 0))

    def lost_writes(self) -> set[str]:
        """Return the lanes whose ledger has fewer writes than are known."""
        with self._lock:
            for lane in self._seen:
                self._notice(lane, self._at(lane).writes)
            return {lane for lane in self._seen if self._at(lane).distrust}

    def known_id(self) -> str:
        """Return the id of the ledger: this process has no other one."""
        return "memory"

    def remember_id(self, known_id: str) -> None:
        """Remember nothing: this process has no other ledger."""

    def distrusted(self, lane: str) -> bool:
        """Return whether acknowledged writes are gone, and no operator has said `trust`."""
        with self._lock:
            return bool(self._at(lane).distrust)

    def trust(self, lane: str) -> bool:
        """Go on with a lane that was distrusted; False: it was not."""
        with self._lock:
            at = self._at(lane)
            if not at.distrust:
                return False
            at.writes, at.distrust = max(at.writes, at.distrust) + 10**9, 0
            at.alarms.pop("lost-writes", None)
            self._seen[lane] = at.writes
            return True

    # --- What the sweep remembers -------------------------------------------------------------

    def sightings(self, lane: str, serials: Sequence[int]) -> dict[int, Sighting]:
        """Return what is remembered of these serials; new ones are remembered from now on."""
        with self._lock:
            seen, now = self._at(lane).sightings, self.clock.now()
            return {n: seen.setdefault(n, Sighting(now)) for n in serials}

    def remember_descriptions(self, lane: str, descriptions: Mapping[int, str]) -> None:
        """Remember a text about each of these serials."""
        with self._lock:
            seen, now = self._at(lane).sightings, self.clock.now()
            for n, text in descriptions.items():
                seen[n] = replace(seen.get(n, Sighting(now)), description=text)

    def forget_sightings(self, lane: str, listed: Container[int]) -> None:
        """Forget all serials but those that are listed."""
        with self._lock:
            at = self._at(lane)
            at.sightings = {n: sight for n, sight in at.sightings.items() if n in listed}

    def note(self, lane: str, name: str, text: str | None) -> None:
        """Remember a text about a lane under a name; with None forget it."""
        with self._lock:
            if text is None:
                self._at(lane).notes.pop(name, None)
            else:
                self._at(lane).notes[name] = text
                self._at(lane).used = True

    def notes(self, lane: str) -> dict[str, str]:
        """Return the texts that are remembered about a lane."""
        with self._lock:
            return dict(self._at(lane).notes)

    # --- Inside -------------------------------------------------------------------------------

    def _at(self, lane: str) -> MemoryLane:
        return self._lanes.setdefault(lane, MemoryLane())

    def _row(self, lane: str, key: str) -> MemoryRow | None:
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


def _purged(row: MemoryRow) -> tuple[float, str]:
    return row.expires, row.record.key
