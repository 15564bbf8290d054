"""Sends messages through the broker, as a Celery application that only sends.

Importing this module loads Celery. So a service's face does not: the thread of the wake-ups imports
it before the first of them, and the look-ups with the first question.
"""

from typing import Any

import redis
from celery import Celery
from kombu.exceptions import KombuError

from astakos_worker.configuration.celery_app import CeleryApp
from astakos_worker.configuration.settings import Settings
from astakos_worker.service.server_breaker import CircuitOpenError, ServerBreaker
from astakos_worker.service.wakeups import Message

#: The errors of publishing when the broker does not answer.
BROKER_AWAY = (KombuError, redis.RedisError, OSError)


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


class MessageSender:
    """Sends messages; none raises an error of a broker that is away."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        # While it is open, no message is sent: the drive wakes workers meanwhile.
        self._breaker = ServerBreaker("broker", BROKER_AWAY, pause=1.0)
        self._kept: Any = None

    def send(self, message: Message, **more: Any) -> bool:
        """Send a message; False if the broker does not answer. Any thread may call it."""
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

    def send_fast(self, message: Message) -> None:
        """Send a message over a connection that is kept. One thread alone may call it.

        A third of the cost of a message is what Celery would do again for each: acquire a producer,
        declare the queue (the workers do that), and format the arguments.
        """
        sent = False
        try:
            self._kept = self._kept or self._app.producer_pool.acquire(block=True)
            shown = {"argsrepr": "()", "kwargsrepr": repr(message.kwargs)}
            sent = self.send(message, producer=self._kept, declare=(), **shown)
        finally:
            if self._kept is not None and not sent:  # the connection may be broken
                self._kept.release()
                self._kept = None


def sender(settings: Settings) -> MessageSender:
    """Return a sender for the broker that the settings name. Opens nothing."""
    return MessageSender(producer(settings))
