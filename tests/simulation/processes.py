"""The parts of a simulated world: hosts, their processes, the time, and the record of a step."""

from collections.abc import Callable
from dataclasses import dataclass

from greenlet import greenlet

from tests.simulation.schedule import Fault


class Crashed(BaseException):
    """Raised in a process whose host is dead, at each effect that it still attempts."""


class Violation(BaseException):
    """Raised where a promise is broken; no code under test catches it."""


@dataclass(eq=False, slots=True)
class Host:
    """What dies at once. A worker's host is replaced by a new one under the same name."""

    name: str
    alive: bool = True
    stopped: float = 0.0  # stands still until then


@dataclass(eq=False, slots=True)
class Process:
    """A greenlet and what it waits for."""

    name: str
    host: Host
    greenlet: greenlet
    crashed: Callable[[], None]
    until: float | None = None  # asleep until then
    when: Callable[[], bool] | None = None  # or until this holds

    def ready(self, now: float) -> bool:
        """Return whether it can go on."""
        if self.host.stopped > now:
            return False
        if self.until is None or self.until <= now:
            return True
        return self.when is not None and self.when()


@dataclass(frozen=True, slots=True)
class Seen:
    """One step as a trace shows it."""

    number: int
    at: float
    process: str
    kind: str
    what: str
    options: tuple[Fault, ...]
    fault: Fault | None

    def __str__(self) -> str:
        fault = f"   <== {self.fault}" if self.fault else ""
        at = f"{self.number:4} {self.at - STARTED:9.3f}"
        return f"{at} {self.process:12} {self.kind:8} {self.what}{fault}"


#: The time when a run begins: far beyond any number of seconds that something takes.
STARTED = 1_000_000.0


class SimulatedClock:
    """The store's time. Reading it is no step: that is what `World.read_clock` is for."""

    def __init__(self) -> None:
        self.time = STARTED

    def now(self) -> float:
        """Return the simulated seconds."""
        return self.time
