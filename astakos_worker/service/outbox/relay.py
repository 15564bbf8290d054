"""The relay: a process that sends the rows that the threads of services have left.

Many may run. On PostgreSQL they share the projects; on SQLite one works, and the others wait. The
relay looks often while there is something to send, and less often while there is nothing: a
notification at each commit would make all commits of the database wait for one lock.
"""

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from astakos_worker.configuration.event_log import EventLog
from astakos_worker.configuration.settings import Settings
from astakos_worker.ledger.contract import LedgerError
from astakos_worker.service.connect import connected
from astakos_worker.service.connections import Connections
from astakos_worker.service.errors import Unavailable
from astakos_worker.service.outbox.batch import send_batch
from astakos_worker.service.outbox.databases import Outbox, run

log = EventLog(__name__)

#: Seconds between two looks: the first, and the longest while nothing is to be sent.
_SOON, _IDLE = 0.05, 1.0
#: The longest pause while the ledger or the database does not answer.
_AWAY = 5.0
#: Seconds between two counts of what waits and what has failed.
_COUNTS = 5.0


@dataclass(slots=True)
class Progress:
    """What a relay has done, and how the outbox stands: `oldest` in seconds."""

    sent: int = 0
    failed: int = 0  # rows that need a person, found by this relay or another process
    waiting: int = 0
    oldest: float = 0.0
    away: str = ""  # why nothing can be sent now


class Relay:
    """Sends rows until it is stopped."""

    def __init__(
        self,
        outbox: Outbox,
        settings: Settings,
        *,
        services: Sequence[str] = (),
        connections: Callable[[str], Connections] | None = None,
        report: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        self.progress = Progress()
        self._outbox = outbox
        self._settings = settings
        self._services = services
        self._connections = connections or (lambda _: connected(settings))
        self._report = report
        self._alarms: set[str] = set()
        self._counted = 0.0

    def run(self, stop: threading.Event) -> None:
        """Send until `stop` is set; report every few seconds, and at the end."""
        pause = _SOON
        while not stop.is_set():
            if self._send():
                pause = _SOON
                continue
            self._count(within=_COUNTS)
            stop.wait(pause * (0.75 + random.random() / 2))  # noqa: S311
            pause = min(pause * 2, _AWAY if self.progress.away else _IDLE)
        self._count(within=0)
        self._outbox.close()

    def run_once(self, stop: threading.Event) -> None:
        """Send what can be sent now, and end."""
        while not stop.is_set() and self._send():
            self._count(within=_COUNTS)
        self._count(within=0)
        self._outbox.close()

    # --- Inside -------------------------------------------------------------------------------

    def _send(self) -> bool:
        """Send one batch; return whether there may be more to send at once."""
        try:
            out = send_batch(self._outbox, self._settings, self._connections, self._services)
        except Unavailable as error:
            return self._away(error)
        except Exception as error:  # noqa: BLE001  # the database: its drivers share no class
            return self._away(error)
        self.progress.sent += len(out.done)
        for number, error_text in out.failed.items():
            log.error("outbox_row_failed", id=number, error=error_text)
        if out.away is not None:
            return self._away(out.away)
        self.progress.away = ""
        return bool(out.done or out.failed)

    def _away(self, error: Exception) -> bool:
        text = str(error) or type(error).__name__
        if text != self.progress.away:
            log.warning("outbox_waits", error=text)
        self.progress.away = text
        return False

    def _count(self, within: float) -> None:
        """Count what waits and what has failed, unless that was done just now; report it."""
        if time.monotonic() - self._counted < within:
            return
        self._counted = time.monotonic()
        try:
            [(self.progress.waiting, self.progress.oldest)] = run(self._outbox, "waiting")
            failed = {service: int(n) for service, n in run(self._outbox, "failed")}
        except Exception as error:  # noqa: BLE001  # as in `_send`
            self._away(error)
        else:
            self.progress.failed = sum(failed.values())
            with suppress(LedgerError):  # the next count says it
                self._alarm(failed)
        self._report(self.progress)

    def _alarm(self, failed: dict[str, int]) -> None:
        """Raise an alarm for each service with failed rows, and end those of others."""
        for service in failed.keys() | self._alarms:
            text = None
            if service in failed:
                text = f"{failed[service]} rows can never be sent: astakos-worker outbox list"
            ledger = self._connections(service).ledger
            ledger.alarm(service, "outbox", text)
        self._alarms = set(failed)


@contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """Give an event that Ctrl-C and a service manager's SIGTERM set: the current batch is ended."""
    stop = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
