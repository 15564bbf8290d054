"""Takes messages from the broker, and survives every one of them (F51).

Celery refuses most of what it cannot read. What makes it stumble instead would end the worker,
come back when the broker misses its acknowledgement, and end the next worker too.
"""

from collections.abc import Callable
from typing import Any

import structlog
from celery.signals import task_failure, task_internal_error
from celery.worker.consumer import Consumer as CelerysConsumer
from kombu.message import Message

from astakos_worker.dead_messages import DeadMessages

log = structlog.get_logger(__name__)

#: How reading a message that is not what it says goes wrong. Not `OSError`: that is the broker.
_STUMBLES = (TypeError, ValueError, LookupError, AttributeError)


class Consumer(CelerysConsumer):
    """Celery's own, which throws away what it stumbles over.

    Whatever is thrown away is noted first: `astakos-worker dead messages` tells of it.
    """

    def on_decode_error(self, message: Message, exc: Exception) -> None:
        """Note a message whose body cannot be read, and acknowledge it."""
        _note(message, f"cannot be decoded ({type(exc).__name__})")
        super().on_decode_error(message, exc)

    def on_unknown_message(self, body: Any, message: Message) -> None:
        """Note a message that is no task's, and throw it away."""
        _note(message, "is no task's message")
        super().on_unknown_message(body, message)

    def on_unknown_task(self, body: Any, message: Message, exc: Exception) -> None:
        """Note a message for a task that there is not, and throw it away."""
        _note(message, "is for a task that these workers do not know")
        super().on_unknown_task(body, message, exc)

    def on_invalid_task(self, body: Any, message: Message, exc: Exception) -> None:
        """Note a message that is not as Celery makes them, and throw it away."""
        _note(message, f"is not as a task's message has to be ({type(exc).__name__})")
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


@task_failure.connect
@task_internal_error.connect
def _failed(sender: Any, task_id: Any, exception: Any, **_: Any) -> None:
    """Note a message with which a task failed: a refusal is a result, so it did not fit."""
    queue = (sender.request.delivery_info or {}).get("routing_key", "")
    reason = f"made its task fail ({type(exception).__name__})"
    _dead_messages().add(reason, task=sender.name, id_=task_id, queue=queue)


def _note(message: Message, reason: str) -> None:
    headers = message.headers or {}
    info = message.delivery_info or {}
    _dead_messages().add(
        reason,
        task=headers.get("task", ""),
        id_=headers.get("id", ""),
        queue=info.get("routing_key", ""),
    )


def _dead_messages() -> DeadMessages:
    from astakos_worker.app import here  # noqa: PLC0415  # the application names this module

    return here().dead_messages
