"""The heartbeat of one worker process: it writes to the ledger which carriers are alive.

One thread beats every `ASTAKOS_HEARTBEAT` seconds. Every `ASTAKOS_DRIVE` seconds it also drives:
the ledger names the lanes with due work that no carrier has, and a wake-up is sent for each. One
process at a time drives, under a lease. An outage of the ledger ends neither.
"""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from astakos_worker.configuration.event_log import EventLog
from astakos_worker.engine.ports import WakeLane
from astakos_worker.ledger.contract import Ledger, LedgerError

log = EventLog(__name__)


class Heartbeat:
    """Counts the carriers at work in this process, and writes them to the ledger.

    `watches` are called with each drive, one after the other. Each raises `LedgerError` while the
    ledger is away.

    `name` is the process's own: it holds the lease of the drive by it. `every` and `drive` are
    seconds.
    """

    def __init__(
        self,
        ledger: Ledger,
        watches: Sequence[Callable[[], None]],
        wake_lane: WakeLane,
        *,
        name: str,
        every: float,
        drive: float,
    ) -> None:
        self._ledger = ledger
        self._watches = watches
        self._wake_lane = wake_lane
        self._name = name
        self._every = every
        self._drive = drive
        self._at_work: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._run, name="astakos-heartbeat", daemon=True).start()

    def stop(self) -> None:
        """End the thread, after the beat that it may be in."""
        self._ended.set()

    @contextmanager
    def at_work(self, service: str, carrier: str) -> Iterator[None]:
        """Count a carrier as alive while the block runs.

        A message that came twice may be carried twice at once, under one name; the carrier counts
        until both have ended.
        """
        with self._lock:
            self._at_work[service][carrier] += 1
        try:
            yield
        finally:
            with self._lock:
                carriers = self._at_work[service]
                carriers[carrier] -= 1
                if not carriers[carrier]:
                    del carriers[carrier]

    def _run(self) -> None:
        since_drive = self._drive
        while not self._ended.wait(self._every):
            since_drive += self._every
            drives = since_drive >= self._drive
            try:
                self.beat(drives=drives)
            except LedgerError as error:
                log.warning("heartbeat_missed", error=str(error))
            except Exception:  # without the thread, a process that works would count as dead
                log.exception("heartbeat_failed")
            else:
                since_drive = 0.0 if drives else since_drive

    def beat(self, *, drives: bool) -> None:
        """Write which carriers are alive; if this beat drives, also send wake-ups, and watch."""
        with self._lock:
            alive = {lane: list(names) for lane, names in self._at_work.items() if names}
        wakeups = self._ledger.beat(alive, self._name if drives else None, 2 * self._drive)
        for service, times in wakeups.items():
            for _ in range(times):
                self._wake_lane(service)
        for watch in self._watches if drives else ():
            try:
                watch()
            except LedgerError as error:
                log.warning("watch_missed", error=str(error))
