"""What the calls of a service's process work with: a ledger, wake-ups and a watcher.

`connect.py` makes the real ones. Workers, `Commissions.in_memory()` and the simulation bring
their own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from astakos_worker.ledger.contract import Entry, Ledger


class Wakes(Protocol):
    """Sends the wake-up of one commission. Never raises, and never makes its caller wait."""

    def wake(self, task: str, service: str, key: str, version: int) -> None:
        """Have the wake-up sent."""


class Waits(Protocol):
    """Waits until a record meets a condition."""

    def wait(
        self, lane: str, key: str, done: Callable[[Entry], bool], timeout: float
    ) -> tuple[Entry | None, bool]:
        """Return the record and whether it is done; after `timeout` seconds, as it is then."""


@dataclass(slots=True)
class Connections:
    """Ledger, wake-ups and watcher: one set is shared by all calls of a process."""

    ledger: Ledger
    waker: Wakes
    watcher: Waits
