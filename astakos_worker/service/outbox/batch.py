"""Sends one batch of the outbox: takes rows, delivers them, deletes what the ledger has.

The thread of a service and the relays all do this, and nothing else does.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence

from astakos_worker.configuration.settings import Settings
from astakos_worker.service.connections import Connections
from astakos_worker.service.outbox import moments
from astakos_worker.service.outbox.databases import Outbox
from astakos_worker.service.outbox.deliver import Delivered, deliver, holders
from astakos_worker.service.outbox.statements import statement

#: Decisions whose projects are asked for at once.
_ROUTED = 1000


def send_batch(
    outbox: Outbox,
    settings: Settings,
    connections: Callable[[str], Connections],
    services: Sequence[str] = (),
) -> Delivered:
    """Send the oldest rows that nobody else sends now; return what became of them.

    `connections` returns those of a named service; `services`: of these alone, or of all. Raises
    `Unavailable` if the ledger does not answer before anything is sent, and the error of the
    database's driver.
    """
    _route(outbox, connections, services)
    with outbox.take(services) as taken:
        moments.reached("rows taken")
        if not taken.rows:
            return Delivered()
        out = deliver(taken.rows, settings, connections)
        moments.reached("rows in the ledger")
        taken.finish(out.done, out.failed)
        moments.reached("rows deleted")
    moments.reached("rows committed")
    return out


def _route(
    outbox: Outbox, connections: Callable[[str], Connections], services: Sequence[str]
) -> None:
    """Find out of which project's order each decision is a part whose row does not say.

    The issue of its key is in the ledger, or came another way and has no order to keep.
    """
    with outbox.transactions() as execute:
        unrouted = execute(statement(outbox.dialect, "unrouted"), (_ROUTED,))
    keys: dict[str, list[str]] = defaultdict(list)
    for _, service, key in unrouted:
        if not services or service in services:
            keys[service].append(key)
    for service, of_service in keys.items():
        found = holders(service, of_service, connections(service))
        ids: dict[str, list[int]] = defaultdict(list)
        for number, its, key in unrouted:
            if its == service:
                ids[found[key]].append(number)
        with outbox.transactions() as execute:
            for holder, listed in ids.items():
                text = statement(outbox.dialect, "route", len(listed))
                execute(text, (holder, *listed))
