"""How a row gets into the service's own transaction, and how its commit is heard of."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from astakos_worker.service.outbox.databases import Outbox
from astakos_worker.service.outbox.rows import UNKNOWN, NewRow
from astakos_worker.service.outbox.sender import Sender
from astakos_worker.service.outbox.statements import Dialect, statement
from astakosclient.errors import BadValue

#: Rows in one INSERT, at most; SQLite takes 32,766 parameters.
MOST = 2000

_COLUMNS = "schema, kind, service, key, holder, incarnation, arguments, created"
#: The holder of the newest row of the same key: an accept follows its issue.
_HOLDER = (
    "coalesce((SELECT holder FROM astakos_outbox WHERE service = %s AND key = %s "
    "ORDER BY id DESC LIMIT 1), '')"
)


class Writer(Protocol):
    """A connection of the service's, with its transaction."""

    @property
    def dialect(self) -> Dialect:
        """What it speaks."""

    @property
    def database(self) -> tuple[Any, ...]:
        """What names its database in this process."""

    def outbox(self) -> Outbox:
        """Return the outbox of its database, over connections of its own."""

    async def insert(self, text: str, parameters: Sequence[Any]) -> list[int]:
        """Execute an INSERT in the transaction; return the ids. Parameters are written %s.

        On a connection of a thread it never suspends.
        """

    def after_commit(self, sender: Sender, ids: Sequence[int]) -> None:
        """Wake the sender when the transaction commits, as soon as that can be known."""


async def write(writer: Writer, rows: Sequence[NewRow]) -> list[int]:
    """Write rows by one statement for each `MOST` of them; return their ids."""
    ids: list[int] = []
    for start in range(0, len(rows), MOST):
        ids += await _write(writer, rows[start : start + MOST])
    return ids


async def _write(writer: Writer, rows: Sequence[NewRow]) -> list[int]:
    now = statement(writer.dialect, "now")
    values: list[str] = []
    parameters: list[Any] = []
    for row in rows:
        if row.holder == UNKNOWN:
            values.append(f"(%s, %s, %s, %s, {_HOLDER}, %s, %s, {now})")
            before = (row.schema, row.kind, row.service, row.key, row.service, row.key)
            parameters += [*before, row.incarnation, row.arguments]
        else:
            values.append(f"(%s, %s, %s, %s, %s, %s, %s, {now})")
            parameters += row
    listed = ", ".join(values)
    return await writer.insert(
        f"INSERT INTO astakos_outbox ({_COLUMNS}) VALUES {listed} RETURNING id",  # noqa: S608
        parameters,
    )


def writer_of(connection: object, using: str | None) -> Writer:
    """Return the writer for a connection: SQLAlchemy's, psycopg's, or none for Django's."""
    if connection is None:
        try:
            from astakos_worker.service.outbox import of_django  # noqa: PLC0415
        except ImportError as error:
            text = "Django is not installed: give in_transaction() the connection to write to"
            raise BadValue(text) from error
        return of_django.writer(using)
    if using is not None:
        raise BadValue("using= names a database of Django: give it without a connection")
    makers = _makers(connection)
    if "sqlalchemy" in makers:
        from astakos_worker.service.outbox import of_sqlalchemy  # noqa: PLC0415

        return of_sqlalchemy.writer(connection)
    if "psycopg" in makers:
        from astakos_worker.service.outbox import of_psycopg  # noqa: PLC0415

        return of_psycopg.writer(connection)
    raise BadValue(
        "in_transaction() takes a Session or Connection of SQLAlchemy, a connection of psycopg 3, "
        f"or nothing with Django; not {type(connection).__name__}"
    )


def async_writer_of(connection: object) -> Callable[[], Coroutine[Any, Any, Writer]]:
    """Return what makes the writer for a connection of an event loop: SQLAlchemy's or psycopg's."""
    makers = _makers(connection)
    if "sqlalchemy" in makers:
        from astakos_worker.service.outbox import of_sqlalchemy  # noqa: PLC0415

        return of_sqlalchemy.async_writer(connection)
    if "psycopg" in makers:
        from astakos_worker.service.outbox import of_psycopg  # noqa: PLC0415

        return of_psycopg.async_writer(connection)
    raise BadValue(
        "in_transaction() takes an AsyncSession or AsyncConnection of SQLAlchemy, or an "
        f"AsyncConnection of psycopg 3; not {type(connection).__name__}"
    )


def _makers(connection: object) -> set[str]:
    """Return the packages that a connection's classes come from."""
    return {one.__module__.partition(".")[0] for one in type(connection).__mro__}
