"""The queue of wake-ups, the workers that take wake-ups from it, the drives, and the sweeps.

The bodies of the tasks and of the drive are those of `astakos_worker`, without Celery.
"""

import itertools
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from astakos_worker.configuration import names
from astakos_worker.engine.carry.carrier import Carrier
from astakos_worker.engine.ports import Limits
from astakos_worker.engine.sweep.sweep import Sweep
from astakos_worker.ledger.contract import ANYONE, UnavailableError
from astakos_worker.ledger.memory.store import MemoryLedger
from astakosclient.errors import AstakosClientException
from tests.simulation.oracle import LANE, Oracle
from tests.simulation.processes import Host
from tests.simulation.schedule import AWAY, LATE, LOST, TWO
from tests.simulation.simulated_astakos import SimulatedAstakos
from tests.simulation.stepped_ledger import SteppedLedger
from tests.simulation.world import World

#: Production's times; grace, quarantine and runs are smaller, so that a run has few steps.
LIMITS = Limits(namespace="sim", run=2, grace=100.0, quarantine=300.0, sweep_lease=60.0)

#: Seconds: between two drives, between two sweeps, until a message not acknowledged comes back.
_DRIVE, _SWEEP, _REDELIVERED = 2.0, 60.0, 300.0

_WAKE_UP = (LOST, TWO, LATE)
_PROMISES = {names.WAKE_ISSUE: "?", names.WAKE_ACCEPT: "!", names.WAKE_REJECT: "!"}


@dataclass(frozen=True, slots=True)
class Message:
    """A wake-up: of one commission, or for whatever is due."""

    key: str | None
    promise: str


class Workers:
    """So many workers of one carrier each, and a sweeper beside them."""

    def __init__(
        self,
        world: World,
        ledger: SteppedLedger,
        raw: MemoryLedger,
        astakos: SimulatedAstakos,
        *,
        oracle: Oracle,
        count: int,
    ) -> None:
        self._world = world
        self._ledger = ledger
        self._raw = raw
        self._oracle = oracle
        self._carrier = Carrier(astakos, ledger, ledger.clock, LIMITS, _draw, self.ring, self.tell)
        self._sweep = Sweep(astakos, ledger, ledger.clock, LIMITS, self.ring)
        self._queue: deque[Message] = deque()
        self._hosts = [Host(f"w{i + 1}") for i in range(count)]
        self._busy: dict[str, str] = {}  # host: the carrier's name
        self._sweepers = [Host("sweeper1"), Host("sweeper2")]
        self._sweeping: set[str] = set()
        self._numbers = itertools.count(1)
        self._last_drive = self._last_sweep = world.clock.time
        self._swept = -1
        environment = world.environment
        environment.sweep, environment.drive = self.sweep, self.drive
        environment.next_event, environment.tick = self.next_event, self.tick

    # --- The queue ----------------------------------------------------------------------------

    def wake(self, task: str, service: str, key: str, version: int) -> bool:
        """Send the wake-up of one commission."""
        self._send(Message(key, key + _PROMISES[task]))
        return True

    def ring(self, _lane: str) -> None:
        """Send a wake-up for whatever is due."""
        self._send(Message(None, ANYONE))

    def tell(self, _callback: str, payload: dict[str, Any]) -> bool:
        """Hand a call-back to the broker, if it is there."""
        if self._world.step("tell", payload["key"], (AWAY,)) == AWAY:
            return False
        self._oracle.heard[payload["key"]].add(payload["state"])
        return True

    def _send(self, message: Message) -> None:
        fault = self._world.step("ring", message.key or "anyone", _WAKE_UP)
        if fault == LATE:
            self._world.at(self._world.clock.time + LATE.amount, lambda: self._put(message))
        elif fault != LOST:
            self._put(message)
        if fault == TWO:
            self._put(message)

    def _put(self, message: Message) -> None:
        self._queue.append(message)
        self._deliver()

    def _deliver(self) -> None:
        now = self._world.clock.time
        for i, host in enumerate(self._hosts):
            if not host.alive:
                self._hosts[i] = Host(host.name)
                self._busy.pop(host.name, None)
        for host in self._hosts:
            if self._queue and host.name not in self._busy and host.stopped <= now:
                self._task(host, self._queue.popleft())

    def _task(self, host: Host, message: Message) -> None:
        carrier = f"{host.name}:{self._name('task')}"
        self._busy[host.name] = carrier

        def body() -> None:
            with suppress(UnavailableError):  # the task has failed, and its message is gone
                self._carrier.carry(LANE, carrier, own=message.key, wake=message.promise)

        def ended() -> None:
            del self._busy[host.name]
            self._deliver()

        def crashed() -> None:
            self._deliver()
            again = self._world.clock.time + _REDELIVERED
            self._world.at(again, lambda: self._put(message))

        self._world.start(carrier, host, body, ended=ended, crashed=crashed)

    # --- Drive and sweep ----------------------------------------------------------------------

    def drive(self) -> None:
        """Start the drive of the first worker that does not stand still."""
        now = self._world.clock.time
        self._last_drive = now
        host = next((h for h in self._hosts if h.alive and h.stopped <= now), None)
        if host is None:
            return
        awake = [self._busy[host.name]] if host.name in self._busy else []

        def body() -> None:
            try:
                rings = self._ledger.beat({LANE: awake}, host.name, 2 * _DRIVE)
            except UnavailableError:
                return
            for lane, times in rings.items():
                for _ in range(times):
                    self.ring(lane)

        self._world.start(self._name("drive"), host, body, first=True, crashed=self._deliver)

    def sweep(self) -> None:
        """Start a sweep, on a host of its own: with two beats there may be two at once (F41)."""
        idle = [i for i, h in enumerate(self._sweepers) if h.name not in self._sweeping]
        if not idle:
            return
        host = self._sweepers[idle[0]]
        if not host.alive:
            host = self._sweepers[idle[0]] = Host(host.name)
        self._sweeping.add(host.name)
        self._last_sweep = self._world.clock.time
        name = self._name("sweep")

        def body() -> None:
            try:
                self._sweep.sweep(LANE, name)
            except (AstakosClientException, UnavailableError):
                return  # the next one does what this one did not

        def ended() -> None:
            self._swept = self._oracle.changes
            self._sweeping.discard(host.name)

        def crashed() -> None:
            self._sweeping.discard(host.name)

        self._world.start(name, host, body, first=True, ended=ended, crashed=crashed)

    # --- The time -----------------------------------------------------------------------------

    def next_event(self) -> float | None:
        """Return when a drive would find something; sweeps come along on the way."""
        due = self._raw.next_due()
        if due is None:
            return None
        somebody = min(host.stopped for host in self._hosts)
        return max(due, self._last_drive + _DRIVE, somebody)

    def tick(self, now: float) -> None:
        """Let live workers say that they are awake, and a sweep come if one is due."""
        awake = [self._busy[h.name] for h in self._hosts if h.name in self._busy]
        alive = [n for n in awake if self._stands(n.split(":")[0]) <= now]
        self._raw.beat({LANE: alive}, None, 0.0)
        if now - self._last_sweep >= _SWEEP and self._swept != self._oracle.changes:
            self.sweep()
        self._deliver()

    def situation(self) -> tuple[object, ...]:
        """Return all that tells how it goes on from here, but for the processes themselves."""
        now = self._world.clock.time
        return (
            list(self._queue),
            self._hosts,
            sorted(self._busy),
            self._sweepers,
            sorted(self._sweeping),
            max(now, self._last_drive + _DRIVE),
            max(now, self._last_sweep + _SWEEP),
            self._swept == self._oracle.changes,
        )

    def _stands(self, name: str) -> float:
        return next(host.stopped for host in self._hosts if host.name == name)

    def _name(self, what: str) -> str:
        return f"{what}{next(self._numbers)}"


def _draw() -> float:
    return 0.5
