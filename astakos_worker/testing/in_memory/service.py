"""The face that services know, over connections in memory, with handles for the test beside it."""

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
    """`Commissions` for unit tests; made by `Commissions.in_memory()`, where the rest is told.

    `astakos`, `workers` and `ledger` each have a switch `away`, and `astakos` what goes wrong.
    """

    def __init__(
        self,
        limits: Mapping[str, int] | None = None,
        *,
        service: str = "default",
        settings: Settings | None = None,
    ) -> None:
        # A unit test must not depend on the environment that it happens to run in.
        settings = settings or Settings.model_construct()
        clock = self._clock = StandingClock()
        self.ledger = InMemoryLedger(clock, settings)
        self.astakos = InMemoryAstakos(clock, limits)
        self.workers = InMemoryWorkers(
            checked_service(service), settings, clock, self.ledger, self.astakos
        )
        connections = Connections(self.ledger, self.workers, self.workers)
        super().__init__(service, settings=settings, connections=connections)

    @property
    def now(self) -> float:
        """What the time is here, in seconds since the epoch: it stands still between calls."""
        return self._clock.now()

    def advance(self, seconds: float) -> None:
        """Let time pass: what falls due is done, deadlines expire, the sweep comes by."""
        self.workers.advance(checked_seconds("seconds", seconds))
