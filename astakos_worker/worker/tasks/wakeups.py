"""Wake-ups: a message names a commission or a lane; the work itself is in the ledger.

Further fields, which a newer version may send, are ignored (F78).
"""

from collections.abc import Callable
from typing import Any

from celery import Celery, Task

from astakos_worker.configuration import names
from astakos_worker.ledger.contract import ANYONE
from astakos_worker.worker.process import WorkerProcess
from astakos_worker.worker.task_results import SHOWN, carried


def register(app: Celery, this_process: Callable[[], WorkerProcess]) -> None:
    """Add the tasks to an application."""
    for name, mark in names.PROMISES.items():
        _add(app, this_process, name, mark)

    @app.task(name=names.WAKE_DRIVE, bind=True, ignore_result=True, resultrepr_maxsize=SHOWN)
    def drive(self: "Task[Any, Any]", /, service: str, **_: Any) -> dict[str, Any]:
        process = this_process()
        done = process.carry(service, str(self.request.id), wake=ANYONE)
        return carried(process, service, None, done)


def _add(app: Celery, this_process: Callable[[], WorkerProcess], name: str, mark: str) -> None:
    @app.task(name=name, bind=True, ignore_result=True, resultrepr_maxsize=SHOWN)
    def wake(self: "Task[Any, Any]", /, service: str, key: str, **_: Any) -> dict[str, Any]:
        process = this_process()
        done = process.carry(service, str(self.request.id), own=key, wake=key + mark)
        return carried(process, service, key, done)
