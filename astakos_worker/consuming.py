"""Takes messages from the broker, and survives every one of them (F51).

Celery refuses most of what it cannot read. What makes it stumble instead would end the worker,
come back when the broker misses its acknowledgement, and end the next worker too.
"""

from collections.abc import Callable
from typing import Any

from celery.worker.consumer import Consumer as CelerysConsumer
from kombu.message import Message

#: How reading a message that is not what it says goes wrong. Not `OSError`: that is the broker.
_STUMBLES = (TypeError, ValueError, LookupError, AttributeError)


class Consumer(CelerysConsumer):
    """Celery's own, which throws away what it stumbles over, and says so in the log."""

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Message], None]:
        """Return what is called with each message."""
        received = super().create_task_handler(*args, **kwargs)

        def careful(message: Message) -> None:
            try:
                received(message)
            except _STUMBLES as error:
                if message.acknowledged:
                    raise  # then it was readable, and something else is wrong
                self.on_invalid_task(None, message, error)

        return careful
