"""What a service's calls work with, and the ledger's errors as its callers know them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from astakos_worker.errors import CommissionError, LedgerFull, NewerRecord, Unavailable, UnknownKey
from astakos_worker.ledger.contract import Entry, FullError, Ledger, UnavailableError
from astakos_worker.ledger.record import shown


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
    except UnavailableError as error:
        more = f" and {len(keys) - 1} others" if len(keys) > 1 else ""
        which = f"commission {shown(keys[0])!r}{more}"
        text = f"{error}; {which} may or may not be recorded: call again"
        raise Unavailable(keys[0], text) from error
    except FullError as error:
        raise LedgerFull(keys[0], str(error)) from error


def missing(ledger: Ledger, lane: str, key: str) -> CommissionError:
    """Return why there is no readable record of a key: unknown, or a newer version's (F78)."""
    if ledger.newer(lane, [key]):
        return left_for_newer(key)
    return UnknownKey(key, f"there is no commission {shown(key)!r}")


def left_for_newer(key: str) -> NewerRecord:
    """Return the error about a record that a newer version has written (F78)."""
    text = f"commission {shown(key)!r} was written by a newer version: upgrade, and call again"
    return NewerRecord(key, text)
