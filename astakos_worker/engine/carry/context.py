"""What the parts of one carry share: client, ledger, clock, limits, and the events to record."""

from dataclasses import dataclass, field

from astakos_worker.engine.breaker import CircuitBreaker
from astakos_worker.engine.journal import EventWrite, Journal
from astakos_worker.engine.lane_memory import LaneMemory
from astakos_worker.engine.ports import Astakos, Draw, Explain, Limits
from astakos_worker.ledger.contract import Clock, Entry, Ledger
from astakos_worker.ledger.events import Event
from astakos_worker.ledger.record import Record


@dataclass(slots=True)
class CarryContext:
    """One carry of one lane.

    `events` are to be written with the next claim. The parts append to it as answers come, so
    that a crash of this code loses no answer: see `Carrier.carry`.
    """

    lane: str
    astakos: Astakos
    ledger: Ledger
    clock: Clock
    limits: Limits
    draw: Draw
    memory: LaneMemory
    journal: Journal
    breaker: CircuitBreaker
    explain: Explain
    events: list[EventWrite] = field(default_factory=list)

    def record(self, entry: Entry, event: Event | None) -> None:
        """Write an event with the next claim; None gives the record back unchanged."""
        self.events.append(EventWrite(entry, event))

    def retry_at(self, record: Record) -> float:
        """Return when to try a record again: later after each failure."""
        return self.clock.now() + self.limits.backoff(record.attempts, self.draw)
