"""The sweep, as beat sends it."""

from collections.abc import Callable
from typing import Any

from celery import Celery

from astakos_worker.configuration import names
from astakos_worker.engine.replies import fault_of
from astakos_worker.worker.process import Runtime
from astakos_worker.worker.tasks.shown import SHOWN, own_id
from astakosclient.errors import AstakosClientException


def register(app: Celery, runtime: Callable[[], Runtime]) -> None:
    """Add the task to an application."""

    @app.task(name=names.RECONCILE, resultrepr_maxsize=SHOWN)
    def reconcile(service: str | None = None) -> dict[str, Any]:
        run = runtime()
        name = service or run.settings.service
        try:
            return run.sweep(name, own_id()).to_dict()
        except AstakosClientException as error:
            return {"service": name, "stopped": str(error), "error": fault_of(error)}
