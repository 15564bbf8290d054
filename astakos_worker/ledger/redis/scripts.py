"""Runs a ledger's scripts on its server: many in one round trip, with the ledger's own errors.

A script may be sent twice, because an answer was lost or the server was replaced. That is safe
because of versions and incarnations: see `repeated` in `cas.lua`.

The server is a client of redis-py, or `Together` for an event loop: see `awaited.py`.
"""

import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import redis

from astakos_worker.configuration.event_log import EventLog
from astakos_worker.ledger.awaited import answered, at_once
from astakos_worker.ledger.contract import FULL, Entry, FullError, LedgerError, UnavailableError
from astakos_worker.ledger.events import NotNow
from astakos_worker.ledger.marks import load_mark, up_to_date
from astakos_worker.ledger.record_json import (
    NewerSchemaError,
    UnreadableError,
    load,
    load_decision,
)
from astakos_worker.ledger.redis.capacity import Capacity
from astakos_worker.ledger.redis.clock import StoreClock, step_of
from astakos_worker.ledger.redis.together import Together

log = EventLog(__name__)

#: The files of the scripts. "create" is `cas` for writes that make a new commission: the only
#: script that the server refuses when its memory is full (F79).
_FILES: Final = (
    "cas",
    "claim",
    "decide",
    "beat",
    "sign_off",
    "rest",
    "watch",
    "lease",
    "serve",
    "notice",
    "trust",
    "set_aside",
    "sightings",
    "remember",
    "identify",
    "agree",
    "step",
)
_WHEN_FULL: Final = "#!lua flags=allow-oom\n"

#: Seconds between two comparisons of the server's clock with this process' own.
_COMPARE = 1.0
#: If others' time is ahead by more milliseconds, this process was halted: no clock has stepped.
_AHEAD = 2000

T = TypeVar("T")

Call = tuple[str, str, list[Any]]  # script, prefix of the lane's keys, arguments


class Scripts:
    """The scripts of one namespace's ledger, and the server that they run on."""

    def __init__(self, server: redis.Redis | Together, namespace: str) -> None:
        self.clock = StoreClock(self._time)
        self._server = server
        self._namespace = namespace
        self._prefix = f"astakos:{namespace}:"
        here = Path(__file__).parent
        shared = (here / "lane.lua").read_text()
        texts = {name: shared + (here / f"{name}.lua").read_text() for name in _FILES}
        self._texts = {name: _WHEN_FULL + text for name, text in texts.items()}
        self._texts["create"] = texts["cas"]
        self._shas: dict[str, str] = {}
        self._known_writes: dict[str, int] = {}
        self._known_id = ""  # of the ledger that this process knows; "": none yet
        self._capacity = Capacity()
        self._compare_at = 0.0

    def remember_writes(self, lane: str, writes: int) -> None:
        """Remember how many writes a lane has had."""
        if writes > self._known_writes.get(lane, 0):
            self._known_writes[lane] = writes

    async def prepare(self) -> None:
        """Load the scripts and learn the time, where that has not been done.

        An event loop does this before its first call: later nobody may wait for the time.
        """
        if not self._shas:
            await self._load()
        if self.clock.bounds() is None:
            asked = self.clock.monotonic()
            self.clock.saw(await self._asked_time(), asked)

    def _time(self) -> int:
        """Return the ledger's time in milliseconds."""
        if isinstance(self._server, Together):
            raise UnavailableError("an event loop learns the time by `prepare`")
        return at_once(self._asked_time())

    async def _asked_time(self) -> int:
        def ask(pipe: Any) -> None:
            pipe.time()
            pipe.get(f"{self._prefix}clock")

        (seconds, micros), clock = await self._asking(ask)
        offset = int(str(clock).partition(" ")[2]) if clock else 0
        return int(seconds) * 1000 + int(micros) // 1000 + offset

    def _lane_prefix(self, lane: str) -> str:
        return f"{self._prefix}{lane}:"

    @staticmethod
    def _entry(row: Sequence[Any]) -> Entry | None:
        """Return a record as a script gives it; None: this version cannot read it.

        It is of a newer schema (F78), or unreadable (F86).
        """
        try:
            return _read_row(row)
        except (NewerSchemaError, UnreadableError):
            return None

    # --- Running ------------------------------------------------------------------------------

    def _run(
        self, calls: Sequence[Call], *, expected: tuple[type[Exception], ...] = ()
    ) -> list[Any]:
        """Do what `_running` does, over a blocking connection."""
        return at_once(self._running(calls, expected=expected))

    async def _running(
        self, calls: Sequence[Call], *, expected: tuple[type[Exception], ...] = ()
    ) -> list[Any]:
        """Run scripts in one round trip; load them first where the server does not know them.

        Raises the first error among the replies, except those of an expected kind.
        """
        if not calls:
            return []

        looks = self._capacity.wants_a_look and any(name == "create" for name, _, _ in calls)
        compares = time.monotonic() >= self._compare_at
        together: list[Call] = [("agree", "", []), *calls] if compares else list(calls)
        if not self._shas:
            await self._load()
        asked = self.clock.monotonic()
        replies = await self._evaluate(together, looks)
        if any(isinstance(reply, redis.exceptions.NoScriptError) for reply in replies):
            await self._load()  # the server was replaced; repeating is safe, see above
            asked = self.clock.monotonic()
            replies = await self._evaluate(together, looks)
        if looks and isinstance(memory := replies.pop(), dict):
            self._capacity.saw(memory)
        if compares:
            self._compare_at = time.monotonic() + _COMPARE
            await self._compare(replies.pop(0), asked)
        for reply in replies:
            if isinstance(reply, Exception) and not isinstance(reply, expected):
                _translate(reply)
        return replies

    async def _evaluate(self, calls: Sequence[Call], looks: bool) -> list[Any]:
        """Return each reply or error; and last, if wanted, the server's figures of its memory."""
        last = (*(self.clock.bounds() or ("", "")), self.clock.epoch)
        if len(calls) == 1 and not looks:  # a pipeline of one costs a tenth more
            return [await self._alone(*calls[0], last)]

        def ask(pipe: Any) -> None:
            for name, prefix, args in calls:
                pipe.evalsha(self._shas[name], 2, prefix, self._prefix, *args, *last)
            if looks:
                pipe.info("memory")

        return await self._asking(ask, raise_on_error=False)

    async def _alone(self, name: str, prefix: str, args: list[Any], last: tuple[Any, ...]) -> Any:
        sha = self._shas[name]
        try:
            return await answered(self._server.evalsha(sha, 2, prefix, self._prefix, *args, *last))
        except redis.ResponseError as error:
            return error
        except redis.RedisError as error:
            _translate(error)

    async def _load(self) -> None:
        def ask(pipe: Any) -> None:
            for text in self._texts.values():
                pipe.script_load(text)

        self._shas = dict(zip(self._texts, await self._asking(ask), strict=True))
        [reply] = await self._evaluate([("identify", "", [secrets.token_hex(8)])], looks=False)
        if isinstance(reply, Exception):
            _translate(reply)
        if not self._known_id:
            self._known_id = str(reply[1])

    # --- The server's clock -------------------------------------------------------------------

    async def _compare(self, reply: Any, asked: float) -> None:
        """Compare the server's clock with ours; correct a step of it (F89)."""
        if isinstance(reply, Exception):
            return  # a server that refuses this refuses the calls beside it too
        server, epoch, agreed = int(reply[0]), str(reply[1]), int(reply[2])
        then, now = self.clock.bounds(asked), self.clock.bounds()
        if then is None or now is None or epoch != self.clock.epoch:
            # We know nothing of this epoch yet. The ledger's time has never been before `agreed`.
            step = min(0, step_of(server, agreed, server))
            self.clock.reset(server - step, epoch, asked)
        else:
            least, most = then[0], now[1]
            step = step_of(server, least, most)
            if step > 0 and agreed > least + _AHEAD:
                log.info("process_had_halted", seconds=(server - least) / 1000)
                self.clock.reset(server, epoch, asked)
                return
            if not step:
                self.clock.saw(server, asked)
        if step:
            await self._take_back(step, epoch)

    async def _take_back(self, step: int, epoch: str) -> None:
        text = (
            f"the clock of the ledger's server was set by {step / 1000:+.1f} s: the ledger goes on "
            "by the time before; see that the server's clock is right"
        )
        asked = self.clock.monotonic()
        [reply] = await self._evaluate([("step", "", [step, epoch, text])], looks=False)
        if isinstance(reply, Exception):
            _translate(reply)
        server, now_epoch, done = int(reply[0]), str(reply[1]), reply[2]
        if not done:  # another process was first
            self.clock.reset(server, now_epoch, asked)
            return
        self.clock.epoch = now_epoch
        log.error("ledger_clock_stepped", seconds=step / 1000)

    # --- Inside -------------------------------------------------------------------------------

    def _pipe(self, ask: Callable[[Any], None], *, raise_on_error: bool = True) -> list[Any]:
        """Do what `_asking` does, over a blocking connection."""
        return at_once(self._asking(ask, raise_on_error=raise_on_error))

    async def _asking(
        self, ask: Callable[[Any], None], *, raise_on_error: bool = True
    ) -> list[Any]:
        """Send in one round trip what `ask` puts into a pipeline; return the replies."""
        pipe: Any = self._server.pipeline(transaction=False)
        ask(pipe)
        replies: list[Any] = await self._reply(lambda: pipe.execute(raise_on_error=raise_on_error))
        return replies

    async def _reply(self, do: Callable[[], Awaitable[T] | T]) -> T:
        try:
            return await answered(do())
        except redis.RedisError as error:
            _translate(error)

    @staticmethod
    def _call(do: Callable[[], Any]) -> Any:
        try:
            return do()
        except redis.RedisError as error:
            _translate(error)

    def _remember(self, lane: str, where: str, texts: dict[str, str]) -> None:
        """Write texts into a hash of the lane: also when the server's memory is full."""
        pairs = [each for pair in texts.items() for each in pair]
        self._run([("remember", self._lane_prefix(lane), [where, *pairs])])


def _read_row(row: Sequence[Any]) -> Entry:
    """Return a record as a script gives it; raises `NewerSchemaError` and `UnreadableError`."""
    version, body, fence, cell, mark, lease, fresh = (*row, 0, 0)[:7]
    record = load(body)
    try:
        decision = load_decision(cell)
        record = up_to_date(record, load_mark(mark), decision)
        leased = float(lease or 0) / 1000
        return Entry(record, int(version), int(fence or 0), decision, leased, bool(fresh))
    except (ValueError, TypeError, NotNow) as error:
        raise UnreadableError(f"the record's mark or decision: {error}") from error


def _translate(error: Exception) -> NoReturn:
    if isinstance(error, redis.exceptions.OutOfMemoryError):
        raise FullError(FULL) from error
    away = redis.ConnectionError | redis.TimeoutError | redis.exceptions.ReadOnlyError
    if isinstance(error, away):  # read-only: another server has taken over
        raise UnavailableError(f"the ledger does not answer: {error}") from error
    raise LedgerError(f"the ledger refused: {error}") from error


def ms(seconds: float) -> int:
    """Return milliseconds, as the scripts count them."""
    return round(seconds * 1000)
