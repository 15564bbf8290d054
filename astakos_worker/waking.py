"""Wake-ups: the Celery messages that say "there is work in the ledger", and no more.

Losing one costs time, receiving two costs nothing; so sending one never raises and never keeps
its caller longer than its patience. What was not sent is made good by the drive.
"""

import threading
import time
from typing import Any
from urllib.parse import quote

import redis
import structlog
from celery import Celery
from kombu.exceptions import KombuError

from astakos_worker import names
from astakos_worker.ledger.record import is_bare, shown
from astakos_worker.settings import Settings, celery_values

log = structlog.get_logger(__name__)

#: What publishing raises when the broker is away.
BROKER_AWAY = (KombuError, redis.RedisError, OSError)

#: Seconds without another try after one that failed: the drive rings meanwhile.
_PAUSE = 1.0

#: Where Celery programs that name no queue of their own listen.
_CALLERS_QUEUE = "celery"


def producer(settings: Settings) -> Celery:
    """Return a Celery application that only sends, and gives up within the patience.

    Its result backend is off: the ledger knows what became of a commission.
    """
    app = Celery("astakos_worker.producer", set_as_current=False)
    values = celery_values(settings)
    values["result_backend"] = "disabled://"
    values["broker_transport_options"] = {
        **values["broker_transport_options"],
        "socket_timeout": settings.patience,
        "socket_connect_timeout": settings.patience,
        "max_retries": 0,
        "interval_start": 0,
    }
    app.conf.update(values)
    return app


class Waker:
    """Sends wake-ups through a Celery application."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._quiet_until = 0.0
        self._lock = threading.Lock()

    def wake(self, task: str, service: str, key: str, version: int) -> bool:
        """Send the wake-up of one commission; False if the broker is away."""
        verb = task.rsplit(".", 1)[-1]
        label = shown(key).replace(" ", "-") if is_bare(key) else quote(key, safe="/:@+=,")
        task_id = f"{service}:{label}:{verb}:{version}"
        return self.send(task, {"service": service, "key": key}, task_id=task_id)

    def ring(self, service: str) -> None:
        """Send a wake-up for whatever is due on a lane."""
        self.send(names.WAKE_DRIVE, {"service": service})

    def tell(self, callback: str, payload: dict[str, Any]) -> bool:
        """Hand a call-back, `task` or `task@queue`, to the broker."""
        task, _, queue = callback.partition("@")
        return self.send(task, {"commission": payload}, queue=queue or _CALLERS_QUEUE)

    def send(
        self,
        task: str,
        kwargs: dict[str, Any],
        *,
        task_id: str | None = None,
        queue: str = names.COMMISSIONS,
    ) -> bool:
        """Send a message; False if the broker is away."""
        if time.monotonic() < self._quiet_until:
            return False
        try:
            self._app.send_task(
                task, kwargs=kwargs, task_id=task_id, queue=queue, ignore_result=True, retry=False
            )
        except BROKER_AWAY as error:
            with self._lock:
                self._quiet_until = time.monotonic() + _PAUSE
            log.warning("broker_away", task=task, error=type(error).__name__)
            return False
        return True
