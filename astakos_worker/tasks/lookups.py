"""Look-ups with the service's token, each a task of its own on a queue of their own."""

from collections.abc import Callable
from typing import Any

from celery import Celery

from astakos_worker import names
from astakos_worker.engine.judge import fault_of
from astakos_worker.runtime import Runtime
from astakosclient.errors import AstakosClientException

#: The name of each look-up, and the method of the client that answers it.
LOOKUPS = {
    "usernames": "service_get_usernames",
    "uuids": "service_get_uuids",
    "quotas": "service_get_quotas",
    "project_quotas": "service_get_project_quotas",
    "resources": "get_resources",
    "services": "get_services",
    "endpoints": "get_endpoints",
    "pending_commissions": "get_pending_commissions",
    "commission_info": "get_commission_info",
}

#: Where the client's argument has another name: the user's document calls it so.
_CALLED = {("uuids", "display_names"): "uuids"}


def register(app: Celery, runtime: Callable[[], Runtime]) -> None:
    """Add the tasks to an application."""
    for name, method in LOOKUPS.items():
        _add(app, runtime, name, method)


def _add(app: Celery, runtime: Callable[[], Runtime], name: str, method: str) -> None:
    @app.task(name=names.LOOKUP + name)
    def look_up(service: str | None = None, **arguments: Any) -> dict[str, Any]:
        run = runtime()
        client = run.clients.of(service or run.settings.service)
        try:
            given = {_CALLED.get((name, label), label): arguments[label] for label in arguments}
            return {"value": getattr(client, method)(**given)}
        except AstakosClientException as error:
            return {"error": fault_of(error)}
