"""The outbox beside a service that uses psycopg 3."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from astakos_worker.service.outbox.databases import Outbox
from astakos_worker.service.outbox.of_drivers import psycopg_outbox
from astakos_worker.service.outbox.sender import Sender
from astakos_worker.service.outbox.statements import Dialect
from astakosclient.errors import BadValue


class _Writer:
    """A connection of psycopg 3. It reports no commits: the sender looks for the rows."""

    def __init__(self, info: psycopg.ConnectionInfo) -> None:
        self._info = info

    dialect: Dialect = "postgresql"

    @property
    def database(self) -> tuple[Any, ...]:
        """Host, port and name of the database, and the user."""
        info = self._info
        return "psycopg", info.host, info.port, info.dbname, info.user

    def outbox(self) -> Outbox:
        """Return an outbox over a connection of its own, to the same database."""
        info = self._info
        given = info.get_parameters() | ({"password": info.password} if info.password else {})
        return psycopg_outbox(psycopg.conninfo.make_conninfo("", **given))

    def after_commit(self, sender: Sender, ids: Sequence[int]) -> None:
        """Have the sender look for the rows."""
        sender.wake(ids)


class PsycopgWriter(_Writer):
    """A connection of a thread."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        super().__init__(connection.info)
        self._connection = connection

    async def insert(self, text: str, parameters: Sequence[Any]) -> list[int]:
        """Execute an INSERT in the transaction; return the ids."""
        # Not the connection's own kind of cursor, whose rows and parameters may look otherwise.
        with psycopg.Cursor(self._connection, row_factory=tuple_row) as cursor:
            cursor.execute(text.encode(), parameters)
            return [one[0] for one in cursor.fetchall()]


class AsyncPsycopgWriter(_Writer):
    """A connection of an event loop."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        super().__init__(connection.info)
        self._connection = connection

    async def insert(self, text: str, parameters: Sequence[Any]) -> list[int]:
        """Execute an INSERT in the transaction; return the ids."""
        async with psycopg.AsyncCursor(self._connection, row_factory=tuple_row) as cursor:
            await cursor.execute(text.encode(), parameters)
            return [one[0] for one in await cursor.fetchall()]


def writer(connection: object) -> PsycopgWriter:
    """Return the writer for a connection; `BadValue` for one that has no transaction."""
    if not isinstance(connection, psycopg.Connection):
        raise BadValue(f"in_transaction() takes a psycopg.Connection, not {connection!r:.80}")
    _check(connection, "with")
    return PsycopgWriter(connection)


def async_writer(connection: object) -> Callable[[], Coroutine[Any, Any, AsyncPsycopgWriter]]:
    """Return what makes the writer; `BadValue` for a connection that has no transaction."""
    if not isinstance(connection, psycopg.AsyncConnection):
        raise BadValue(f"in_transaction() takes a psycopg.AsyncConnection, not {connection!r:.80}")
    _check(connection, "async with")
    made = AsyncPsycopgWriter(connection)

    async def writer() -> AsyncPsycopgWriter:
        return made

    return writer


def _check(connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any], how: str) -> None:
    status = connection.info.transaction_status
    if connection.autocommit and status == TransactionStatus.IDLE:
        raise BadValue(
            "the connection commits each statement by itself: call in_transaction() inside "
            f"`{how} connection.transaction()`"
        )
