"""What a service's calls work with, and the ledger's errors as its callers know them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from astakos_worker.errors import LedgerFull, Unavailable
from astakos_worker.ledger.contract import FullError, Ledger, UnavailableError
from astakos_worker.ledger.record import shown
from astakos_worker.watching import Watcher


class Wakes(Protocol):
    """Sends the wake-up of one commission; never raises."""

    def wake(self, task: str, service: str, key: str, version: int) -> bool:
        """Return False if it could not be sent now."""


class Parts(Protocol):
    """What the calls work with."""

    @property
    def ledger(self) -> Ledger:
        """Where everything is written first."""

    @property
    def waker(self) -> Wakes:
        """Who tells the workers."""

    @property
    def watcher(self) -> Watcher:
        """Who waits."""


@contextmanager
def ledger_errors(key: str) -> Iterator[None]:
    """Raise what the ledger raises as an error of the service's call about this key."""
    try:
        yield
    except UnavailableError as error:
        text = f"{error}; commission {shown(key)!r} may or may not be recorded: call again"
        raise Unavailable(key, text) from error
    except FullError as error:
        raise LedgerFull(key, str(error)) from error
