"""Outboxes reached by a database's driver alone: psycopg, or Python's own sqlite3."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from astakos_worker.service.outbox.databases import Execute, Outbox, PostgresOutbox, SqliteOutbox
from astakosclient.errors import BadValue

#: Seconds for which a statement waits for another writer of an SQLite database.
_BUSY = 5.0


class DriverConnection(Protocol):
    """What drivers have in common (PEP 249)."""

    def cursor(self) -> Any:
        """Return a cursor."""

    def commit(self) -> Any:
        """Commit."""

    def rollback(self) -> Any:
        """Roll back."""


def in_style(text: str, paramstyle: str) -> str:
    """Return a statement, whose parameters are written %s, as a driver takes it (PEP 249)."""
    if paramstyle in ("format", "pyformat"):
        return text
    first, *rest = text.replace("%%", "%").split("%s")
    if paramstyle == "qmark":
        return "?".join((first, *rest))
    sign = "$" if paramstyle == "numeric_dollar" else ":"
    return first + "".join(f"{sign}{n}{part}" for n, part in enumerate(rest, 1))


@contextmanager
def transaction(connection: DriverConnection, *, paramstyle: str) -> Iterator[Execute]:
    """Run one transaction on a driver's connection that begins it by itself."""

    def execute(text: str, parameters: Sequence[Any]) -> list[Any]:
        if parameters:
            text = in_style(text, paramstyle)
        with closing(connection.cursor()) as cursor:
            if parameters:
                cursor.execute(text, parameters)
            else:
                cursor.execute(text)
            return list(cursor.fetchall()) if cursor.description else []

    try:
        yield execute
    except BaseException:
        with suppress(Exception):  # the first error counts
            connection.rollback()
        raise
    connection.commit()


def outbox_of_url(url: str) -> Outbox:
    """Return the outbox of a database: `postgresql://...`, or `sqlite:///` and a path.

    A URL of SQLAlchemy with a driver (`postgresql+psycopg://...`) is taken too. Raises `BadValue`
    for any other.
    """
    scheme, _, rest = url.partition("://")
    kind = scheme.partition("+")[0]
    if kind in ("postgresql", "postgres"):
        return _postgresql(f"postgresql://{rest}")
    if kind == "sqlite" and (path := unquote(urlsplit(url).path.removeprefix("/"))):
        return _sqlite(path)
    raise BadValue(
        "the database of the outbox must be postgresql://user@host/name or sqlite:///path, "
        f"not {scheme or 'nothing'}://..."
    )


def psycopg_outbox(conninfo: str) -> PostgresOutbox:
    """Return an outbox over a psycopg connection of its own, opened at first use and again."""
    import psycopg  # noqa: PLC0415  # only where it is used
    from psycopg.rows import tuple_row  # noqa: PLC0415

    kept: list[psycopg.Connection[Any]] = []

    @contextmanager
    def transactions() -> Iterator[Execute]:
        if not kept or kept[0].closed:
            kept[:] = [psycopg.connect(conninfo, row_factory=tuple_row, connect_timeout=5)]
        try:
            with transaction(kept[0], paramstyle="format") as execute:
                yield execute
        except psycopg.OperationalError:
            close()
            raise

    def close() -> None:
        while kept:
            kept.pop().close()

    return PostgresOutbox(transactions, close)


def _postgresql(conninfo: str) -> Outbox:
    try:
        return psycopg_outbox(conninfo)
    except ImportError:
        raise BadValue("psycopg is not installed: pip install 'astakos-worker[postgres]'") from None


def _sqlite(path: str) -> Outbox:
    @contextmanager
    def transactions() -> Iterator[Execute]:
        with (
            closing(sqlite3.connect(path, timeout=_BUSY)) as connection,
            transaction(connection, paramstyle="qmark") as execute,
        ):
            yield execute

    return SqliteOutbox(transactions)
