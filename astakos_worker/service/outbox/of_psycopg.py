"""The outbox beside a service that uses psycopg 3."""

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from astakos_worker.service.outbox.databases import Outbox
from astakos_worker.service.outbox.of_drivers import psycopg_outbox
from astakos_worker.service.outbox.sender import Sender
from astakos_worker.service.outbox.statements import Dialect
from astakosclient.errors import BadValue


class PsycopgWriter:
    """A connection of psycopg 3. It reports no commits: the sender looks for the rows."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    dialect: Dialect = "postgresql"

    @property
    def database(self) -> tuple[Any, ...]:
        """Host, port and name of the database, and the user."""
        info = self._connection.info
        return "psycopg", info.host, info.port, info.dbname, info.user

    def outbox(self) -> Outbox:
        """Return an outbox over a connection of its own, to the same database."""
        info = self._connection.info
        given = info.get_parameters() | ({"password": info.password} if info.password else {})
        return psycopg_outbox(psycopg.conninfo.make_conninfo("", **given))

    def insert(self, text: str, parameters: Sequence[Any]) -> list[int]:
        """Execute an INSERT in the transaction; return the ids."""
        # Not the connection's own kind of cursor, whose rows and parameters may look otherwise.
        with psycopg.Cursor(self._connection, row_factory=tuple_row) as cursor:
            cursor.execute(text.encode(), parameters)
            return [one[0] for one in cursor.fetchall()]

    def after_commit(self, sender: Sender, ids: Sequence[int]) -> None:
        """Have the sender look for the rows."""
        sender.wake(ids)


def writer(connection: object) -> PsycopgWriter:
    """Return the writer for a connection; `BadValue` for one that has no transaction."""
    if not isinstance(connection, psycopg.Connection):
        raise BadValue(f"in_transaction() takes a psycopg.Connection, not {connection!r:.80}")
    status = connection.info.transaction_status
    if connection.autocommit and status == TransactionStatus.IDLE:
        raise BadValue(
            "the connection commits each statement by itself: call in_transaction() inside "
            "`with connection.transaction()`"
        )
    return PsycopgWriter(connection)
