"""Wake-ups: a message names a commission or a lane; the work itself is in the ledger.

What else a newer version may say in one is ignored: there is work, and that is all (F78).
"""

from collections.abc import Callable
from typing import Any

from celery import Celery

from astakos_worker.configuration import names
from astakos_worker.ledger.contract import ANYONE
from astakos_worker.worker.process import WorkerProcess
from astakos_worker.worker.tasks.shown import SHOWN, carried, own_id


def register(app: Celery, this_process: Callable[[], WorkerProcess]) -> None:
    """Add the tasks to an application."""
    for name, mark in names.PROMISES.items():
        _add(app, this_process, name, mark)

    @app.task(name=names.WAKE_DRIVE, ignore_result=True, resultrepr_maxsize=SHOWN)
    def drive(service: str, **_: Any) -> dict[str, Any]:
        process = this_process()
        return carried(process, service, None, process.carry(service, own_id(), wake=ANYONE))


def _add(app: Celery, this_process: Callable[[], WorkerProcess], name: str, mark: str) -> None:
    @app.task(name=name, ignore_result=True, resultrepr_maxsize=SHOWN)
    def wake(service: str, key: str, **_: Any) -> dict[str, Any]:
        process = this_process()
        done = process.carry(service, own_id(), own=key, wake=key + mark)
        return carried(process, service, key, done)
