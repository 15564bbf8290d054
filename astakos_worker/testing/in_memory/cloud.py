"""What `ASTAKOS_LEDGER_URL=memory://` stands for: a ledger, workers and an Astakos of this process.

All services of the process share them, each with a lane of its own. So a service whose modules make
`Commissions()` and `Lookups()` when they are imported is tested as it is.
"""

import os
import threading
from collections.abc import Callable, Mapping

from astakos_worker.configuration.settings import Settings
from astakos_worker.ledger.contract import Entry
from astakos_worker.service.arguments import checked_seconds
from astakos_worker.service.connections import Connections
from astakos_worker.testing.in_memory.astakos import InMemoryAstakos
from astakos_worker.testing.in_memory.clock import StandingClock
from astakos_worker.testing.in_memory.ledger import InMemoryLedger
from astakos_worker.testing.in_memory.lookups import InMemoryAsks
from astakos_worker.testing.in_memory.workers import InMemoryWorkers


class InMemoryCloud:
    """A ledger, workers, an Astakos and its users: what a test steers.

    `astakos`, `ledger` and `lookups` each have a switch `away`, and so has `workers(service)`.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.RLock()
        self._clock = StandingClock()
        self.astakos: InMemoryAstakos = InMemoryAstakos(self._clock)
        self.ledger: InMemoryLedger = InMemoryLedger(self._clock, settings)
        self.lookups: InMemoryAsks = InMemoryAsks(self.astakos)
        self._lanes: dict[str, InMemoryWorkers] = {}
        self.connections: Connections = Connections(self.ledger, self, self)

    def reset(self, limits: Mapping[str, int] | None = None) -> None:
        """Forget all commissions, users, faults and limits.

        `limits`: `{resource: limit of each user in each project}`; None: no limits. Objects that
        were made before, `Commissions()` and `Lookups()`, go on with the empty cloud.
        """
        with self._lock:
            self._clock = StandingClock()
            self.astakos = InMemoryAstakos(self._clock, limits)
            self.ledger = InMemoryLedger(self._clock, self._settings)
            self.lookups.reset(self.astakos)
            self._lanes = {}
            self.connections.ledger = self.ledger

    @property
    def now(self) -> float:
        """The time of this cloud, in seconds since the epoch. It stands still between calls."""
        return self._clock.now()

    def workers(self, service: str = "default") -> InMemoryWorkers:
        """Return the workers of a named service."""
        with self._lock:
            if service not in self._lanes:
                self._lanes[service] = InMemoryWorkers(
                    service, self._settings, self._clock, self.ledger, self.astakos
                )
            return self._lanes[service]

    def advance(self, seconds: float) -> None:
        """Let time pass: work that falls due is done, deadlines expire, sweeps run."""
        end = self.now + checked_seconds("seconds", seconds)
        while True:
            lanes = list(self._lanes.values())
            for workers in lanes:
                workers.do_what_is_due()
            if self.now >= end:
                return
            self._clock.move(min([end, *(workers.next_due() for workers in lanes)]))

    # --- For the calls ------------------------------------------------------------------------

    def wake(self, task: str, service: str, key: str, version: int) -> None:
        """Do at once all that is due."""
        self.workers(service).wake(task, service, key, version)

    def wait(
        self, lane: str, key: str, done: Callable[[Entry], bool], timeout: float
    ) -> tuple[Entry | None, bool]:
        """Return the record and whether it is done; after `timeout` seconds, as it is then."""
        return self.workers(lane).wait(lane, key, done, timeout)


_made: list[InMemoryCloud] = []
_lock = threading.Lock()


def the_cloud(settings: Settings) -> InMemoryCloud:
    """Return the cloud of this process; the first call makes it."""
    with _lock:
        if not _made:
            _made.append(InMemoryCloud(settings))
        return _made[0]


def _forget() -> None:
    global _lock  # noqa: PLW0603  # a thread of the parent may hold the lock
    _lock = threading.Lock()
    _made.clear()


os.register_at_fork(after_in_child=_forget)
