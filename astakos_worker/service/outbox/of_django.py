"""The outbox beside a service that uses Django."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, transaction

from astakos_worker.service.outbox.databases import Execute, Outbox, PostgresOutbox, SqliteOutbox
from astakos_worker.service.outbox.sender import Sender
from astakos_worker.service.outbox.statements import Dialect
from astakosclient.errors import BadValue


class DjangoWriter:
    """A database of Django, and this thread's transaction in it."""

    def __init__(self, using: str) -> None:
        self._using = using

    @property
    def dialect(self) -> Dialect:
        """What the database speaks."""
        return dialect_of(self._using)

    @property
    def database(self) -> tuple[Any, ...]:
        """The name by which Django's settings know the database, and the database's own name."""
        return "django", self._using, str(connections[self._using].settings_dict["NAME"])

    def outbox(self) -> Outbox:
        """Return an outbox over the connection that Django gives to each thread."""
        return outbox_of_django(self._using)

    async def insert(self, text: str, parameters: Sequence[Any]) -> list[int]:
        """Execute an INSERT in the transaction; return the ids."""
        with connections[self._using].cursor() as cursor:
            cursor.execute(text, parameters)
            return [one[0] for one in cursor.fetchall()]

    def after_commit(self, sender: Sender, ids: Sequence[int]) -> None:
        """Wake the sender by Django's own hook, which knows of savepoints."""
        del ids  # the hook comes after the commit: one look finds them
        transaction.on_commit(sender.wake, using=self._using, robust=True)


def writer(using: str | None) -> DjangoWriter:
    """Return the writer for a database of Django; `BadValue` outside of a transaction."""
    name = using or DEFAULT_DB_ALIAS
    if name not in connections:
        raise BadValue(f"Django's settings have no database {name!r}")
    connection = connections[name]
    dialect_of(name)
    if connection.get_autocommit():
        raise BadValue(
            "Django commits each statement by itself here: call in_transaction() inside "
            "`with transaction.atomic()`"
        )
    return DjangoWriter(name)


def dialect_of(using: str) -> Dialect:
    """Return what a database of Django speaks; `BadValue` if the outbox does not."""
    match connections[using].vendor:
        case "postgresql":
            return "postgresql"
        case "sqlite":
            return "sqlite"
        case vendor:
            raise BadValue(f"the outbox needs PostgreSQL or SQLite; {using!r} is {vendor}")


def outbox_of_django(using: str = DEFAULT_DB_ALIAS) -> Outbox:
    """Return the outbox of a database of Django, over the calling thread's connection."""

    @contextmanager
    def transactions() -> Iterator[Execute]:
        with transaction.atomic(using=using), connections[using].cursor() as cursor:

            def execute(text: str, parameters: Sequence[Any]) -> list[Any]:
                cursor.execute(text, parameters or None)
                return list(cursor.fetchall()) if cursor.description else []

            yield execute

    def close() -> None:
        connections[using].close()

    if dialect_of(using) == "postgresql":
        return PostgresOutbox(transactions, close)
    return SqliteOutbox(transactions, close)
