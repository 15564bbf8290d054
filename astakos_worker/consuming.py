"""Takes messages from the broker, and survives every one of them (F51).

Celery refuses most of what it cannot read. What makes it stumble instead would end the worker,
come back when the broker misses its acknowledgement, and end the next worker too.
"""

from collections.abc import Callable
from typing import Any

import structlog
from celery.worker.consumer import Consumer as CelerysConsumer
from kombu.message import Message

log = structlog.get_logger(__name__)

#: How reading a message that is not what it says goes wrong. Not `OSError`: that is the broker.
_STUMBLES = (TypeError, ValueError, LookupError, AttributeError)


class Consumer(CelerysConsumer):
    """Celery's own, which throws away what it stumbles over, and says so in the log."""

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
