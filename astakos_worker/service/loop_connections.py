"""Makes the connections of an event loop: ledger, wake-ups, watcher; see `connect.py` for threads.

One set for each event loop and settings. No call blocks the loop, and none needs a thread: the
ledger is reached by `redis.asyncio`, and wake-ups are queued for the one thread of the process
that publishes them. When a loop ends by `asyncio.run`, its connections are closed.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar, cast

from astakos_worker.configuration.servers import close_asyncio, connect_asyncio
from astakos_worker.configuration.settings import Settings
from astakos_worker.ledger.awaited import AwaitedRecords, coroutine_of
from astakos_worker.ledger.contract import Clock, Entry, LedgerError, UnavailableError
from astakos_worker.ledger.redis.store import RedisLedger
from astakos_worker.ledger.redis.together import Together
from astakos_worker.service.connect import connected, ledger_on
from astakos_worker.service.connections import AwaitedConnections, awaiting
from astakos_worker.service.server_breaker import CircuitOpenError, ServerBreaker
from astakos_worker.service.waiting import Heard, Inbox, Publishes, Waiting, hear

T = TypeVar("T")

#: Calls under way at once in an event loop. What all of them do in one pass of the loop takes about
#: two milliseconds, and the loop serves others in between. More would not be faster.
_CALLS = 16
#: Connections for calls; see `together.py`.
_CONNECTIONS = 8

#: Commissions in one round trip: the loop serves others before the next one is made.
_TOGETHER = 32
#: Connections that listen: one for each named service.
_SUBSCRIPTIONS = 64

#: Seconds for which the first call that waits may wait for the subscription.
_SUBSCRIBING = 0.5

#: Calls that go on after their callers were cancelled: a loop alone would forget them.
_going: set[asyncio.Task[Any]] = set()


async def finish(call: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, also if the caller is cancelled meanwhile."""
    task = asyncio.ensure_future(call)
    _going.add(task)
    task.add_done_callback(_ended)
    return await asyncio.shield(task)


def _ended(task: asyncio.Task[Any]) -> None:
    _going.discard(task)
    if not task.cancelled():
        task.exception()  # a caller that was cancelled does not ask for it


# --- The ledger -------------------------------------------------------------------------------


class LoopLedger:
    """The ledger of one event loop, with a circuit breaker around each of its calls."""

    def __init__(self, ledger: RedisLedger) -> None:
        self._ledger = ledger
        self._breaker = ServerBreaker("ledger", (UnavailableError,))
        self._preparing = asyncio.Lock()
        self._prepared = False

    @property
    def clock(self) -> Clock:
        """The store's time. It never waits for the server."""
        return self._ledger.clock

    async def prepare(self) -> None:
        """Learn the store's time before the first call; with the ledger away a later call does."""
        with suppress(LedgerError):
            await self._call(_nothing)

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        return partial(self._call, coroutine_of(self._ledger, name))

    async def _call(
        self, method: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any, **options: Any
    ) -> Any:
        if not self._prepared:
            await self._prepare()
        try:
            with self._breaker.call():
                return await method(*arguments, **options)
        except CircuitOpenError as error:
            raise UnavailableError(str(error)) from None

    async def _prepare(self) -> None:
        async with self._preparing:  # one call, and not each of two hundred
            if self._prepared:
                return
            try:
                with self._breaker.call():
                    await self._ledger.prepare()
            except CircuitOpenError as error:
                raise UnavailableError(str(error)) from None
            self._prepared = True


async def _nothing() -> None:
    """Ask nothing: the preparation is all."""


# --- Waiting ----------------------------------------------------------------------------------


class LoopWatcher(Waiting):
    """Waits in an event loop: thousands of callers need no thread."""

    def __init__(self, ledger: AwaitedRecords, server: Any, publishes: Publishes) -> None:
        super().__init__(ledger)
        self._server = server
        self._publishes = publishes
        self._listeners: dict[str, asyncio.Task[None]] = {}

    async def wait(
        self, lane: str, key: str, done: Callable[[Entry], bool], seconds: float
    ) -> tuple[Entry | None, bool]:
        """Return the record and whether it is done; after so many seconds, as it is then."""
        return await self._waited(lane, key, done, seconds)

    async def close(self) -> None:
        """End the listeners."""
        for task in self._listeners.values():
            task.cancel()
        await asyncio.gather(*self._listeners.values(), return_exceptions=True)

    async def _listen(self, lane: str, heard: Heard) -> None:
        if lane in self._listeners and not self._listeners[lane].done():
            return
        subscribed = asyncio.Event()
        listening = hear(
            self._server,
            self._publishes,
            lane,
            heard,
            subscribed=subscribed.set,
            sleep=asyncio.sleep,
        )
        self._listeners[lane] = asyncio.create_task(listening, name=f"astakos-listener-{lane}")
        with suppress(TimeoutError):  # then a poll finds the first change
            async with asyncio.timeout(_SUBSCRIBING):
                await subscribed.wait()

    def _inbox(self) -> Inbox:
        return _LoopInbox()


class _LoopInbox:
    def __init__(self) -> None:
        self._changes: asyncio.Queue[Entry | None] = asyncio.Queue()

    def put(self, entry: Entry | None) -> None:
        self._changes.put_nowait(entry)

    async def get(self, seconds: float) -> Entry | None:
        try:
            async with asyncio.timeout(seconds):
                return await self._changes.get()
        except TimeoutError:
            return None


# --- One set for each event loop --------------------------------------------------------------


class _Kept:
    """The connections of one loop and settings, and what closes them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._closing: AsyncGenerator[None, None] | None = None
        self.made = asyncio.ensure_future(self._make())

    async def close(self) -> None:
        """Close the connections."""
        if self._closing is not None:
            await self._closing.aclose()

    async def _make(self) -> AwaitedConnections:
        settings = self._settings
        if settings.in_memory:
            return awaiting(connected(settings))
        servers = [
            await connect_asyncio(
                settings.ledger_url, patience=settings.patience, connections=connections
            )
            for connections in (_CONNECTIONS, _SUBSCRIPTIONS)
        ]
        together = Together(servers[0])
        on_server = ledger_on(together, settings)
        guarded = LoopLedger(on_server)
        ledger = cast("AwaitedRecords", guarded)
        watcher = LoopWatcher(ledger, servers[1], on_server)
        self._closing = _until_the_end(watcher, together, servers[1])
        await anext(self._closing)
        await guarded.prepare()
        waker = connected(settings).waker
        turn = asyncio.Semaphore(_CALLS)
        return AwaitedConnections(ledger, waker, watcher, asyncio.sleep, finish, turn, _TOGETHER)


async def _until_the_end(
    watcher: LoopWatcher, calls: Together, subscriptions: Any
) -> AsyncGenerator[None, None]:
    """Close the connections when the loop ends: `asyncio.run` closes its generators first."""
    try:
        yield
    finally:
        await watcher.close()
        await calls.aclose()
        await close_asyncio(subscriptions)


_loops: dict[asyncio.AbstractEventLoop, dict[str, _Kept]] = {}
_pid = os.getpid()
#: What a parent had open. A child does not use it, and must not close it either.
_parents: list[object] = []


async def connected_loop(settings: Settings) -> AwaitedConnections:
    """Return the connections of the running event loop for these settings."""
    if _pid != os.getpid():
        _forget()
    loop = asyncio.get_running_loop()
    if loop not in _loops:  # each thread may run a loop
        for one in list(_loops):
            if one.is_closed():
                _loops.pop(one, None)
        _loops[loop] = {}
    name = settings.model_dump_json(exclude={"services"})
    kept = _loops[loop].get(name)
    if kept is None or (kept.made.done() and (kept.made.cancelled() or kept.made.exception())):
        kept = _loops[loop][name] = _Kept(settings)
    return await asyncio.shield(kept.made)


async def close_loop() -> None:
    """Close the connections of the running event loop; the next call makes new ones."""
    for kept in _loops.pop(asyncio.get_running_loop(), {}).values():
        await kept.close()


def _forget() -> None:
    global _pid  # noqa: PLW0603  # as in `connect.py`
    _pid = os.getpid()
    _parents.append(dict(_loops))
    _loops.clear()


os.register_at_fork(after_in_child=_forget)
