"""Wake-ups: Celery messages that say "there is work in the ledger", and nothing else.

A lost wake-up costs time, and a second one costs nothing. So sending never raises and never makes
its caller wait. The workers' drive finds the work of a wake-up that was not sent.
"""

import atexit
import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Protocol
from urllib.parse import quote

from astakos_worker.configuration import names
from astakos_worker.configuration.event_log import EventLog
from astakos_worker.ledger.record import is_bare, shown
from astakos_worker.service.loading import LOADING

log = EventLog(__name__)

#: Wake-ups that may wait to be sent, about. One for each lane would be enough.
_MOST = 1000


@dataclass(frozen=True, slots=True)
class Message:
    """A Celery message: the name of its task, and where it goes."""

    task: str
    kwargs: dict[str, Any]
    task_id: str | None = None
    queue: str = names.COMMISSIONS


class Sends(Protocol):
    """Sends messages through the broker."""

    def send(self, message: Message) -> bool:
        """Send a message; False if the broker does not answer. Any thread may call it."""

    def send_fast(self, message: Message) -> None:
        """Send a message, or not if the broker does not answer. One thread alone may call it."""


class Waker:
    """Sends wake-ups in a thread of its own.

    The work is in the ledger already, so no caller waits for the broker: neither a request handler
    nor a carrier that has claimed records. At the end of the process the waiting wake-ups are sent,
    for as long as the patience lasts. `make` is called once, in that thread, before the first
    wake-up: what it loads costs no caller any time.
    """

    def __init__(self, make: Callable[[], Sends], *, patience: float = 1.0) -> None:
        self._make = make
        self._made: Sends | None = None
        self._patience = patience
        self._lock = threading.Lock()
        self._waiting: SimpleQueue[Message | threading.Event] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def wake(self, task: str, service: str, key: str, version: int) -> None:
        """Have the wake-up of one commission sent."""
        verb = task.rsplit(".", 1)[-1]
        label = shown(key).replace(" ", "-") if is_bare(key) else quote(key, safe="/:@+=,")
        task_id = f"{service}:{label}:{verb}:{version}"
        self._later(Message(task, {"service": service, "key": key}, task_id))

    def wake_lane(self, service: str) -> None:
        """Have a wake-up sent for all that is due on a lane."""
        self._later(Message(names.WAKE_DRIVE, {"service": service}))

    def flush(self) -> None:
        """Wait until all waiting wake-ups are sent, but no longer than the patience."""
        if not self._serving:
            return
        sent = threading.Event()
        self._waiting.put(sent)
        sent.wait(self._patience)

    # --- Inside -------------------------------------------------------------------------------

    @property
    def _serving(self) -> bool:
        """Whether the thread runs. After a fork the child has none."""
        return self._thread is not None and self._thread.is_alive()

    def _later(self, message: Message) -> None:
        if self._waiting.qsize() < _MOST:  # the drive finds the rest
            self._waiting.put(message)
        if not self._serving:
            self._start()

    def _start(self) -> None:
        with self._lock:
            if self._serving:
                return
            atexit.register(self.flush)
            self._thread = threading.Thread(
                target=self._serve, name="astakos-wake-ups", daemon=True
            )
            self._thread.start()

    def _serve(self) -> None:
        while True:
            message = self._waiting.get()
            if isinstance(message, threading.Event):
                message.set()
                continue
            try:
                self._sender().send_fast(message)
            except Exception:  # the thread goes on after any error of one wake-up
                log.exception("wake_up_not_sent", task=message.task)

    def _sender(self) -> Sends:
        with LOADING:
            if self._made is None:
                self._made = self._make()
            return self._made
