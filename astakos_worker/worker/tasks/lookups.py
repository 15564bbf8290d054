"""Look-ups with the service's token. Each is a task, on a queue that serves look-ups alone.

Look-ups of names share one request with other look-ups that this process has under way.
"""

from collections.abc import Callable
from typing import Any

from celery import Celery

from astakos_worker.configuration import names
from astakos_worker.engine.replies import fault_of
from astakos_worker.worker.process import WorkerProcess
from astakosclient.errors import AstakosClientException

#: The name of each look-up but those of names, and the client's method that answers it.
LOOKUPS = {
    "quotas": "service_get_quotas",
    "project_quotas": "service_get_project_quotas",
    "resources": "get_resources",
    "services": "get_services",
    "endpoints": "get_endpoints",
    "pending_commissions": "get_pending_commissions",
    "commission_info": "get_commission_info",
}

#: The look-ups of names, and what the argument of each is called.
NAMES = {"usernames": "uuids", "uuids": "display_names"}


def register(app: Celery, this_process: Callable[[], WorkerProcess]) -> None:
    """Add the tasks to an application."""
    for name, method in LOOKUPS.items():
        _add(app, this_process, name, method)
    for name, argument in NAMES.items():
        _add_names(app, this_process, name, argument)


def _add(app: Celery, this_process: Callable[[], WorkerProcess], name: str, method: str) -> None:
    @app.task(name=names.LOOKUP + name)
    def look_up(service: str | None = None, **arguments: Any) -> dict[str, Any]:
        process = this_process()
        name = service or process.settings.service
        return _answer(lambda: getattr(process.clients.of(name), method)(**arguments))


def _add_names(
    app: Celery, this_process: Callable[[], WorkerProcess], what: str, argument: str
) -> None:
    @app.task(name=names.LOOKUP + what)
    def look_up(service: str | None = None, **arguments: Any) -> dict[str, Any]:
        if arguments.keys() != {argument}:
            raise TypeError(f"give {argument}, not {', '.join(sorted(arguments)) or 'nothing'}")
        process = this_process()
        wanted = arguments[argument]
        return _answer(lambda: process.users(service or process.settings.service, what, wanted))


def _answer(ask: Callable[[], Any]) -> dict[str, Any]:
    try:
        return {"value": ask()}
    except AstakosClientException as error:
        return {"error": fault_of(error)}
