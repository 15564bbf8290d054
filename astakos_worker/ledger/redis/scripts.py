"""Runs a ledger's scripts on its server: many in one round trip, errors in the ledger's words.

What is sent twice, because an answer was lost or the server was replaced, is safe: versions see
to that.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import redis

from astakos_worker.ledger.contract import FULL, Entry, FullError, LedgerError, UnavailableError
from astakos_worker.ledger.marks import load_mark, up_to_date
from astakos_worker.ledger.record_json import NewerSchemaError, load, load_decision
from astakos_worker.ledger.redis.capacity import Capacity
from astakos_worker.ledger.redis.clock import StoreClock

#: Scripts by name: the file, and whether it also writes when the server's memory is full. Only
#: what makes a new commission does not (F79).
_SCRIPTS: Final = {
    "create": ("cas", False),
    "cas": ("cas", True),
    "claim": ("claim", True),
    "decide": ("decide", True),
    "beat": ("beat", True),
    "sign_off": ("sign_off", True),
    "rest": ("rest", True),
    "watch": ("watch", True),
    "lease": ("lease", True),
    "notice": ("notice", True),
    "trust": ("trust", True),
}
_WHEN_FULL: Final = "#!lua flags=allow-oom\n"

Call = tuple[str, str, list[Any]]  # script, KEYS[1], ARGV


class Scripts:
    """The scripts of one namespace's ledger, and the server that they run on."""

    def __init__(self, server: "redis.Redis", namespace: str) -> None:
        self.clock = StoreClock(self._time)
        self._server = server
        self._prefix = f"astakos:{namespace}:"
        here = Path(__file__).parent
        shared = (here / "lane.lua").read_text()
        self._texts = {}
        for name, (file, when_full) in _SCRIPTS.items():
            text = (here / f"{file}.lua").read_text()
            text = text if name == "lease" else shared + text
            self._texts[name] = _WHEN_FULL + text if when_full else text
        self._shas: dict[str, str] = {}
        self._seen: dict[str, int] = {}  # writes of each lane that this process was told of
        self._capacity = Capacity()

    def remember_writes(self, lane: str, writes: int) -> None:
        """Remember that a lane has had so many writes."""
        if writes > self._seen.get(lane, 0):
            self._seen[lane] = writes

    def _time(self) -> int:
        """Return the store's time in milliseconds."""
        seconds, micros = self._call(self._server.time)
        return int(seconds) * 1000 + int(micros) // 1000

    def _lane_prefix(self, lane: str) -> str:
        return f"{self._prefix}{lane}:"

    @staticmethod
    def _entry(row: Sequence[Any]) -> Entry | None:
        """Return a record as a script gives it; None: it is left for a newer worker (F78)."""
        version, body, fence, cell, mark, lease, fresh = (*row, 0, 0)[:7]
        try:
            record = load(body)
        except NewerSchemaError:
            return None
        leased, decision = float(lease or 0) / 1000, load_decision(cell)
        record = up_to_date(record, load_mark(mark), decision)
        return Entry(record, int(version), int(fence or 0), decision, leased, bool(fresh))

    def _run(
        self, calls: Sequence[Call], *, expected: tuple[type[Exception], ...] = ()
    ) -> list[Any]:
        """Run scripts in one round trip; load them first where the server does not know them.

        Raises the first error among the replies, except those of an expected kind.
        """
        if not calls:
            return []

        looks = self._capacity.wants_a_look and any(name == "create" for name, _, _ in calls)
        if not self._shas:
            self._load()
        replies = self._evaluate(calls, looks)
        if any(isinstance(reply, redis.exceptions.NoScriptError) for reply in replies):
            self._load()  # the server was replaced; repeating is safe, see above
            replies = self._evaluate(calls, looks)
        if looks and isinstance(memory := replies.pop(), dict):
            self._capacity.saw(memory)
        for reply in replies:
            if isinstance(reply, Exception) and not isinstance(reply, expected):
                _translate(reply)
        return replies

    def _evaluate(self, calls: Sequence[Call], looks: bool) -> list[Any]:
        """Return each reply or error, and at their end a look at the server's memory, if wanted."""
        if len(calls) == 1 and not looks:  # a pipeline of one costs a tenth more
            return [self._call(partial(self._alone, *calls[0]))]

        def ask(pipe: Any) -> None:
            for name, key, args in calls:
                pipe.evalsha(self._shas[name], 1, key, *args)
            if looks:
                pipe.info("memory")

        return self._pipe(ask, raise_on_error=False)

    def _alone(self, name: str, key: str, args: list[Any]) -> Any:
        try:
            return self._server.evalsha(self._shas[name], 1, key, *args)
        except redis.ResponseError as error:
            return error

    def _load(self) -> None:
        def ask(pipe: Any) -> None:
            for text in self._texts.values():
                pipe.script_load(text)

        self._shas = dict(zip(self._texts, self._pipe(ask), strict=True))

    def _pipe(self, ask: Callable[[Any], None], *, raise_on_error: bool = True) -> list[Any]:
        pipe = self._server.pipeline(transaction=False)
        ask(pipe)
        replies: list[Any] = self._call(lambda: pipe.execute(raise_on_error=raise_on_error))
        return replies

    @staticmethod
    def _call(do: Callable[[], Any]) -> Any:
        try:
            return do()
        except redis.RedisError as error:
            _translate(error)

    def _tell(self, lane: str, where: str, name: str, text: str) -> None:
        def ask(pipe: Any) -> None:
            pipe.sadd(f"{self._prefix}lanes", lane)
            pipe.hset(where, name, text)

        self._pipe(ask)


def _translate(error: Exception) -> Any:
    if isinstance(error, redis.exceptions.OutOfMemoryError):
        raise FullError(FULL) from error
    away = redis.ConnectionError | redis.TimeoutError | redis.exceptions.ReadOnlyError
    if isinstance(error, away):  # read-only: it was demoted, and another one has taken over
        raise UnavailableError(f"the ledger does not answer: {error}") from error
    raise LedgerError(f"the ledger refused: {error}") from error


def ms(seconds: float) -> int:
    """Return milliseconds, as the scripts count them."""
    return round(seconds * 1000)
