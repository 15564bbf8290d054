"""What the calls of a service's process work with: a ledger, wake-ups and a watcher.

`connect.py` makes the real ones. Workers, `Commissions.in_memory()` and the simulation bring
their own. The calls themselves are coroutines, and know their connections as `AwaitedConnections`:
`awaiting` makes those of a thread's connections.
"""

import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from astakos_worker.ledger.awaited import AwaitedRecords, awaited
from astakos_worker.ledger.contract import Entry, Ledger

T = TypeVar("T")

#: They take about 20 ms of the ledger's server, which serves other callers between two round trips.
TOGETHER = 250


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


# --- As the calls know them -------------------------------------------------------------------


class AwaitedWaits(Protocol):
    """Waits until a record meets a condition, as a coroutine."""

    async def wait(
        self, lane: str, key: str, done: Callable[[Entry], bool], seconds: float
    ) -> tuple[Entry | None, bool]:
        """Return the record and whether it is done; after so many seconds, as it is then."""


class Finishes(Protocol):
    """Runs a coroutine to its end."""

    def __call__(self, call: Coroutine[Any, Any, T], /) -> Awaitable[T]:
        """Return its result. If the caller is cancelled meanwhile, the coroutine goes on."""


@dataclass(frozen=True, slots=True)
class AwaitedConnections:
    """Ledger, wake-ups and watcher, each call of which is awaited."""

    ledger: AwaitedRecords
    waker: Wakes
    watcher: AwaitedWaits
    sleep: Callable[[float], Awaitable[None]]
    finish: Finishes
    #: So many calls are under way at once: an event loop serves others between two of them.
    turn: AbstractAsyncContextManager[Any]
    #: Commissions in one round trip of a call that has many.
    together: int


def awaiting(connections: Connections) -> AwaitedConnections:
    """Return the connections of a thread, whose calls never suspend: run them by `at_once`."""
    return AwaitedConnections(
        awaited(connections.ledger),
        connections.waker,
        _AwaitedWatcher(connections.watcher),
        _sleep,
        _finish,
        nullcontext(),
        TOGETHER,
    )


@dataclass(frozen=True, slots=True)
class _AwaitedWatcher:
    watcher: Waits

    async def wait(
        self, lane: str, key: str, done: Callable[[Entry], bool], seconds: float
    ) -> tuple[Entry | None, bool]:
        return self.watcher.wait(lane, key, done, seconds)


async def _sleep(seconds: float) -> None:
    time.sleep(seconds)  # noqa: ASYNC251  # no event loop runs it


async def _finish(call: Coroutine[Any, Any, T]) -> T:
    return await call
