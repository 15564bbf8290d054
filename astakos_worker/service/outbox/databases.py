"""How a process that sends reaches the outbox: transactions of a driver, and the rows in them.

`transactions` opens one transaction at a time: it gives a function that executes a statement and
returns its rows, commits at its end, and rolls back on an exception. What belongs to SQLAlchemy
and Django is in `of_sqlalchemy.py` and `of_django.py`.
"""

import fcntl
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from astakos_worker.service.outbox.rows import Row
from astakos_worker.service.outbox.statements import Dialect, statement

#: Projects whose rows go together, at most; and rows.
PROJECTS, ROWS = 100, 500

Execute = Callable[[str, Sequence[Any]], list[Any]]
Transactions = Callable[[], AbstractContextManager[Execute]]


@dataclass(frozen=True, slots=True)
class Taken:
    """Rows that no other process sends meanwhile, oldest first; `finish` says what became of them.

    `finish` is given the ids of sent rows, and the errors of rows that can never be sent.
    """

    rows: Sequence[Row]
    finish: Callable[[Sequence[int], dict[int, str]], None]


class Outbox(Protocol):
    """The outbox of one database."""

    dialect: Dialect
    transactions: Transactions

    def take(self, services: Sequence[str] = ()) -> AbstractContextManager[Taken]:
        """Take the oldest rows: of these services, or of all."""

    def close(self) -> None:
        """Close what is kept open between two transactions."""


def run(outbox: Outbox, name: str, parameters: Sequence[Any] = (), listed: int = 0) -> list[Any]:
    """Execute one statement in a transaction of its own; return its rows."""
    with outbox.transactions() as execute:
        return execute(statement(outbox.dialect, name, listed), parameters)


class PostgresOutbox:
    """An outbox in PostgreSQL: rows are taken under a lock for each project.

    The locks end with the transaction, so a process that dies leaves none. The transaction is open
    while the rows are sent, for no longer than the ledger may take to answer.
    """

    dialect: Dialect = "postgresql"

    def __init__(
        self, transactions: Transactions, close: Callable[[], None] = lambda: None
    ) -> None:
        self.transactions = transactions
        self.close = close

    @contextmanager
    def take(self, services: Sequence[str] = ()) -> Iterator[Taken]:
        """Take the oldest rows of projects whose locks are free, as many of each."""
        with self.transactions() as execute:
            for text in statement(self.dialect, "begin").split(";"):
                execute(text, ())  # asyncpg takes one statement at a time
            wanted = (list(services), not services, PROJECTS)
            locked = execute(statement(self.dialect, "lock"), wanted)
            rows: list[Row] = []
            if locked:
                share = max(1, ROWS // len(locked))
                names = ([one[0] for one in locked], [one[1] for one in locked], share)
                rows = [Row(*one) for one in execute(statement(self.dialect, "rows"), names)]

            def finish(sent: Sequence[int], failed: dict[int, str]) -> None:
                _finish(self.dialect, execute, sent, failed)

            yield Taken(rows, finish)


class SqliteOutbox:
    """An outbox in SQLite: one process of the host sends at a time.

    A lock on a file beside the database says which. No transaction is open while rows are sent,
    because SQLite would let nobody else write.
    """

    dialect: Dialect = "sqlite"

    def __init__(
        self, transactions: Transactions, close: Callable[[], None] = lambda: None
    ) -> None:
        self.transactions = transactions
        self.close = close

    @contextmanager
    def take(self, services: Sequence[str] = ()) -> Iterator[Taken]:
        """Take the oldest rows, as many of each project; none while another process sends."""
        with self.transactions() as execute:
            path = next(one[2] for one in execute("PRAGMA database_list", ()) if one[1] == "main")
        with _only_one(path) as alone:
            rows = self._rows(services) if alone else []

            def finish(sent: Sequence[int], failed: dict[int, str]) -> None:
                with self.transactions() as execute:
                    _finish(self.dialect, execute, sent, failed)

            yield Taken(rows, finish)

    def _rows(self, services: Sequence[str]) -> list[Row]:
        rows: list[Row] = []
        with self.transactions() as execute:
            # One snapshot for all statements, whether the driver has begun a transaction or not:
            # a bound of an older snapshot would let a new row pass a new row of several projects.
            execute("SAVEPOINT astakos_outbox", ())
            first = statement(self.dialect, "first")
            chosen = [
                one
                for service in services or ("",)  # each of these, or all at once
                for one in execute(first, (service, not services, PROJECTS))
            ]
            share = max(1, ROWS // max(1, len(chosen)))
            for service, holder, below in chosen:
                found = execute(statement(self.dialect, "rows"), (service, holder, below, share))
                rows += [Row(*one) for one in found]
            execute("RELEASE astakos_outbox", ())
        return sorted(rows)


def _finish(
    dialect: Dialect, execute: Execute, sent: Sequence[int], failed: dict[int, str]
) -> None:
    if sent:
        execute(statement(dialect, "delete", len(sent)), list(sent))
    for number, error in failed.items():
        execute(statement(dialect, "fail"), (error, number))


# --- One process at a time --------------------------------------------------------------------

_threads: dict[str, threading.Lock] = {}
# A thread of the parent may hold one of these, and is not here.
os.register_at_fork(after_in_child=_threads.clear)


@contextmanager
def _only_one(path: str) -> Iterator[bool]:
    """Give whether this thread is the only one of the host that sends from this database.

    POSIX locks are a process's, and a child does not inherit them; so they tell processes apart,
    and a lock of Python the threads of one. An in-memory database (no path) has one process.
    """
    lock = _threads.setdefault(path, threading.Lock())
    if not lock.acquire(blocking=False):
        yield False
        return
    try:
        if not path:
            yield True
            return
        with Path(f"{path}-outbox-lock").open("ab") as file:
            held = False
            with suppress(OSError):
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                held = True
            yield held
    finally:
        lock.release()
