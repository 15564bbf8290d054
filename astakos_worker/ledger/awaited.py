"""Calls that are written once, for threads and for event loops: as coroutines.

Such a coroutine waits for nothing but a server's answer. Over a blocking connection each answer is
there when the call returns, so the coroutine never suspends: `at_once` runs it to its end in one
step, without an event loop. Over an asyncio connection the event loop runs the same coroutine.
"""

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from functools import update_wrapper
from inspect import isawaitable
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, cast

from astakos_worker.ledger.contract import Clock, Entry, Ledger, Served, Write, Written
from astakos_worker.ledger.record import Decision

P = ParamSpec("P")
S = TypeVar("S")
T = TypeVar("T")


class AwaitedRecords(Protocol):
    """The calls of `Records` that services make, as coroutines; see there."""

    @property
    def clock(self) -> Clock:
        """The store's time."""

    async def cas(self, writes: Sequence[Write]) -> list[Written]:
        """Do each write whose version is still the record's."""

    async def decide(
        self,
        lane: str,
        decisions: Mapping[str, Decision],
        incarnations: Mapping[str, str] | None = None,
    ) -> dict[str, Written]:
        """Write each decision into its key's cell, if the cell is empty."""

    async def get(self, lane: str, keys: Iterable[str]) -> dict[str, Entry]:
        """Return the records of these keys."""

    async def newer(self, lane: str, keys: Iterable[str]) -> set[str]:
        """Return the keys whose records this version cannot read."""

    async def find(self, lane: str, serials: Iterable[int]) -> dict[int, str]:
        """Return the keys whose records have these serials."""

    async def dead(self, lane: str, limit: int = 500) -> list[str]:
        """Return the keys of dead records."""

    async def served(self) -> set[Served]:
        """Return what the workers of all namespaces on this server serve now."""

    async def watch(self, lane: str, key: str, seconds: float) -> Entry | None:
        """Publish the changes of a record for `seconds`; return the record as it is now."""


def at_once(call: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends; return its result.

    Raises `RuntimeError` if it suspends: then it was given an asyncio connection.
    """
    try:
        call.send(None)
    except StopIteration as end:
        return cast("T", end.value)
    call.close()
    raise RuntimeError("a blocking call waits for an event loop: it has an asyncio connection")


def blocking(
    method: Callable[Concatenate[S, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[S, P], T]:
    """Make a method of a coroutine, which runs it at once. `coroutine_of` finds the coroutine."""

    def run(self: S, /, *args: P.args, **options: P.kwargs) -> T:
        return at_once(method(self, *args, **options))

    update_wrapper(run, method)
    return run


def coroutine_of(owner: object, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
    """Return the coroutine of a `blocking` method, bound to its owner."""
    found = getattr(type(owner), name).__wrapped__.__get__(owner)
    return cast("Callable[..., Coroutine[Any, Any, Any]]", found)


async def answered(reply: Awaitable[T] | T) -> T:
    """Return the answer of a redis-py client: an asyncio client returns what is to be awaited."""
    return await reply if isawaitable(reply) else reply


def awaited(ledger: Ledger) -> AwaitedRecords:
    """Return a ledger's calls as coroutines that never suspend."""
    return cast("AwaitedRecords", _Awaited(ledger))


class _Awaited:
    """Passes every call on, by its name: so it needs no list of the contract's methods."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @property
    def clock(self) -> Clock:
        return self._ledger.clock

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        method = getattr(self._ledger, name)

        async def call(*args: Any, **options: Any) -> Any:
            return method(*args, **options)

        return call
