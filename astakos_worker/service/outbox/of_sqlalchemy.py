"""The outbox beside a service that uses SQLAlchemy 2: a `Session` or a `Connection`.

`table()` is for Alembic.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar
from weakref import WeakKeyDictionary, WeakSet

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    DateTime,
    Engine,
    Identity,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    event,
    text,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_scoped_session
from sqlalchemy.orm import Session, scoped_session
from sqlalchemy.util import greenlet_spawn

from astakos_worker.ledger.awaited import at_once
from astakos_worker.service.outbox.databases import Execute, Outbox, PostgresOutbox, SqliteOutbox
from astakos_worker.service.outbox.of_drivers import in_style, transaction
from astakos_worker.service.outbox.sender import Sender
from astakos_worker.service.outbox.statements import TABLE, Dialect
from astakosclient.errors import BadValue

T = TypeVar("T")


def table(metadata: MetaData) -> Table:
    """Return the outbox's table in a `MetaData`, for Alembic or `create_all`: in PostgreSQL."""
    made = Table(
        TABLE,
        metadata,
        Column(
            "id",
            BigInteger().with_variant(Integer, "sqlite"),
            Identity(always=False),
            primary_key=True,
        ),
        Column("schema", SmallInteger, nullable=False),
        Column("kind", String(16), nullable=False),
        Column("service", String(32), nullable=False),
        Column("key", String(200), nullable=False),
        Column("holder", String(300), nullable=False),
        Column("incarnation", String(8), nullable=False),
        Column("arguments", Text, nullable=False),
        Column(
            "created",
            DateTime(timezone=True),
            nullable=False,
            server_default=text("CURRENT_TIMESTAMP"),
        ),
        Column("error", Text, nullable=True),
        sqlite_autoincrement=True,  # an id is never used again, as in PostgreSQL
    )
    of_row = made.c
    waiting, failed = of_row.error.is_(None), of_row.error.is_not(None)
    Index(
        "astakos_outbox_waiting",
        *(of_row.service, of_row.holder, of_row.id),
        postgresql_where=waiting,
        sqlite_where=waiting,
    )
    keys = (of_row.service, of_row.key, of_row.id)
    Index("astakos_outbox_keys", *keys)
    Index("astakos_outbox_failed", *keys, postgresql_where=failed, sqlite_where=failed)
    return made


class SqlalchemyWriter:
    """A session or a connection of SQLAlchemy."""

    def __init__(self, given: Session | Connection) -> None:
        self._given = given

    @property
    def _connection(self) -> Connection:
        """The connection now: a session makes a savepoint only when it is asked for it."""
        return self._given.connection() if isinstance(self._given, Session) else self._given

    @property
    def dialect(self) -> Dialect:
        """What the database speaks."""
        return dialect_of(self._connection.engine)

    @property
    def database(self) -> tuple[Any, ...]:
        """The engine."""
        return "sqlalchemy", self._connection.engine

    def outbox(self) -> Outbox:
        """Return an outbox over connections of the same engine."""
        return outbox_of_engine(self._connection.engine)

    async def insert(self, text: str, parameters: Sequence[Any]) -> list[int]:
        """Execute an INSERT in the transaction; return the ids."""
        text = in_style(text, self._connection.dialect.paramstyle)
        return [one[0] for one in self._connection.exec_driver_sql(text, tuple(parameters))]

    def after_commit(self, sender: Sender, ids: Sequence[int]) -> None:
        """Wake the sender at the commit, unless a savepoint before it is rolled back."""
        _commits.expect(self._connection, sender, ids)


def writer(given: object) -> SqlalchemyWriter:
    """Return the writer for a session or a connection; `BadValue` for what has no transaction."""
    if isinstance(given, scoped_session):
        given = given()
    connection = given.connection() if isinstance(given, Session) else given
    if not isinstance(connection, Connection):
        raise BadValue(
            "in_transaction() takes a Session or a Connection of SQLAlchemy, not "
            f"{type(given).__name__}; AsyncCommissions takes an AsyncSession or AsyncConnection"
        )
    dialect_of(connection.engine)
    if connection._is_autocommit_isolation():  # noqa: SLF001  # no public name says it
        raise BadValue("the connection commits each statement by itself: it has no transaction")
    return SqlalchemyWriter(given if isinstance(given, Session) else connection)


class AsyncSqlalchemyWriter:
    """A session or a connection of an event loop; `inner` is the one that it hides."""

    def __init__(self, given: AsyncSession | AsyncConnection, inner: SqlalchemyWriter) -> None:
        self._given = given
        self._inner = inner
        self.dialect = inner.dialect
        self.database = inner.database
        self.outbox = inner.outbox

    async def insert(self, text: str, parameters: Sequence[Any]) -> list[int]:
        """Execute an INSERT in the transaction; return the ids."""
        return await self._given.run_sync(lambda _: at_once(self._inner.insert(text, parameters)))

    def after_commit(self, sender: Sender, ids: Sequence[int]) -> None:
        """Wake the sender at the commit, as `SqlalchemyWriter` does."""
        self._inner.after_commit(sender, ids)


def async_writer(given: object) -> Callable[[], Coroutine[Any, Any, AsyncSqlalchemyWriter]]:
    """Return what makes the writer for a session or a connection of an event loop."""
    if isinstance(given, async_scoped_session):
        given = given()
    if not isinstance(given, AsyncSession | AsyncConnection):
        raise BadValue(
            "in_transaction() takes an AsyncSession or an AsyncConnection of SQLAlchemy, not "
            f"{type(given).__name__}; Commissions takes a Session or Connection"
        )
    session: AsyncSession | AsyncConnection = given

    async def made() -> AsyncSqlalchemyWriter:
        # A session takes its connection now, which may have to wait for the database.
        return AsyncSqlalchemyWriter(session, await session.run_sync(writer))

    return made


def dialect_of(engine: Engine) -> Dialect:
    """Return what an engine's database speaks; `BadValue` if the outbox does not."""
    match engine.dialect.name:
        case "postgresql":
            return "postgresql"
        case "sqlite":
            return "sqlite"
        case name:
            raise BadValue(f"the outbox needs PostgreSQL or SQLite; this database is {name}")


def outbox_of_engine(engine: Engine) -> Outbox:
    """Return the outbox of an engine's database."""
    kind = PostgresOutbox if dialect_of(engine) == "postgresql" else SqliteOutbox
    if engine.dialect.is_async:
        loop = _OwnLoop(engine)
        return kind(loop.transactions, loop.close)
    style = engine.dialect.paramstyle

    @contextmanager
    def transactions() -> Iterator[Execute]:
        connection = engine.raw_connection()
        try:
            with transaction(connection, paramstyle=style) as execute:
                yield execute
        finally:
            connection.close()

    return kind(transactions)


class _OwnLoop:
    """Transactions of an asynchronous driver in a thread, in an event loop of its own.

    The connections of the service's engine belong to the service's event loop. So the thread has a
    pool of its own, of the same kind, and one connection in it.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._kept: tuple[asyncio.AbstractEventLoop, Any, Any] | None = None

    @contextmanager
    def transactions(self) -> Iterator[Execute]:
        if self._kept is None:
            loop, pool = asyncio.new_event_loop(), self._engine.pool.recreate()
            self._kept = loop, pool, loop.run_until_complete(greenlet_spawn(pool.connect))
        loop, _, connection = self._kept

        def run(call: Callable[..., T], *arguments: Any) -> T:
            return loop.run_until_complete(greenlet_spawn(call, *arguments))

        inner = transaction(connection, paramstyle=self._engine.dialect.paramstyle)
        try:
            execute = run(inner.__enter__)
            try:
                yield lambda text, parameters: run(execute, text, parameters)
            except BaseException as error:
                if not run(inner.__exit__, type(error), error, error.__traceback__):
                    raise
            else:
                run(inner.__exit__, None, None, None)
        except BaseException:
            self.close()  # the connection may be broken
            raise

    def close(self) -> None:
        """Close the connection and its loop."""
        if self._kept is None:
            return
        (loop, pool, connection), self._kept = self._kept, None
        with suppress(Exception):  # it may be broken, and is not used again
            loop.run_until_complete(greenlet_spawn(connection.invalidate))
        with suppress(Exception):
            loop.run_until_complete(greenlet_spawn(pool.dispose))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


# --- When a transaction commits ---------------------------------------------------------------


class _Commits:
    """Wakes senders when connections commit rows of theirs.

    The event of a commit comes just before it. A savepoint that is rolled back takes the rows since
    it with it. Savepoints end in the reverse order of their beginnings; one that ends and has no
    mark began before the first row.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._engines: WeakSet[Engine] = WeakSet()
        #: Of each connection, in order: rows with their senders, and a mark for each savepoint.
        self._since: WeakKeyDictionary[Connection, list[tuple[Sender, Sequence[int]] | None]]
        self._since = WeakKeyDictionary()

    def expect(self, connection: Connection, sender: Sender, ids: Sequence[int]) -> None:
        with self._lock:
            if connection.engine not in self._engines:
                self._engines.add(connection.engine)
                self._listen(connection.engine)
            self._since.setdefault(connection, []).append((sender, ids))

    def _listen(self, engine: Engine) -> None:
        event.listen(engine, "commit", self._committed)
        event.listen(engine, "commit_twophase", lambda one, *_: self._committed(one))
        event.listen(engine, "rollback", self._rolled_back)
        event.listen(engine, "rollback_twophase", lambda one, *_: self._rolled_back(one))
        event.listen(engine, "savepoint", lambda one, _: self._savepoint(one))
        event.listen(engine, "release_savepoint", lambda one, *_: self._released(one))
        event.listen(engine, "rollback_savepoint", lambda one, *_: self._savepoint_undone(one))

    def _committed(self, connection: Connection) -> None:
        for one in self._since.pop(connection, ()):
            if one is not None:
                sender, ids = one
                sender.wake(ids)

    def _rolled_back(self, connection: Connection) -> None:
        self._since.pop(connection, None)

    def _savepoint(self, connection: Connection) -> None:
        if connection in self._since:
            self._since[connection].append(None)

    def _released(self, connection: Connection) -> None:
        since = self._since.get(connection, [])
        if None in since:
            del since[_last_mark(since)]

    def _savepoint_undone(self, connection: Connection) -> None:
        since = self._since.get(connection, [])
        del since[_last_mark(since) if None in since else 0 :]


def _last_mark(since: Sequence[object]) -> int:
    return len(since) - 1 - since[::-1].index(None)


_commits = _Commits()
