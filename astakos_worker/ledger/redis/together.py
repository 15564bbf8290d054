"""A client for an event loop: what is asked for at the same time travels in one round trip.

For example, 16 request handlers issue at the same time. Their 16 scripts go in one pipeline: one
write to the socket, and one connection. A command that comes while four round trips are under way
goes with the next one.

No caller reads from a connection. So a caller that is cancelled only stops waiting: its answer is
read, and the connection is clean for the next round trip.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import redis.asyncio

from astakos_worker.configuration.servers import close_asyncio

#: Commands in one round trip, at most: the loop serves others before it reads all answers.
_MOST: Final = 32
#: Round trips under way at once.
_AT_ONCE: Final = 4

AskedCommand = tuple[Any, Any]  # its words, and how redis-py reads its answer


class Together:
    """Has the commands of `redis.asyncio.Redis`, as far as they go to one key's server."""

    def __init__(self, server: "redis.asyncio.Redis") -> None:
        self._server = server
        self._waiting: deque[tuple[Sequence[AskedCommand], asyncio.Future[list[Any]]]] = deque()
        self._under_way: set[asyncio.Task[None]] = set()
        self._soon = False

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def ask(*words: Any, **options: Any) -> Any:
            pipe: Any = self._server.pipeline(transaction=False)
            getattr(pipe, name)(*words, **options)
            [answer] = await self._asked(pipe.command_stack)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return ask

    def pipeline(self, *, transaction: bool) -> "TogetherPipeline":
        """Return a pipeline, which is no transaction."""
        return TogetherPipeline(self._server.pipeline(transaction=transaction), self._asked)

    async def aclose(self) -> None:
        """Close the connections, when no round trip is under way any more."""
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await close_asyncio(self._server)

    def _asked(self, commands: Sequence[AskedCommand]) -> asyncio.Future[list[Any]]:
        """Return what becomes the answers, or the error of a server that does not answer."""
        loop = asyncio.get_running_loop()
        answers: asyncio.Future[list[Any]] = loop.create_future()
        self._waiting.append((commands, answers))
        if not self._soon:
            self._soon = True
            loop.call_soon(self._go)  # after all that can run now has asked
        return answers

    def _go(self) -> None:
        """Begin a round trip with what is waiting."""
        self._soon = False
        while self._waiting and len(self._under_way) < _AT_ONCE:
            taken = [self._waiting.popleft()]
            number = len(taken[0][0])
            while self._waiting and number + len(self._waiting[0][0]) <= _MOST:
                number += len(self._waiting[0][0])
                taken.append(self._waiting.popleft())
            task = asyncio.create_task(self._round_trip(taken))
            self._under_way.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._go()

    async def _round_trip(
        self, taken: Sequence[tuple[Sequence[AskedCommand], asyncio.Future[list[Any]]]]
    ) -> None:
        pipe: Any = self._server.pipeline(transaction=False)
        for commands, _ in taken:
            pipe.command_stack.extend(commands)
        try:
            replies = iter(await pipe.execute(raise_on_error=False))
        except BaseException as error:  # each caller is told, or it would wait for ever
            for _, answers in taken:
                if not answers.done():
                    answers.set_exception(_own(error))
            if not isinstance(error, redis.RedisError):
                raise
            return
        for commands, answers in taken:
            its = [next(replies) for _ in commands]
            if not answers.done():  # else its caller was cancelled
                answers.set_result(its)


class TogetherPipeline:
    """Collects the commands of one caller."""

    def __init__(
        self, pipe: Any, asked: Callable[[Sequence[AskedCommand]], Awaitable[list[Any]]]
    ) -> None:
        self._pipe = pipe
        self._asked = asked

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pipe, name)

    async def execute(self, *, raise_on_error: bool = True) -> list[Any]:
        """Return the answers; an error is among them, or the first one is raised."""
        answers = await self._asked(self._pipe.command_stack)
        if raise_on_error:
            for answer in answers:
                if isinstance(answer, Exception):
                    raise answer
        return answers


def _own(error: BaseException) -> BaseException:
    """Return an error for one caller: each needs a traceback of its own."""
    if isinstance(error, asyncio.CancelledError):
        return redis.ConnectionError("the event loop ends")
    return type(error)(*error.args) if isinstance(error, redis.RedisError) else error
