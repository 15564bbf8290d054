"""Keeps a task's result if it can be kept; a task ends in any case (F50).

What became of a commission is in the ledger, so a result is for Flower and for whoever sent a
message by name. Celery, for its part, lets an error of the result's server through to its pool:
the message is then never acknowledged, its place among the prefetched ones never given back, and
after as many as there are threads the worker takes no message any more.
"""

import time
from collections.abc import Callable
from typing import Any

import redis
import structlog
from celery import Celery
from kombu.exceptions import KombuError

from astakos_worker.worker.dead_messages import DeadMessages

log = structlog.get_logger(__name__)

#: Seconds in which a server that restarts is waited for; once it was in vain, nobody waits.
_PATIENCE = 5.0
_PAUSE = 0.2
_AWAY = (KombuError, redis.RedisError, OSError)


class WorkerApp(Celery):
    """Celery's own, but for what becomes of results that cannot be kept.

    `dead_messages` gives the list in which the consumer notes messages that it throws away.
    """

    dead_messages: Callable[[], DeadMessages]

    def _get_backend(self) -> Any:
        backend = super()._get_backend()  # type: ignore[misc]  # its types do not know it
        # Whatever its class is: the address decides.
        backend.store_result = ResultStore(backend.store_result)
        return backend


class ResultStore:
    """Stores results through a backend's own method, and survives its outages."""

    def __init__(self, store: Callable[..., Any]) -> None:
        self._store = store
        self._away = False

    def __call__(self, task_id: str, result: Any, state: str, *more: Any, **options: Any) -> Any:
        """Store a result; give it up if that cannot be done for a while."""
        end = time.monotonic() + (0.0 if self._away else _PATIENCE)
        while True:
            try:
                kept = self._store(task_id, result, state, *more, **options)
            except _AWAY as error:
                if time.monotonic() >= end or self._away:
                    self._away = True
                    log.warning("result_lost", task_id=task_id, error=type(error).__name__)
                    return result
                time.sleep(_PAUSE)
            else:
                self._away = False
                return kept
