"""What a service's calls work with, and the ledger's errors as its callers know them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, TypeVar

from astakos_worker.ledger.contract import Entry, FullError, Ledger, LedgerError
from astakos_worker.ledger.record import shown
from astakos_worker.service.errors import (
    CommissionError,
    LedgerFull,
    NewerRecord,
    Unavailable,
    UnknownKey,
)

#: Commissions in one round trip: some 20 ms of the ledger's server, which serves others in between.
TOGETHER = 250

T = TypeVar("T")
R = TypeVar("R")


class Wakes(Protocol):
    """Has the wake-up of one commission sent; never raises, and keeps nobody."""

    def wake(self, task: str, service: str, key: str, version: int) -> None:
        """Have it sent."""


class Waits(Protocol):
    """Waits for a record to be as somebody wants it."""

    def wait(
        self, lane: str, key: str, done: Callable[[Entry], bool], timeout: float
    ) -> tuple[Entry | None, bool]:
        """Return the record once it is done, or as it is after `timeout` seconds; and which."""


class Parts(Protocol):
    """What the calls work with."""

    @property
    def ledger(self) -> Ledger:
        """Where everything is written first."""

    @property
    def waker(self) -> Wakes:
        """Who tells the workers."""

    @property
    def watcher(self) -> Waits:
        """Who waits."""


@contextmanager
def ledger_errors(*keys: str) -> Iterator[None]:
    """Raise what the ledger raises as an error of the service's call about these keys."""
    try:
        yield
    except FullError as error:
        raise LedgerFull(keys[0], str(error)) from error
    except LedgerError as error:  # away, or it cannot write: its disk is full, its replicas gone
        more = f" and {len(keys) - 1} others" if len(keys) > 1 else ""
        raise _unavailable(keys[0], error, more) from error


def in_batches(
    items: Sequence[tuple[str, T]], do: Callable[[Sequence[tuple[str, T]]], Sequence[R]]
) -> list[R | Unavailable]:
    """Return what `do` returns for each key and what belongs to it, so many in one go.

    An outage from the start on is raised. One in between ends it, and is what became of all that
    it has met: each of them may or may not be recorded.
    """
    became: list[R | Unavailable] = []
    for start in range(0, len(items), TOGETHER):
        batch = items[start : start + TOGETHER]
        try:
            with ledger_errors(*(key for key, _ in batch)):
                became += do(batch)
        except Unavailable as error:
            if start == 0:
                raise
            return became + [_unavailable(key, error.__cause__) for key, _ in items[start:]]
    return became


def _unavailable(key: str, cause: object, more: str = "") -> Unavailable:
    which = f"commission {shown(key)!r}{more}"
    return Unavailable(key, f"{cause}; {which} may or may not be recorded: call again")


def missing(ledger: Ledger, lane: str, key: str) -> CommissionError:
    """Return why there is no readable record of a key: unknown, or a newer version's (F78)."""
    if ledger.newer(lane, [key]):
        return left_for_newer(key)
    return UnknownKey(key, f"service {lane!r} has no commission {shown(key)!r}")


def left_for_newer(key: str) -> NewerRecord:
    """Return the error about a record that a newer version has written (F78)."""
    text = f"commission {shown(key)!r} was written by a newer version: upgrade, and call again"
    return NewerRecord(key, text)
