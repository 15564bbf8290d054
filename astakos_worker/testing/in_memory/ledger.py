"""The ledger in memory, which can be away as a server can: a service has to live with that."""

from collections.abc import Iterable, Mapping, Sequence

from astakos_worker.configuration.settings import Settings
from astakos_worker.ledger.contract import Entry, UnavailableError, WakeupPolicy, Write, Written
from astakos_worker.ledger.memory.store import MemoryLedger
from astakos_worker.ledger.record import Decision
from astakos_worker.testing.in_memory.clock import StandingClock


class InMemoryLedger(MemoryLedger):
    """While `away`, each call of a service raises, after the patience that it would have cost."""

    def __init__(self, clock: StandingClock, settings: Settings) -> None:
        super().__init__(
            clock,
            # Every call is carried on the spot, so every call has to say that it is there.
            wakeups=WakeupPolicy(coalesce=False),
            retention=settings.retention,
            bare_retention=settings.bare_retention,
        )
        self.away = False
        self._patience = settings.patience
        self._time = clock

    def cas(self, writes: Sequence[Write]) -> list[Written]:
        """Write each whose version still stands."""
        self._answer()
        return super().cas(writes)

    def decide(self, lane: str, decisions: Mapping[str, Decision]) -> dict[str, Written]:
        """Set the write-once cell of each key."""
        self._answer()
        return super().decide(lane, decisions)

    def get(self, lane: str, keys: Iterable[str]) -> dict[str, Entry]:
        """Return the records of these keys, as far as there are any."""
        self._answer()
        return super().get(lane, keys)

    def find(self, lane: str, serials: Iterable[int]) -> dict[int, str]:
        """Return the keys whose records have these serials, twins included."""
        self._answer()
        return super().find(lane, serials)

    def _answer(self) -> None:
        if self.away:
            self._time.move(self._time.now() + self._patience)
            raise UnavailableError("the ledger is away, as the test wants it")
