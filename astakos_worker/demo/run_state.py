"""What is known of a running demonstration: written by many threads, shown by one.

`RunState` is the only thing that they share; a `Snapshot` is a copy of it at one moment.
"""

import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field, replace

from astakos_worker.demo.plan import PlannedCommission
from astakos_worker.demo.proof import CallerView

#: Seconds over which the rate is taken.
_WINDOW = 2.0
_KEPT = 200


@dataclass(frozen=True, slots=True)
class Counts:
    """How ledger and Astakos stand; numbers for a view, of which nothing is concluded."""

    due: int = 0
    open: int = 0
    with_serial: int = 0
    awake: int = 0
    away: str = ""  # why there are no fresh numbers
    issued: int = 0
    accepted: int = 0
    rejected: int = 0
    requests: int = 0

    @property
    def pending(self) -> int:
        """Return how many commissions Astakos holds."""
        return self.issued - self.accepted - self.rejected


@dataclass(frozen=True, slots=True)
class Message:
    """Something worth telling, so many seconds after the start."""

    at: float
    text: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of the run at one moment."""

    phase: str = "start"
    seconds: float = 0.0
    wanted: int = 0
    enqueued: int = 0
    keys: int = 0
    rate: float = 0.0
    ends: Counter[str] = field(default_factory=Counter)
    retried: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    counts: Counts = field(default_factory=Counts)
    messages: tuple[Message, ...] = ()
    messages_so_far: int = 0  # those that are not kept included
    flower: str | None = None

    @property
    def told(self) -> int:
        """Return how many commissions know their end."""
        return sum(self.ends.values())


class RunState:
    """Everything that happens is written here."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._snapshot = Snapshot()
        self._told: dict[str, CallerView] = {}
        self._enqueued: deque[tuple[float, int]] = deque()
        self._messages: deque[Message] = deque(maxlen=_KEPT)
        self._count = 0

    @property
    def seconds(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self._began

    def snapshot(self) -> Snapshot:
        """Return how everything stands now."""
        with self._lock:
            return replace(
                self._snapshot,
                seconds=self.seconds,
                keys=len(self._told),
                rate=self._rate(),
                ends=Counter(self._snapshot.ends),
                faults=Counter(self._snapshot.faults),
                messages=tuple(self._messages),
                messages_so_far=self._count,
            )

    def say(self, text: str, style: str = "") -> None:
        """Tell what just happened."""
        with self._lock:
            self._messages.append(Message(self.seconds, text, style))
            self._count += 1

    def enter(self, phase: str, *, flower: str | None = None) -> None:
        """Begin a phase."""
        with self._lock:
            self._snapshot = replace(
                self._snapshot, phase=phase, flower=flower or self._snapshot.flower
            )

    def expect_calls(self, count: int) -> None:
        """Say how many calls the service will make."""
        with self._lock:
            self._snapshot = replace(self._snapshot, wanted=count)

    def opened(self, key: str, planned: PlannedCommission) -> bool:
        """Note that a commission was enqueued; False if it was before, under the same key."""
        with self._lock:
            self._snapshot = replace(self._snapshot, enqueued=self._snapshot.enqueued + 1)
            self._enqueued.append((time.monotonic(), self._snapshot.enqueued))
            if key in self._told:
                return False
            self._told[key] = CallerView(key, planned.charges, planned.ends)
            return True

    def given_up(self, key: str) -> None:
        """Note that the service was told that its commission had expired: it is not accepted."""
        with self._lock:
            ends = frozenset({"rejected", "cancelled"})
            self._told[key] = replace(self._told[key], ends=ends)

    def ended(self, key: str, end: str, serial: int | None, note: str = "") -> None:
        """Note what the service was told came of a commission."""
        with self._lock:
            told = self._told[key]
            if told.end is None:
                self._snapshot.ends[end] += 1
            self._told[key] = replace(told, end=end, serial=serial, note=note)

    def failed(self, key: str, note: str) -> None:
        """Note why the service was told nothing of a commission."""
        with self._lock:
            if key in self._told:
                self._told[key] = replace(self._told[key], note=note)

    def retried(self) -> None:
        """Count a call that was made again, since the ledger was away."""
        with self._lock:
            self._snapshot = replace(self._snapshot, retried=self._snapshot.retried + 1)

    def count_fault(self, what: str, count: int = 1) -> None:
        """Count what was done behind the service's back."""
        with self._lock:
            self._snapshot.faults[what] += count

    def set_counts(self, counts: Counts) -> None:
        """Note fresh numbers of ledger and Astakos."""
        with self._lock:
            self._snapshot = replace(self._snapshot, counts=counts)

    def told(self) -> list[CallerView]:
        """Return what the service was told of each of its commissions."""
        with self._lock:
            return list(self._told.values())

    @property
    def waiting(self) -> bool:
        """Return whether there is a commission of which more is to be heard."""
        with self._lock:
            return any(told.end is None and not told.note for told in self._told.values())

    def _rate(self) -> float:
        now = time.monotonic()
        while self._enqueued and self._enqueued[0][0] < now - _WINDOW:
            self._enqueued.popleft()
        return len(self._enqueued) / _WINDOW
