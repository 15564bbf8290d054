"""Takes messages from the broker, and survives each of them (F51).

Celery refuses most messages that it cannot read. Some make its consumer raise an error instead,
which ends the worker. The broker then delivers the message to the next worker, which ends too. So
such a message is noted and thrown away.
"""

import time
from collections.abc import Callable
from typing import Any

from celery.exceptions import Ignore, Reject, Retry, WorkerLostError
from celery.signals import task_internal_error
from celery.worker.consumer import Consumer as CelerysConsumer
from celery.worker.request import Request as CelerysRequest
from kombu.message import Message

from astakos_worker.configuration.event_log import EventLog
from astakos_worker.ledger.contract import LedgerError
from astakos_worker.service.errors import Unavailable
from astakos_worker.worker.channels import UNREADABLE

log = EventLog(__name__)

#: The errors of tasks whose message is retried or was not at fault. Work that could not be done
#: while the ledger was away is still in the ledger, and another wake-up is sent for it.
_NOT_ITS_FAULT = (Retry, Reject, Ignore, WorkerLostError, LedgerError, Unavailable)


#: Seconds that an event for Flower waits for others. Sending is a round trip to the broker, by the
#: thread that takes messages.
_TOGETHER = 0.1


class Consumer(CelerysConsumer):
    """Celery's own, which notes messages that it cannot read and throws them away.

    `astakos-worker dead messages` lists the notes.
    """

    _events_due = 0.0

    def on_send_event_buffered(self) -> Any:
        """Send the events of a tenth of a second together."""
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
        """Note a message that is not for a task, and throw it away."""
        _note(self.app, message, "is not the message of a task")
        super().on_unknown_message(body, message)

    def on_unknown_task(self, body: Any, message: Message, exc: Exception) -> None:
        """Note a message for an unknown task, and throw it away."""
        _note(self.app, message, "is for a task that these workers do not know")
        super().on_unknown_task(body, message, exc)

    def on_invalid_task(self, body: Any, message: Message, exc: Exception) -> None:
        """Note a message whose form is not that of a task's message, and throw it away."""
        _note(self.app, message, f"is a malformed task message ({type(exc).__name__})")
        super().on_invalid_task(body, message, exc)

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Message], None]:
        """Return the function that takes each message."""
        received = super().create_task_handler(*args, **kwargs)

        def careful(message: Message) -> None:
            try:
                if message.delivery_info.get("redelivered"):
                    # Its worker died, or took longer than the visibility timeout (F1, F52).
                    log.info("redelivered", task=message.headers.get("task"))
                received(message)
            except UNREADABLE as error:
                if message.acknowledged:
                    raise  # the message was readable, so the fault is elsewhere
                self.on_invalid_task(None, message, error)

        return careful


class TaskRequest(CelerysRequest):
    """Celery's own, which notes a message whose task failed.

    A refusal is a result. So a task fails only if its message does not fit, or by a fault of ours.
    """

    def on_failure(
        self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False
    ) -> Any:
        """Note the message, unless it is retried or was not at fault."""
        error = getattr(exc_info.exception, "exc", exc_info.exception)
        if isinstance(error, Exception) and not isinstance(error, _NOT_ITS_FAULT):
            _note(self.app, self.message, f"made its task fail ({type(error).__name__})")
        return super().on_failure(exc_info, send_failed_event, return_ok)


@task_internal_error.connect
def _not_run(sender: Any, task_id: Any, exception: Exception, **_: Any) -> None:
    """Note a message whose task Celery could not begin; Celery counts it as a success."""
    reason = f"is a malformed task message ({type(exception).__name__})"
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
