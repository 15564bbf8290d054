"""The ledger in memory, with an outage that a test switches on."""

from collections.abc import Iterable, Mapping, Sequence

from astakos_worker.configuration.settings import Settings
from astakos_worker.ledger.contract import Entry, UnavailableError, WakeupPolicy, Write, Written
from astakos_worker.ledger.memory.store import MemoryLedger
from astakos_worker.ledger.record import Decision
from astakos_worker.testing.in_memory.clock import StandingClock


class InMemoryLedger(MemoryLedger):
    """While `away`, each call of a service takes the patience, and then raises.

    While `full`, no new commission is taken: `LedgerFull`.
    """

    def __init__(self, clock: StandingClock, settings: Settings) -> None:
        super().__init__(
            clock,
            # Each call is carried out at once, so each call needs a wake-up.
            wakeups=WakeupPolicy(coalesce=False),
            retention=settings.retention,
            bare_retention=settings.bare_retention,
        )
        self.away: bool = False
        self.full: bool = False
        self._patience = settings.patience
        self._time = clock

    def cas(self, writes: Sequence[Write]) -> list[Written]:
        """Do each write if its version is still the record's."""
        self._answer()
        if not self.full:
            return super().cas(writes)
        answers = iter(super().cas([write for write in writes if not write.makes]))
        return [Written(False, None, full=True) if one.makes else next(answers) for one in writes]

    def decide(
        self,
        lane: str,
        decisions: Mapping[str, Decision],
        incarnations: Mapping[str, str] | None = None,
    ) -> dict[str, Written]:
        """Set the write-once cell of each key."""
        self._answer()
        return super().decide(lane, decisions, incarnations)

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
            raise UnavailableError("the test says that the ledger is away")
