"""Wake-ups: Celery messages that say "there is work in the ledger", and nothing else.

A lost wake-up costs time, and a second one costs nothing. So sending never raises and never makes
its caller wait. The workers' drive finds the work of a wake-up that was not sent.
"""

import atexit
import threading
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any
from urllib.parse import quote

import redis
import structlog
from celery import Celery
from kombu.exceptions import KombuError

from astakos_worker.configuration import names
from astakos_worker.configuration.celery_app import CeleryApp
from astakos_worker.configuration.settings import Settings
from astakos_worker.ledger.record import is_bare, shown
from astakos_worker.service.server_breaker import CircuitOpenError, ServerBreaker

log = structlog.get_logger(__name__)

#: The errors of publishing when the broker does not answer.
BROKER_AWAY = (KombuError, redis.RedisError, OSError)

#: Wake-ups that may wait to be sent, about. One for each lane would be enough.
_MOST = 1000

#: The queue of Celery programs that name no queue.
_CALLERS_QUEUE = "celery"


def producer(settings: Settings) -> Celery:
    """Return a Celery application that only sends, and gives up after the patience.

    It has no result backend: the ledger knows what became of a commission.
    """
    app = CeleryApp(
        "astakos_worker.producer",
        settings,
        {"result_backend": "disabled://"},
        set_as_current=False,
    )
    app.conf.broker_transport_options |= {
        "socket_timeout": settings.patience,
        "socket_connect_timeout": settings.patience,
        "max_retries": 0,
        "interval_start": 0,
    }
    return app


@dataclass(frozen=True, slots=True)
class _Message:
    task: str
    kwargs: dict[str, Any]
    task_id: str | None = None
    queue: str = names.COMMISSIONS


class Waker:
    """Sends wake-ups through a Celery application, in a thread of its own.

    The work is in the ledger already, so no caller waits for the broker: neither a request handler
    nor a carrier that has claimed records. At the end of the process the waiting wake-ups are sent,
    for as long as the patience lasts.
    """

    def __init__(self, app: Celery, *, patience: float = 1.0) -> None:
        self._app = app
        self._patience = patience
        # While it is open, no wake-up is sent: the drive wakes workers meanwhile.
        self._breaker = ServerBreaker("broker", BROKER_AWAY, pause=1.0)
        self._lock = threading.Lock()
        self._waiting: SimpleQueue[_Message | threading.Event] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def wake(self, task: str, service: str, key: str, version: int) -> None:
        """Have the wake-up of one commission sent."""
        verb = task.rsplit(".", 1)[-1]
        label = shown(key).replace(" ", "-") if is_bare(key) else quote(key, safe="/:@+=,")
        task_id = f"{service}:{label}:{verb}:{version}"
        self._later(_Message(task, {"service": service, "key": key}, task_id))

    def wake_lane(self, service: str) -> None:
        """Have a wake-up sent for all that is due on a lane."""
        self._later(_Message(names.WAKE_DRIVE, {"service": service}))

    def flush(self) -> None:
        """Wait until all waiting wake-ups are sent, but no longer than the patience."""
        if not self._serving:
            return
        sent = threading.Event()
        self._waiting.put(sent)
        sent.wait(self._patience)

    def send_callback(self, callback: str, payload: dict[str, Any]) -> bool:
        """Send a call-back, `task` or `task@queue`; return whether the broker has it."""
        task, _, place = callback.partition("@")
        message = _Message(task, {"commission": payload}, queue=place or _CALLERS_QUEUE)
        return self._send(message)

    # --- Inside -------------------------------------------------------------------------------

    @property
    def _serving(self) -> bool:
        """Whether the thread runs. After a fork the child has none."""
        return self._thread is not None and self._thread.is_alive()

    def _later(self, message: _Message) -> None:
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
        kept: Any = None
        while True:
            message = self._waiting.get()
            if isinstance(message, threading.Event):
                message.set()
                continue
            sent = False
            try:
                # A third of the cost of a message is what Celery would do again for each: acquire
                # a producer, declare the queue (the workers do that), and format the arguments.
                kept = kept or self._app.producer_pool.acquire(block=True)
                shown = {"argsrepr": "()", "kwargsrepr": repr(message.kwargs)}
                sent = self._send(message, producer=kept, declare=(), **shown)
            except Exception:  # the thread goes on after any error of one wake-up
                log.exception("wake_up_not_sent", task=message.task)
            if kept is not None and not sent:  # the connection may be broken
                kept.release()
                kept = None

    def _send(self, message: _Message, **more: Any) -> bool:
        """Send a message; False if the broker does not answer."""
        try:
            with self._breaker.call():
                self._app.send_task(
                    message.task,
                    kwargs=message.kwargs,
                    task_id=message.task_id,
                    queue=message.queue,
                    ignore_result=True,
                    retry=False,
                    **more,
                )
        except (CircuitOpenError, *BROKER_AWAY):
            return False
        return True
