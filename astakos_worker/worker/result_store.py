"""Stores the results of tasks. A task ends even if its result cannot be stored (F50).

The ledger knows what became of a commission. A result is for Flower, and for the caller of a
task by name, so it may be lost. Celery itself lets an error of the result's server through to
its pool of threads. The task's message is then never acknowledged and keeps its place among the
prefetched messages. With 16 threads, the worker takes no message after 16 such errors.
"""

import time
from collections.abc import Callable
from typing import Any

import redis
from kombu.exceptions import KombuError

from astakos_worker.configuration.celery_app import CeleryApp
from astakos_worker.configuration.event_log import EventLog
from astakos_worker.worker.channels import UNREADABLE, WorkerAMQP
from astakos_worker.worker.dead_messages import DeadMessages

log = EventLog(__name__)

#: Seconds to wait for a server that restarts. After one result was lost, the next do not wait.
_PATIENCE = 5.0
_PAUSE = 0.2
_AWAY = (KombuError, redis.RedisError, OSError)


class WorkerApp(CeleryApp):
    """The Celery application of workers: results that cannot be stored are given up.

    `dead_messages` returns the list in which the consumer notes messages that it throws away.
    """

    amqp_cls = f"{WorkerAMQP.__module__}:{WorkerAMQP.__name__}"
    dead_messages: Callable[[], DeadMessages]

    def _get_backend(self) -> Any:
        backend = super()._get_backend()
        # The method is replaced on the object, since the URL decides the class.
        backend.store_result = ResultStore(backend.store_result)
        return backend


class ResultStore:
    """Stores results by a backend's own method; an outage of the backend raises nothing."""

    def __init__(self, store: Callable[..., Any]) -> None:
        self._store = store
        self._away = False

    def __call__(self, task_id: str, result: Any, state: str, *more: Any, **options: Any) -> Any:
        """Store a result; give it up after some seconds of errors."""
        end = time.monotonic() + (0.0 if self._away else _PATIENCE)
        while True:
            try:
                kept = self._store(task_id, result, state, *more, **options)
            except UNREADABLE as error:  # what is stored under the same id is no result
                log.warning("result_lost", task_id=task_id, error=type(error).__name__)
                return result
            except _AWAY as error:
                if time.monotonic() >= end or self._away:
                    self._away = True
                    log.warning("result_lost", task_id=task_id, error=type(error).__name__)
                    return result
                time.sleep(_PAUSE)
            else:
                self._away = False
                return kept
