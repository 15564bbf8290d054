"""System checks: `manage.py check --database default` says when rows do not leave the outbox."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Tags, Warning, register  # noqa: A004
from django.db import connections

from astakos_worker.service.outbox.databases import run
from astakos_worker.service.outbox.of_django import outbox_of_django
from astakos_worker.service.outbox.statements import TABLE

#: Seconds after which a row that waits means that no relay runs, or that the ledger is away.
LATE = 60.0


@register(Tags.database)
def outbox_is_emptied(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Warn of rows that wait for a minute, and of rows that can never be sent."""
    found: list[CheckMessage] = []
    for alias in databases or ():
        connection = connections[alias]
        if connection.vendor not in ("postgresql", "sqlite"):
            continue
        if TABLE not in connection.introspection.table_names():
            continue  # not migrated yet, or not this database's
        outbox = outbox_of_django(alias)
        [(waiting, oldest)] = run(outbox, "waiting")
        if oldest > LATE:
            found.append(
                Warning(
                    f"{waiting} calls wait in the outbox, the oldest for {oldest:.0f} s",
                    hint="Is `manage.py astakos_relay` running, and the ledger up?",
                    id="astakos_outbox.W001",
                )
            )
        for service, number in run(outbox, "failed"):
            found.append(
                Warning(
                    f"{number} calls of {service} in the outbox can never be sent",
                    hint="`astakos-worker outbox list` says why; then `retry` or `drop` them.",
                    id="astakos_outbox.W002",
                )
            )
    return found
