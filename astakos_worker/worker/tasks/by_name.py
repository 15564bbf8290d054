"""Tasks that other Celery programs send by name, without this package.

A refusal is the task's result and not an exception: Flower shows it, and Celery does not retry
the task. Only a message that reached no ledger is retried, because nobody else would repeat it.
"""

import random
from collections.abc import Callable
from typing import Any

from celery import Celery, Task

from astakos_worker.configuration.event_log import EventLog
from astakos_worker.ledger.contract import UnavailableError
from astakos_worker.service.errors import CommissionError, Unavailable
from astakos_worker.worker.calls_by_name import CALLS, CallByName, answered
from astakos_worker.worker.message_arguments import newer
from astakos_worker.worker.process import WorkerProcess
from astakos_worker.worker.task_results import SHOWN, failed
from astakosclient.errors import AstakosClientException, BadValue

log = EventLog(__name__)

#: Seconds until a message that reached no ledger is retried.
_RETRY = 2.0


def register(app: Celery, this_process: Callable[[], WorkerProcess]) -> None:
    """Add the tasks to an application."""
    for name, call in CALLS.items():
        _add(app, this_process, name, call)


def _add(
    app: Celery, this_process: Callable[[], WorkerProcess], name: str, call: CallByName
) -> None:
    @app.task(name=name, bind=True, max_retries=None, resultrepr_maxsize=SHOWN)
    def by_name(self: "Task[Any, Any]", /, **message: Any) -> dict[str, Any]:
        try:
            if newer(message):
                raise _for_a_newer_worker(self)
            return answered(call, this_process(), str(self.request.id), message)
        except (Unavailable, UnavailableError) as error:
            raise self.retry(exc=error, countdown=_RETRY) from None
        except (AstakosClientException, CommissionError) as error:
            if isinstance(error, BadValue):
                _note(self, this_process())
            return failed(message.get("key", message.get("serial")), error)


def _for_a_newer_worker(task: "Task[Any, Any]") -> Exception:
    """Send a message of a newer schema again, and return the exception that ends this task (F78).

    The pause is random. With a fixed one, the same worker could get the message each time.
    """
    log.info("left_for_newer", task=task.name)
    pause = _RETRY * (0.5 + random.random())  # noqa: S311
    return task.retry(countdown=pause, throw=False)


def _note(task: "Task[Any, Any]", process: WorkerProcess) -> None:
    """Note a message whose arguments can never have been right (F51)."""
    queue = (task.request.delivery_info or {}).get("routing_key", "")
    reason = "has arguments that do not fit; its result says which"
    process.dead_messages.add(reason, task=task.name, id_=task.request.id, queue=queue)
