"""The state of a running demonstration: many threads write it, and one shows it.

The threads share nothing but `RunState`. A `Snapshot` is a copy of the state at one moment.
"""

import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field, replace

from astakos_worker.demo.plan import PlannedCommission
from astakos_worker.demo.proof import CallerView

#: Seconds over which the rate of calls is taken.
_WINDOW = 2.0
_KEPT = 200


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts of the ledger and Astakos. A view shows them; the proof does not use them."""

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
        """Return how many commissions are pending in Astakos."""
        return self.issued - self.accepted - self.rejected


@dataclass(frozen=True, slots=True)
class RunMessage:
    """A message about the run; `at` is in seconds after the start."""

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
    messages: tuple[RunMessage, ...] = ()
    messages_so_far: int = 0  # of all messages; only the latest are kept in `messages`
    flower: str | None = None

    @property
    def ended(self) -> int:
        """Return of how many commissions the service knows the end."""
        return sum(self.ends.values())


class RunState:
    """The calls, ends, faults and messages of one run. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._snapshot = Snapshot()
        self._views: dict[str, CallerView] = {}
        self._enqueued: deque[tuple[float, int]] = deque()
        self._messages: deque[RunMessage] = deque(maxlen=_KEPT)
        self._count = 0

    @property
    def seconds(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self._began

    def snapshot(self) -> Snapshot:
        """Return a copy of the present state."""
        with self._lock:
            return replace(
                self._snapshot,
                seconds=self.seconds,
                keys=len(self._views),
                rate=self._rate(),
                ends=Counter(self._snapshot.ends),
                faults=Counter(self._snapshot.faults),
                messages=tuple(self._messages),
                messages_so_far=self._count,
            )

    def say(self, text: str, style: str = "") -> None:
        """Add a message."""
        with self._lock:
            self._messages.append(RunMessage(self.seconds, text, style))
            self._count += 1

    def enter(self, phase: str, *, flower: str | None = None) -> None:
        """Begin a phase."""
        with self._lock:
            self._snapshot = replace(
                self._snapshot, phase=phase, flower=flower or self._snapshot.flower
            )

    def expect_calls(self, count: int) -> None:
        """Set how many calls the service will make."""
        with self._lock:
            self._snapshot = replace(self._snapshot, wanted=count)

    def opened(self, key: str, planned: PlannedCommission) -> bool:
        """Note that a commission was enqueued; return False if its key was enqueued before."""
        with self._lock:
            self._snapshot = replace(self._snapshot, enqueued=self._snapshot.enqueued + 1)
            self._enqueued.append((time.monotonic(), self._snapshot.enqueued))
            if key in self._views:
                return False
            self._views[key] = CallerView(key, planned.charges, planned.ends)
            return True

    def given_up(self, key: str) -> None:
        """Note that a commission expired, as the service was told: it must not be accepted."""
        with self._lock:
            ends = frozenset({"rejected", "cancelled"})
            self._views[key] = replace(self._views[key], ends=ends)

    def ended(self, key: str, end: str, serial: int | None, note: str = "") -> None:
        """Note the end of a commission, as the service was told it."""
        with self._lock:
            view = self._views[key]
            if view.end is None:
                self._snapshot.ends[end] += 1
            self._views[key] = replace(view, end=end, serial=serial, note=note)

    def failed(self, key: str, note: str) -> None:
        """Note why the service was told no end of a commission."""
        with self._lock:
            if key in self._views:
                self._views[key] = replace(self._views[key], note=note)

    def retried(self) -> None:
        """Count a call that was repeated because the ledger was away."""
        with self._lock:
            self._snapshot = replace(self._snapshot, retried=self._snapshot.retried + 1)

    def count_fault(self, what: str, count: int = 1) -> None:
        """Count faults of one kind."""
        with self._lock:
            self._snapshot.faults[what] += count

    def set_counts(self, counts: Counts) -> None:
        """Set the present counts of the ledger and Astakos."""
        with self._lock:
            self._snapshot = replace(self._snapshot, counts=counts)

    def caller_views(self) -> list[CallerView]:
        """Return what the service was told of each of its commissions."""
        with self._lock:
            return list(self._views.values())

    @property
    def waiting(self) -> bool:
        """Return whether there is a commission whose end the service still waits for."""
        with self._lock:
            return any(view.end is None and not view.note for view in self._views.values())

    def _rate(self) -> float:
        now = time.monotonic()
        while self._enqueued and self._enqueued[0][0] < now - _WINDOW:
            self._enqueued.popleft()
        return len(self._enqueued) / _WINDOW
