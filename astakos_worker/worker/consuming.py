"""Takes messages from the broker, and survives every one of them (F51), and the broker (F53).

Celery refuses most of what it cannot read. What makes it stumble instead would end the worker,
come back when the broker misses its acknowledgement, and end the next worker too.
"""

import time
from collections.abc import Callable
from typing import Any

import structlog
from celery.exceptions import Ignore, Reject, Retry, WorkerLostError
from celery.signals import task_internal_error
from celery.worker.consumer import Consumer as CelerysConsumer
from celery.worker.request import Request as CelerysRequest
from kombu.message import Message
from kombu.transport.redis import Channel

from astakos_worker.ledger.contract import LedgerError
from astakos_worker.service.errors import Unavailable

log = structlog.get_logger(__name__)

#: How reading a message that is not what it says goes wrong. Not `OSError`: that is the broker.
_STUMBLES = (TypeError, ValueError, LookupError, AttributeError)

#: How a task ends whose message is not done with, or was not what failed: work that could not be
#: done while the ledger was away is in the ledger, and is rung for again.
_NOT_ITS_FAULT = (Retry, Reject, Ignore, WorkerLostError, LedgerError, Unavailable)


#: Seconds that an event for Flower waits for others: sending some is a round trip to the broker,
#: and the thread that does it is the one that takes messages.
_TOGETHER = 0.1


class Consumer(CelerysConsumer):
    """Celery's own, which throws away what it stumbles over.

    Whatever is thrown away is noted first: `astakos-worker dead messages` tells of it.
    """

    _events_due = 0.0

    def on_send_event_buffered(self) -> Any:
        """Have the events of a tenth of a second sent together."""
        hub = self.hub  # type: ignore[attr-defined]  # its stubs know no hub
        now = time.monotonic()
        if hub and now >= self._events_due:
            self._events_due = now + _TOGETHER
            hub.call_soon(hub.call_later, _TOGETHER, self._flush_events)  # type: ignore[attr-defined]  # nor this

    def on_decode_error(self, message: Message, exc: Exception) -> None:
        """Note a message whose body cannot be read, and acknowledge it."""
        _note(self.app, message, f"cannot be decoded ({type(exc).__name__})")
        super().on_decode_error(message, exc)

    def on_unknown_message(self, body: Any, message: Message) -> None:
        """Note a message that is no task's, and throw it away."""
        _note(self.app, message, "is no task's message")
        super().on_unknown_message(body, message)

    def on_unknown_task(self, body: Any, message: Message, exc: Exception) -> None:
        """Note a message for a task that there is not, and throw it away."""
        _note(self.app, message, "is for a task that these workers do not know")
        super().on_unknown_task(body, message, exc)

    def on_invalid_task(self, body: Any, message: Message, exc: Exception) -> None:
        """Note a message that is not as Celery makes them, and throw it away."""
        _note(self.app, message, f"is not as a task's message has to be ({type(exc).__name__})")
        super().on_invalid_task(body, message, exc)

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Message], None]:
        """Return what is called with each message."""
        received = super().create_task_handler(*args, **kwargs)

        def careful(message: Message) -> None:
            try:
                if message.delivery_info.get("redelivered"):
                    # Its worker died, or held it longer than the visibility timeout (F1, F52).
                    log.info("redelivered", task=message.headers.get("task"))
                received(message)
            except _STUMBLES as error:
                if message.acknowledged:
                    raise  # then it was readable, and something else is wrong
                self.on_invalid_task(None, message, error)

        return careful


def _mend(channel: Any) -> None:
    """Have a channel whose connection is gone say so in words that Celery understands (F53).

    A task that ends while the broker is away is acknowledged over such a channel, and closing one
    hands its messages back. kombu stumbles over the missing connection with an `AttributeError`,
    which ends the worker; an error of the connection is survived in both places.
    """
    parameters = channel._connparams  # noqa: SLF001  # there is no public way in

    def checked(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.connection is None or self.connection.client is None:
            raise ConnectionResetError("the connection to the broker is gone")
        return parameters(self, *args, **kwargs)

    channel._connparams = checked  # noqa: SLF001


_mend(Channel)


class Request(CelerysRequest):
    """Celery's own, which notes a message with which its task failed.

    A refusal is a result: what is no result did not fit, or is a fault of ours.
    """

    def on_failure(
        self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False
    ) -> Any:
        """Note the message, unless it comes again or is not to blame."""
        error = getattr(exc_info.exception, "exc", exc_info.exception)
        if isinstance(error, Exception) and not isinstance(error, _NOT_ITS_FAULT):
            _note(self.app, self.message, f"made its task fail ({type(error).__name__})")
        return super().on_failure(exc_info, send_failed_event, return_ok)


@task_internal_error.connect
def _not_run(sender: Any, task_id: Any, exception: Exception, **_: Any) -> None:
    """Note a message with which Celery could not even begin: it calls that a success."""
    reason = f"is not as a task's message has to be ({type(exception).__name__})"
    sender.app.dead_messages().add(reason, task=sender.name, id_=task_id)


def _note(app: Any, message: Message, reason: str) -> None:
    headers = message.headers or {}
    info = message.delivery_info or {}
    app.dead_messages().add(
        reason,
        task=headers.get("task", ""),
        id_=headers.get("id", ""),
        queue=info.get("routing_key", ""),
    )
