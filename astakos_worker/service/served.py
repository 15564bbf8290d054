"""Whether workers serve a named service: what each worker says of itself in the ledger. Pure."""

from collections.abc import Collection

from astakos_worker.configuration.names import COMMISSIONS
from astakos_worker.configuration.nearest import nearest
from astakos_worker.ledger.contract import Served


def unserved(
    served: Collection[Served], namespace: str, service: str, queue: str = COMMISSIONS
) -> str:
    """Return why no worker does the work of a service in a queue; an empty text if one does."""
    if Served(namespace, service, queue) in served:
        return ""
    if not served:
        return (
            "no worker runs on this ledger: start one with `astakos-worker serve`, or see that "
            "ASTAKOS_LEDGER_URL is the same here and there"
        )
    namespaces = {one.namespace for one in served}
    if namespace not in namespaces:
        near = nearest(namespace, namespaces)
        return f"no worker serves the namespace {namespace!r} (ASTAKOS_NAMESPACE){near}"
    services = {one.service for one in served if one.namespace == namespace}
    if service not in services:
        near = nearest(service, services)
        return f"no worker serves the service {service!r} (ASTAKOS_SERVICE){near}"
    return (
        f"no worker reads the queue {queue}: start one with "
        f"`celery -A astakos_worker.app worker -Q {queue}`"
    )
