"""Sends messages through the broker, as a Celery application that only sends.

Importing this module loads Celery. So a service's face does not: the thread of the wake-ups imports
it before the first of them, and the look-ups with the first question.
"""

import threading
from typing import Any

import amqp
import redis
from celery import Celery
from kombu.exceptions import KombuError

from astakos_worker.configuration import names
from astakos_worker.configuration.celery_app import CeleryApp
from astakos_worker.configuration.servers import for_celery
from astakos_worker.configuration.settings import Settings
from astakos_worker.service.server_breaker import CircuitOpenError, ServerBreaker
from astakos_worker.service.wakeups import Message

#: The errors of publishing when the broker does not answer.
BROKER_AWAY = (KombuError, redis.RedisError, amqp.AMQPError, OSError)


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
    app.conf.broker_transport_options |= _impatient(settings)
    return app


def callback_producer(settings: Settings) -> Celery:
    """Return the application that sends call-backs, to a broker of their own if one is set."""
    url = settings.callback_broker_url
    if not url:
        return producer(settings)
    address, tls, options = for_celery(url)
    if address.startswith("amqp"):
        # The broker confirms each message: one that it has not taken is sent again.
        transport: dict[str, Any] = {"confirm_publish": True, "max_retries": 0}
    else:
        transport = {**options, **_impatient(settings)}
    values = {
        "result_backend": "disabled://",
        "broker_url": address,
        "broker_use_ssl": tls,
        "broker_connection_timeout": settings.patience,
        "broker_transport_options": transport,
    }
    return CeleryApp("astakos_worker.callbacks", settings, values, set_as_current=False)


def _impatient(settings: Settings) -> dict[str, Any]:
    """Return options of the transport with which a broker that is away is given up soon."""
    return {
        "socket_timeout": settings.patience,
        "socket_connect_timeout": settings.patience,
        "max_retries": 0,
        "interval_start": 0,
    }


class MessageSender:
    """Sends messages; none raises an error of a broker that is away."""

    def __init__(self, app: Celery, name: str = "broker") -> None:
        self._app = app
        # While it is open, no message is sent: the drive wakes workers meanwhile.
        self._breaker = ServerBreaker(name, BROKER_AWAY, pause=1.0)
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
        except amqp.PreconditionFailed:
            # The queue is there, and was declared in another way than Celery would.
            return not more and self.send(message, declare=())
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


class Callbacks:
    """Sends call-backs. The connection is made with the first one, in a carrier's thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sender: MessageSender | None = None
        self._lock = threading.Lock()

    def send(self, callback: str, payload: dict[str, Any]) -> bool:
        """Send a call-back, `task` or `task@queue`; return whether the broker has it."""
        with self._lock:
            if self._sender is None:
                self._sender = MessageSender(callback_producer(self._settings), "callback_broker")
        task, _, place = callback.partition("@")
        message = Message(task, {"commission": payload}, queue=place or names.CALLERS)
        return self._sender.send(message)
