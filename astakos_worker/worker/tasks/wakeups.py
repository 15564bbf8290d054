"""Wake-ups: a message names a commission or a lane; the work itself is in the ledger.

What else a newer version may say in one is ignored: there is work, and that is all (F78).
"""

from collections.abc import Callable
from typing import Any

from celery import Celery

from astakos_worker.configuration import names
from astakos_worker.ledger.contract import ANYONE
from astakos_worker.worker.process import Runtime
from astakos_worker.worker.tasks.shown import SHOWN, carried, own_id


def register(app: Celery, runtime: Callable[[], Runtime]) -> None:
    """Add the tasks to an application."""
    for name, mark in names.PROMISES.items():
        _add(app, runtime, name, mark)

    @app.task(name=names.WAKE_DRIVE, ignore_result=True, resultrepr_maxsize=SHOWN)
    def drive(service: str, **_: Any) -> dict[str, Any]:
        run = runtime()
        return carried(run, service, None, run.carry(service, own_id(), wake=ANYONE))


def _add(app: Celery, runtime: Callable[[], Runtime], name: str, mark: str) -> None:
    @app.task(name=name, ignore_result=True, resultrepr_maxsize=SHOWN)
    def wake(service: str, key: str, **_: Any) -> dict[str, Any]:
        run = runtime()
        done = run.carry(service, own_id(), own=key, wake=key + mark)
        return carried(run, service, key, done)
