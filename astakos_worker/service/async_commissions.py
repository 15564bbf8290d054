"""`AsyncCommissions`: the calls of `Commissions` for services that run in an event loop (asyncio).

The calls that both have are in `face.py`. What a call writes and how its answer is judged is in
`calls.py`, once for both.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, overload

from astakos_worker.configuration.settings import Settings
from astakos_worker.service.after_commit import Commits, Hook, OnCommit, hook_of
from astakos_worker.service.calls import CallKind, Calls, Followed
from astakos_worker.service.connect import connected
from astakos_worker.service.connections import AwaitedConnections
from astakos_worker.service.dead_letters import Dead, DeadLetter
from astakos_worker.service.deciding import Target
from astakos_worker.service.errors import CommissionError
from astakos_worker.service.face import CommissionHandle, Face, targets
from astakos_worker.service.hold import Hold
from astakos_worker.service.loop_connections import connected_loop
from astakos_worker.service.new_commission import NewCommission
from astakos_worker.service.outcome import Outcome
from astakosclient.errors import AstakosClientException

if TYPE_CHECKING:
    from astakos_worker.service.outbox.in_transaction import AsyncInTransaction

T = TypeVar("T")
Awaits = Coroutine[Any, Any, T]


class AsyncCommission(CommissionHandle[Awaits["AsyncCommission"], Awaits[Outcome]]):
    """A handle of one commission, whose calls are awaited; see `Commission`."""


#: What `AsyncCommissions.resolve` is given: a key, a serial or a handle.
AsyncWhich = str | int | AsyncCommission


class AsyncDeadLetters(Dead[Awaits[list[DeadLetter]], Awaits[dict[str, str]], Awaits[Outcome]]):
    """The dead commissions of one named service; see `AsyncCommissions.dead`."""


class AsyncCommissions(
    Face[Awaits[AsyncCommission], Awaits[Outcome], AbstractAsyncContextManager[AsyncCommission]]
):
    """Issues and decides the commissions of one named service, in an event loop.

    Each call is that of `Commissions`, and is awaited: `await commissions.issue(...)`,
    `async with commissions.hold(...)`. None blocks the event loop, and none needs a thread.

    `AsyncCommissions()` reads the environment (`Settings`); `AsyncCommissions("cyclades")` is for
    another named service. It may be made before there is an event loop, and before a fork. Each
    event loop has connections of its own, which are closed when `asyncio.run` ends.

    A call that is cancelled (a time-out, a client that is gone) goes on to its end: what it has
    begun to write is written. So the same call again is safe in the same cases as after an
    `Unavailable`. A call that waits (`outcome`, the entry of `hold`) ends at once; the commission
    of a cancelled `hold` is rejected.

    Arguments:
        service: the named service; None: the setting `ASTAKOS_SERVICE`.
        settings: settings instead of those of the environment.
        connections: only for this package's own use.

    Raises `BadValue` for a wrong name, `pydantic.ValidationError` for a wrong setting.
    """

    _handle_class = AsyncCommission

    def __init__(
        self,
        service: str | None = None,
        *,
        settings: Settings | None = None,
        connections: AwaitedConnections | None = None,
    ) -> None:
        super().__init__(service, settings)
        self._given = connections
        self._made: tuple[asyncio.AbstractEventLoop, AwaitedConnections] | None = None

    async def issue_many(
        self, commissions: Iterable[NewCommission]
    ) -> list[AsyncCommission | Exception]:
        """Issue many commissions; return for each its handle or its error, in order.

        See `Commissions.issue_many`.
        """
        results = await self._run(lambda calls: calls.issue_many(commissions), "write")
        return [self._handle_of(one) if isinstance(one, Followed) else one for one in results]

    @overload
    async def resolve(
        self, accept: Iterable[str | int] = (), reject: Iterable[str | int] = ()
    ) -> dict[str | int, Outcome | Exception]: ...

    @overload
    async def resolve(
        self, accept: Iterable[AsyncWhich] = (), reject: Iterable[AsyncWhich] = ()
    ) -> dict[AsyncWhich, Outcome | Exception]: ...

    async def resolve(
        self, accept: Iterable[AsyncWhich] = (), reject: Iterable[AsyncWhich] = ()
    ) -> dict[Any, Outcome | Exception]:
        """Decide many commissions; return `{which: its outcome or its error}`.

        See `Commissions.resolve`.
        """
        accepts, rejects = targets("accept", accept), targets("reject", reject)
        return await self._run(lambda calls: self._resolved(calls, accepts, rejects), "write")

    async def outcomes(
        self,
        which: Iterable[AsyncWhich],
        timeout: float | None = None,  # noqa: ASYNC109  # each has its own, as in `outcome`
    ) -> AsyncGenerator[tuple[AsyncWhich, Outcome | Exception], None]:
        """Wait for many commissions; give each as soon as it is pending or has ended.

        `async for which, outcome in commissions.outcomes(["a", "b"]):` gives each key, serial or
        handle once, with its outcome or with the error that `outcome` would raise. `timeout`:
        seconds for each; None: the setting `ASTAKOS_HOLD_DEADLINE`. To leave the loop early ends
        the waiting.
        """
        ended: asyncio.Queue[asyncio.Task[tuple[AsyncWhich, Outcome | Exception]]] = asyncio.Queue()
        waits = [
            asyncio.create_task(self._told(item, target, timeout))
            for item, target in targets("which", which).items()
        ]
        for one in waits:
            one.add_done_callback(ended.put_nowait)
        try:
            for _ in waits:
                yield (await ended.get()).result()
        finally:
            for one in waits:
                one.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    def on_commit(self, hook: Commits | Hook) -> OnCommit:
        """Return the calls that write, to be made when a database transaction commits.

        `hook`: a function that is given each call, or an object with such a method `on_commit`.
        Each call is a function to call after the commit; await what it returns. Raises `BadValue`
        for another hook.
        """
        return OnCommit(self.service, self._settings, self._run, hook_of(hook, None))

    def in_transaction(self, connection: object) -> "AsyncInTransaction":
        """Return the calls that write, as a part of the caller's own database transaction.

        What is committed becomes a commission, even if a process dies in between; what is rolled
        back never does. Each call writes rows to the table `astakos_outbox`, and is awaited. After
        the commit a thread of this process sends them to the ledger; a relay
        (`astakos-worker relay`) sends what is left.

        `connection`: an `AsyncSession` or `AsyncConnection` of SQLAlchemy 2, or an
        `AsyncConnection` of psycopg 3. Raises `BadValue` for another one; and for one that is not
        in a transaction, at the latest when a call is awaited. See `docs/outbox.md`.
        """
        from astakos_worker.service.outbox.in_transaction import (  # noqa: PLC0415
            async_in_transaction,
        )

        here = connected(self._settings)
        return async_in_transaction(self.service, self._settings, here, connection)

    @property
    def dead(self) -> AsyncDeadLetters:
        """The commissions that cannot go on without a person: `list`, `resend`, `discard`."""
        return AsyncDeadLetters(self._run)

    # --- Inside -------------------------------------------------------------------------------

    async def _told(
        self, item: AsyncWhich, target: Target, seconds: float | None
    ) -> tuple[AsyncWhich, Outcome | Exception]:
        try:
            if isinstance(item, AsyncCommission):
                return item, await item.outcome(seconds)
            return item, await self.outcome(target.which, seconds)
        except (AstakosClientException, CommissionError) as error:
            return item, error

    async def _calls(self) -> Calls:
        return Calls(self.service, self._settings, self._given or await self._connections())

    async def _connections(self) -> AwaitedConnections:
        """The connections of this event loop."""
        loop, made = asyncio.get_running_loop(), self._made
        if made is None or made[0] is not loop:
            # Another thread's loop may write here meanwhile: only what was read counts.
            self._made = made = loop, await connected_loop(self._settings)
        return made[1]

    async def _run(
        self, call: Callable[[Calls], Coroutine[Any, Any, T]], /, kind: CallKind = "read"
    ) -> T:
        calls = await self._calls()
        connections = calls.connections
        if kind == "wait":
            return await call(calls)
        async with connections.turn:
            return await (connections.finish(call(calls)) if kind == "write" else call(calls))

    def _block(self, hold: Callable[[], Hold]) -> "_Block":
        return _Block(self._calls, hold, lambda held: AsyncCommission(self._run, held))


class _Block(AbstractAsyncContextManager[AsyncCommission]):
    """The block of `async with commissions.hold(...)`."""

    def __init__(
        self,
        calls: Callable[[], Awaits[Calls]],
        hold: Callable[[], Hold],
        handle: Callable[[Followed], AsyncCommission],
    ) -> None:
        self._make = calls, hold, handle

    async def __aenter__(self) -> AsyncCommission:
        calls, hold, handle = self._make
        self._calls, self._hold = await calls(), hold()
        self._held = await self._hold.enter(self._calls)
        return handle(self._held)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._hold.leave(self._calls, self._held, error)
