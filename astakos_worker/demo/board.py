"""What is known of a running demonstration: written by many threads, shown by one.

`Board` is the only thing that they share; a `Scene` is a copy of it at one moment.
"""

import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field, replace

from astakos_worker.demo.plan import Intent
from astakos_worker.demo.proof import Told

#: Seconds over which the rate is taken.
_WINDOW = 2.0
_KEPT = 200


@dataclass(frozen=True, slots=True)
class Standing:
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
class Happening:
    """Something worth telling, so many seconds after the start."""

    at: float
    text: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class Scene:
    """The board at one moment."""

    phase: str = "start"
    seconds: float = 0.0
    wanted: int = 0
    enqueued: int = 0
    keys: int = 0
    rate: float = 0.0
    ends: Counter[str] = field(default_factory=Counter)
    retried: int = 0
    mischief: Counter[str] = field(default_factory=Counter)
    standing: Standing = field(default_factory=Standing)
    happenings: tuple[Happening, ...] = ()
    told_of: int = 0  # happenings so far, those that are not kept included
    flower: str | None = None

    @property
    def told(self) -> int:
        """Return how many commissions know their end."""
        return sum(self.ends.values())


class Board:
    """Everything that happens is written here."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._scene = Scene()
        self._told: dict[str, Told] = {}
        self._enqueued: deque[tuple[float, int]] = deque()
        self._happenings: deque[Happening] = deque(maxlen=_KEPT)
        self._count = 0

    @property
    def seconds(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self._began

    def scene(self) -> Scene:
        """Return how everything stands now."""
        with self._lock:
            return replace(
                self._scene,
                seconds=self.seconds,
                keys=len(self._told),
                rate=self._rate(),
                ends=Counter(self._scene.ends),
                mischief=Counter(self._scene.mischief),
                happenings=tuple(self._happenings),
                told_of=self._count,
            )

    def say(self, text: str, style: str = "") -> None:
        """Tell what just happened."""
        with self._lock:
            self._happenings.append(Happening(self.seconds, text, style))
            self._count += 1

    def enter(self, phase: str, *, flower: str | None = None) -> None:
        """Begin a phase."""
        with self._lock:
            self._scene = replace(self._scene, phase=phase, flower=flower or self._scene.flower)

    def want(self, count: int) -> None:
        """Say how many calls the service will make."""
        with self._lock:
            self._scene = replace(self._scene, wanted=count)

    def opened(self, key: str, intent: Intent) -> bool:
        """Note that a commission was enqueued; False if it was before, under the same key."""
        with self._lock:
            self._scene = replace(self._scene, enqueued=self._scene.enqueued + 1)
            self._enqueued.append((time.monotonic(), self._scene.enqueued))
            if key in self._told:
                return False
            self._told[key] = Told(key, intent.charges, intent.ends)
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
                self._scene.ends[end] += 1
            self._told[key] = replace(told, end=end, serial=serial, note=note)

    def failed(self, key: str, note: str) -> None:
        """Note why the service was told nothing of a commission."""
        with self._lock:
            if key in self._told:
                self._told[key] = replace(self._told[key], note=note)

    def retried(self) -> None:
        """Count a call that was made again, since the ledger was away."""
        with self._lock:
            self._scene = replace(self._scene, retried=self._scene.retried + 1)

    def meddled(self, what: str, count: int = 1) -> None:
        """Count what was done behind the service's back."""
        with self._lock:
            self._scene.mischief[what] += count

    def stands(self, standing: Standing) -> None:
        """Note fresh numbers of ledger and Astakos."""
        with self._lock:
            self._scene = replace(self._scene, standing=standing)

    def told(self) -> list[Told]:
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
