"""The in-memory ledger in the simulation. Each script is one step, and may fail as with Redis.

A round trip of several scripts is several steps. Scripts of another connection may run between
them, and a crash may end the round trip early. The oracle sees each write at once.
"""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from astakos_worker.ledger.contract import (
    Asked,
    Claim,
    Entry,
    Lane,
    Served,
    Sighting,
    UnavailableError,
    Write,
    Written,
)
from astakos_worker.ledger.memory.store import MemoryLedger
from astakos_worker.ledger.record import Decision
from tests.simulation.oracle import Oracle
from tests.simulation.schedule import ANSWER_LOST, AWAY, TWICE, TWICE_LATER, UNREADABLE, Fault
from tests.simulation.world import World

T = TypeVar("T")

_READS = (AWAY,)
_WRITES = (AWAY, ANSWER_LOST, TWICE, TWICE_LATER)
_CLAIM = (*_WRITES, UNREADABLE)


@dataclass(frozen=True, slots=True)
class SteppedClock:
    """The store's clock, each reading of which is a step."""

    world: World

    def now(self) -> float:
        """Return the simulated seconds."""
        return self.world.read_clock()


class SteppedLedger:
    """The contract over another ledger, one step a script."""

    def __init__(self, world: World, ledger: MemoryLedger, oracle: Oracle) -> None:
        self._world = world
        self._ledger = ledger
        self._oracle = oracle
        self._spoils = False
        self.clock = SteppedClock(world)

    # --- The four primitives ------------------------------------------------------------------

    def cas(self, writes: Sequence[Write]) -> list[Written]:
        return [self._cas(write) for write in writes]

    def claim(self, asked: Asked, writes: Sequence[Write] = ()) -> tuple[Claim, list[Written]]:
        verdicts = self.cas(writes)
        claim, _ = self._writes(
            f"claim by {asked.carrier}",
            lambda: self._ledger.claim(asked),
            lambda done: self._oracle.claimed(done[0].entries),
            _CLAIM,
        )
        if self._spoils and claim.entries:
            claim = replace(claim, entries=self._set_aside(asked.lane, claim.entries))
        self._spoils = False
        return claim, verdicts

    def _set_aside(self, lane: str, entries: Sequence[Entry]) -> tuple[Entry, ...]:
        """Have the first of these records be unreadable for a while; return the others."""
        first, *rest = entries
        row = self._ledger._lanes[lane].rows[first.record.key]
        row.lease, row.due = 0.0, None

        def read_again() -> None:
            if row.record.is_open and row.due is None:
                row.due = self._world.clock.time

        self._world.at(self._world.clock.time + UNREADABLE.amount, read_again)
        return tuple(rest)

    def sign_off(self, lane: str, carrier: str) -> bool:
        return self._writes(f"sign_off {carrier}", lambda: self._ledger.sign_off(lane, carrier))

    def decide(
        self,
        lane: str,
        decisions: Mapping[str, Decision],
        incarnations: Mapping[str, str] | None = None,
    ) -> dict[str, Written]:
        its = incarnations or {}
        return {key: self._decide(lane, key, one, its) for key, one in decisions.items()}

    def beat(
        self, carriers: Mapping[str, Sequence[str]], driver: str | None, lease: float
    ) -> dict[str, int]:
        return self._writes("beat", lambda: self._ledger.beat(carriers, driver, lease))

    def _decide(
        self, lane: str, key: str, decision: Decision, incarnations: Mapping[str, str]
    ) -> Written:
        return self._writes(
            f"decide {key!r} {decision.verb}",
            lambda: self._ledger.decide(lane, {key: decision}, incarnations)[key],
            lambda verdict: self._oracle.wrote(verdict.entry),
        )

    def _cas(self, write: Write) -> Written:
        record = write.record
        return self._writes(
            f"cas {record.key!r} v{write.version} {record.state} {record.serial}"
            f"{' must hold' if write.fenced else ''}",
            lambda: self._ledger.cas([write])[0],
            lambda verdict: self._oracle.wrote(verdict.entry, reset=write.reset),
        )

    # --- The rest -----------------------------------------------------------------------------

    def get(self, lane: str, keys: Iterable[str]) -> dict[str, Entry]:
        return self._reads("get", lambda: self._ledger.get(lane, keys))

    def newer(self, lane: str, keys: Iterable[str]) -> set[str]:
        return self._reads("newer", lambda: self._ledger.newer(lane, keys))

    def find(self, lane: str, serials: Iterable[int]) -> dict[int, str]:
        return self._reads("find", lambda: self._ledger.find(lane, serials))

    def held(self, lane: str, above: int = 0, limit: int = 500) -> list[tuple[int, str]]:
        return self._reads("held", lambda: self._ledger.held(lane, above, limit))

    def expired(self, lane: str, limit: int = 500, skip: int = 0) -> list[str]:
        return self._reads("expired", lambda: self._ledger.expired(lane, limit, skip))

    def lane(self, name: str) -> Lane:
        return self._reads("lane", lambda: self._ledger.lane(name))

    def lanes(self) -> list[str]:
        return self._reads("lanes", self._ledger.lanes)

    def rest(self, lane: str, seconds: float, reason: str) -> None:
        self._writes("rest", lambda: self._ledger.rest(lane, seconds, reason))

    def end_rest(self, lane: str) -> None:
        self._writes("end rest", lambda: self._ledger.end_rest(lane))

    def count_failure(self, lane: str) -> int:
        return self._writes("count failure", lambda: self._ledger.count_failure(lane))

    def forget_failures(self, lane: str) -> None:
        self._writes("forget failures", lambda: self._ledger.forget_failures(lane))

    def alarm(self, lane: str, name: str, text: str | None) -> None:
        self._writes(f"alarm {name}: {text}", lambda: self._ledger.alarm(lane, name, text))

    def take_lease(self, name: str, holder: str, lease: float) -> bool:
        return self._writes(f"hold {name}", lambda: self._ledger.take_lease(name, holder, lease))

    def release_lease(self, name: str, holder: str) -> None:
        self._writes(f"release {name}", lambda: self._ledger.release_lease(name, holder))

    def distrusted(self, lane: str) -> bool:
        return self._reads("distrusted", lambda: self._ledger.distrusted(lane))

    def sightings(self, lane: str, serials: Sequence[int]) -> dict[int, Sighting]:
        return self._writes("sights", lambda: self._ledger.sightings(lane, serials))

    def remember_descriptions(self, lane: str, looks: Mapping[int, str]) -> None:
        self._writes("looked", lambda: self._ledger.remember_descriptions(lane, looks))

    def forget_sightings(self, lane: str, listed: Container[int]) -> None:
        self._writes("forget", lambda: self._ledger.forget_sightings(lane, listed))

    def note(self, lane: str, name: str, text: str | None) -> None:
        self._writes(f"note {name}", lambda: self._ledger.note(lane, name, text))

    def notes(self, lane: str) -> dict[str, str]:
        return self._reads("notes", lambda: self._ledger.notes(lane))

    def served(self) -> set[Served]:
        return self._reads("served", self._ledger.served)

    def watch(self, lane: str, key: str, seconds: float) -> Entry | None:
        return self._reads("watch", lambda: self._ledger.watch(lane, key, seconds))

    # --- Inside -------------------------------------------------------------------------------

    def _reads(self, what: str, call: Callable[[], T]) -> T:
        if self._world.step("ledger", what, _READS) == AWAY:
            raise UnavailableError("the ledger is away")
        return call()

    def _writes(
        self,
        what: str,
        call: Callable[[], T],
        show: Callable[[T], None] = lambda _done: None,
        faults: tuple[Fault, ...] = _WRITES,
    ) -> T:
        fault = self._world.step("ledger", what, faults)
        if fault == AWAY:
            raise UnavailableError("the ledger is away")
        done = call()
        show(done)
        self._spoils = fault == UNREADABLE
        if fault == TWICE_LATER:
            self._world.sleep(fault.amount)
        if fault in {TWICE, TWICE_LATER}:
            done = call()
            show(done)
        if fault == ANSWER_LOST:
            raise UnavailableError("the ledger's answer was lost")
        return done
