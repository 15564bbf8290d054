"""The sweep, as beat sends it."""

from collections.abc import Callable
from typing import Any

from celery import Celery, Task

from astakos_worker.configuration import names
from astakos_worker.engine.replies import fault_of
from astakos_worker.worker.process import WorkerProcess
from astakos_worker.worker.task_results import SHOWN
from astakosclient.errors import AstakosClientException


def register(app: Celery, this_process: Callable[[], WorkerProcess]) -> None:
    """Add the task to an application."""

    @app.task(name=names.RECONCILE, bind=True, resultrepr_maxsize=SHOWN)
    def reconcile(self: "Task[Any, Any]", /, service: str | None = None) -> dict[str, Any]:
        process = this_process()
        name = service or process.settings.service
        try:
            return process.sweep(name, str(self.request.id)).to_dict()
        except AstakosClientException as error:
            return {"service": name, "stopped": str(error), "error": fault_of(error)}
