"""Asks the workers through Celery: a task for each question, and its result as the answer.

Importing this module loads Celery, so `Lookups` imports it with the first question.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar
from uuid import uuid4

from celery.states import READY_STATES, SUCCESS

from astakos_worker.configuration import names
from astakos_worker.configuration.celery_app import CeleryApp
from astakos_worker.configuration.settings import Settings
from astakos_worker.service.asks import BrokerAwayError, TaskFailedError
from astakos_worker.service.broker import BROKER_AWAY, producer
from astakos_worker.service.known_names import KnownNames, known_names_of
from astakos_worker.service.server_breaker import CircuitOpenError, ServerBreaker

T = TypeVar("T")

#: Messages that a look-up without an answer sends within its time.
_TRIES = 3

#: Seconds between two looks for an answer, at least and at most.
_SHORTEST_LOOK, _LONGEST_LOOK = 0.002, 0.05
#: The first look comes after this part of the time that answers have taken lately.
_FIRST_LOOK = 0.75


class Asker:
    """Sends look-ups as Celery tasks and reads their results."""

    def __init__(self, settings: Settings, breaker: ServerBreaker) -> None:
        self._breaker = breaker
        self._patience = settings.patience
        self._producer = producer(settings)
        self._usual = 0.0  # seconds that answers have taken lately, on average
        # A second application reads the results: the one that sends would subscribe to each.
        self._reader = CeleryApp(
            "astakos_worker.reader",
            settings,
            {
                # A worker outlasts an outage here; a caller waits no longer than it said.
                "result_backend_always_retry": False,
                "redis_socket_timeout": settings.patience,
                "redis_socket_connect_timeout": settings.patience,
            },
            set_as_current=False,
        )

    def ask(self, what: str, kwargs: dict[str, Any], timeout: float) -> Any:
        """Return the task's result; ask again where an answer does not come."""
        end = time.monotonic() + timeout
        task_id, wait = str(uuid4()), timeout / _TRIES
        while (now := time.monotonic()) < end:
            # Under the same id each time: an answer to an earlier message is an answer.
            self._insist(partial(self._send, what, kwargs, task_id, timeout))
            answer = self._result(task_id, min(end, now + wait))
            if answer is not None:
                return answer
        raise TimeoutError("the workers are away, or Astakos does not answer them")

    def _insist(self, call: Callable[[], T]) -> T:
        """Make one call of the broker. Over a broken connection it is tried for the patience."""
        end = time.monotonic() + self._patience
        try:
            with self._breaker.call():
                while True:
                    try:
                        return call()
                    except BROKER_AWAY:
                        if time.monotonic() + _LONGEST_LOOK > end:
                            raise
                        time.sleep(_LONGEST_LOOK)
        except CircuitOpenError as error:
            raise BrokerAwayError(str(error)) from None
        except BROKER_AWAY as error:
            text = f"the broker does not answer ({type(error).__name__})"
            raise BrokerAwayError(text) from error

    def _send(self, what: str, kwargs: dict[str, Any], task_id: str, timeout: float) -> None:
        self._producer.send_task(
            names.LOOKUP + what,
            kwargs=kwargs,
            task_id=task_id,
            queue=names.LOOKUPS,
            expires=timeout,
            retry=False,
        )

    def _result(self, task_id: str, until: float) -> Any:
        began = time.monotonic()
        pause = self._usual * _FIRST_LOOK  # a look that is too early takes the workers' time
        while (now := time.monotonic()) < until:
            time.sleep(min(max(_SHORTEST_LOOK, pause), _LONGEST_LOOK, until - now))
            try:
                meta = self._insist(partial(self._reader.backend.get_task_meta, task_id))
            except BrokerAwayError:  # the question is with the broker, which may come back
                pause = _LONGEST_LOOK
                continue
            took = time.monotonic() - began
            if meta["status"] in READY_STATES:
                self._usual += (took - self._usual) / 8
                self._forget(task_id)
                if meta["status"] != SUCCESS:
                    raise TaskFailedError(f"the task failed: {meta['result']}")
                return meta["result"]
            pause = took / 2
        return None

    def _forget(self, task_id: str) -> None:
        """Remove an answer that has been read: the answers of a day would fill the server."""
        with suppress(*BROKER_AWAY):
            self._reader.backend.forget(task_id)


def asker_and_names(settings: Settings) -> tuple[Asker, KnownNames | None]:
    """Return what asks the workers, and the cache of names. Opens nothing."""
    # Messages and cache are on one server: if it does not answer one call, all fail at once.
    breaker = ServerBreaker("broker", BROKER_AWAY)
    return Asker(settings, breaker), known_names_of(settings, breaker)
