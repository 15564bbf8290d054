"""`Commissions` over connections in memory, and what a test steers beside it."""

from collections.abc import Mapping

from astakos_worker.configuration.settings import Settings
from astakos_worker.service.arguments import checked_seconds, checked_service
from astakos_worker.service.commissions import Commissions
from astakos_worker.service.connections import Connections
from astakos_worker.testing.in_memory.astakos import InMemoryAstakos
from astakos_worker.testing.in_memory.clock import StandingClock
from astakos_worker.testing.in_memory.ledger import InMemoryLedger
from astakos_worker.testing.in_memory.workers import InMemoryWorkers


class InMemoryCommissions(Commissions):
    """`Commissions` for unit tests; see `Commissions.in_memory()`, which makes it.

    `astakos`, `workers` and `ledger` each have a switch `away`; `astakos` has the faults.
    """

    def __init__(
        self,
        limits: Mapping[str, int] | None = None,
        *,
        service: str = "default",
        settings: Settings | None = None,
    ) -> None:
        # A unit test must not depend on the environment of its run.
        settings = settings or Settings.model_construct()
        clock = self._clock = StandingClock()
        self.ledger: InMemoryLedger = InMemoryLedger(clock, settings)
        self.astakos: InMemoryAstakos = InMemoryAstakos(clock, limits)
        self.workers: InMemoryWorkers = InMemoryWorkers(
            checked_service(service), settings, clock, self.ledger, self.astakos
        )
        connections = Connections(self.ledger, self.workers, self.workers)
        super().__init__(service, settings=settings, connections=connections)

    @property
    def now(self) -> float:
        """The time of this ledger, in seconds since the epoch. It stands still between calls."""
        return self._clock.now()

    def advance(self, seconds: float) -> None:
        """Let time pass: work that falls due is done, deadlines expire, sweeps run."""
        self.workers.advance(checked_seconds("seconds", seconds))
