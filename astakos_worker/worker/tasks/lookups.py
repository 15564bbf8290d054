"""Look-ups with the service's token, each a task of its own on a queue of their own.

Those of names share their requests with others that are under way in this process.
"""

from collections.abc import Callable
from typing import Any

from celery import Celery

from astakos_worker.configuration import names
from astakos_worker.engine.replies import fault_of
from astakos_worker.worker.process import WorkerProcess
from astakosclient.errors import AstakosClientException

#: The name of each other look-up, and the method of the client that answers it.
LOOKUPS = {
    "quotas": "service_get_quotas",
    "project_quotas": "service_get_project_quotas",
    "resources": "get_resources",
    "services": "get_services",
    "endpoints": "get_endpoints",
    "pending_commissions": "get_pending_commissions",
    "commission_info": "get_commission_info",
}


def register(app: Celery, this_process: Callable[[], WorkerProcess]) -> None:
    """Add the tasks to an application."""
    for name, method in LOOKUPS.items():
        _add(app, this_process, name, method)
    _add_names(app, this_process, "usernames", "uuids")
    _add_names(app, this_process, "uuids", "display_names")


def _add(app: Celery, this_process: Callable[[], WorkerProcess], name: str, method: str) -> None:
    @app.task(name=names.LOOKUP + name)
    def look_up(service: str | None = None, **arguments: Any) -> dict[str, Any]:
        process = this_process()
        client = process.clients.of(service or process.settings.service)
        return _answer(lambda: getattr(client, method)(**arguments))


def _add_names(
    app: Celery, this_process: Callable[[], WorkerProcess], what: str, label: str
) -> None:
    @app.task(name=names.LOOKUP + what)
    def look_up(service: str | None = None, **arguments: Any) -> dict[str, Any]:
        if arguments.keys() != {label}:
            raise TypeError(f"give {label}, not {', '.join(sorted(arguments)) or 'nothing'}")
        process = this_process()
        wanted = arguments[label]
        return _answer(lambda: process.users(service or process.settings.service, what, wanted))


def _answer(ask: Callable[[], Any]) -> dict[str, Any]:
    try:
        return {"value": ask()}
    except AstakosClientException as error:
        return {"error": fault_of(error)}
