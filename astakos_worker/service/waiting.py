"""Waits for commissions without polling all the time: one subscriber for each process and lane.

The waiting itself is a coroutine, written once for threads and for event loops; see `awaited.py`.

The ledger publishes the changes of a record only while a caller watches it. A slow poll stands
behind: a lost message costs half a second, so the subscriber may fail and subscribe again.
"""

import threading
import time
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Protocol

import redis

from astakos_worker.ledger.awaited import AwaitedRecords, answered, at_once, awaited
from astakos_worker.ledger.contract import Entry, Ledger

#: Seconds until a record is read again if no change of it was heard.
_POLL = 0.5
#: Seconds for which the ledger goes on publishing changes after the last read.
_WATCHED = 5.0


#: Takes the key of a watched record that has changed, and the record if the message had it.
Heard = Callable[[str, Entry | None], None]


class Listener(Protocol):
    """Calls `heard` for each watched record that changes."""

    def listen(self, lane: str, heard: Heard) -> None:
        """Start to listen to a lane; further calls for the same lane do nothing."""


class Inbox(Protocol):
    """Takes what is heard about one record, for one caller that waits."""

    def put(self, entry: Entry | None) -> None:
        """Take a change; None: it cannot be read."""

    async def get(self, seconds: float) -> Entry | None:
        """Return a change; None if it cannot be read, or if none comes in so many seconds."""


class Waiting(ABC):
    """Waits until records of a ledger meet conditions: the same for threads and event loops."""

    def __init__(self, ledger: AwaitedRecords) -> None:
        self._ledger = ledger
        # By lane and key: two services may use the same keys.
        self._waiting: defaultdict[tuple[str, str], set[Inbox]] = defaultdict(set)
        self._lock = threading.Lock()

    async def _waited(
        self, lane: str, key: str, done: Callable[[Entry], bool], seconds: float
    ) -> tuple[Entry | None, bool]:
        """Return the record and whether it is done; after so many seconds, as it is then."""
        await self._listen(lane, partial(self._heard, lane))
        end = time.monotonic() + seconds
        inbox = self._inbox()
        with self._lock:
            self._waiting[lane, key].add(inbox)
        try:
            entry = await self._ledger.watch(lane, key, _POLL + _WATCHED)
            while entry is not None and not done(entry):
                left = end - time.monotonic()
                if left <= 0:
                    return entry, False
                news = await inbox.get(min(left, _POLL))
                if news is None:
                    entry = await self._ledger.watch(lane, key, _POLL + _WATCHED)
                elif _is_later(news, entry):
                    entry = news
            return entry, entry is not None
        finally:
            with self._lock:
                self._waiting[lane, key].discard(inbox)
                if not self._waiting[lane, key]:
                    del self._waiting[lane, key]

    def _heard(self, lane: str, key: str, entry: Entry | None) -> None:
        with self._lock:
            for inbox in self._waiting.get((lane, key), ()):
                inbox.put(entry)

    @abstractmethod
    async def _listen(self, lane: str, heard: Heard) -> None:
        """Have `heard` called for each watched record of a lane that changes."""

    @abstractmethod
    def _inbox(self) -> Inbox:
        """Return an inbox for one caller."""


def _is_later(news: Entry, seen: Entry) -> bool:
    """Return whether a published change is at least as new as the record that was read."""
    return (news.version, news.cell is not None) >= (seen.version, seen.cell is not None)


class Publishes(Protocol):
    """Says where a ledger publishes changes, and reads them."""

    def channel(self, lane: str) -> str:
        """Return the channel on which changes of watched records are published."""

    def read_change(self, message: str) -> tuple[str, Entry | None]:
        """Return a published change: a key, and its record."""


async def hear(
    server: Any,
    publishes: Publishes,
    lane: str,
    heard: Heard,
    *,
    subscribed: Callable[[], None],
    sleep: Callable[[float], Awaitable[None]],
) -> None:
    """Call `heard` for each change on a lane, for ever; subscribe again after an error.

    `server` is a client of redis-py, or one of `redis.asyncio`. `subscribed` is called after each
    subscription.
    """
    while True:
        pubsub = server.pubsub()
        try:
            await answered(pubsub.subscribe(publishes.channel(lane)))
            while True:
                message = await answered(pubsub.get_message(timeout=_POLL))
                if message is None:
                    continue
                if message["type"] == "message":
                    with suppress(ValueError):  # a form of another version: the poll reads it
                        heard(*publishes.read_change(message["data"]))
                else:
                    subscribed()
        except (redis.RedisError, OSError):
            await sleep(_POLL)  # callers poll meanwhile
        finally:
            await answered(getattr(pubsub, "aclose", pubsub.close)())


# --- In threads -------------------------------------------------------------------------------


class Watcher(Waiting):
    """Waits in the calling thread."""

    def __init__(self, ledger: Ledger, listener: Listener) -> None:
        super().__init__(awaited(ledger))
        self._listener = listener

    def wait(
        self, lane: str, key: str, done: Callable[[Entry], bool], timeout: float
    ) -> tuple[Entry | None, bool]:
        """Return the record and whether it is done; after `timeout` seconds, as it is then."""
        return at_once(self._waited(lane, key, done, timeout))

    async def _listen(self, lane: str, heard: Heard) -> None:
        self._listener.listen(lane, heard)

    def _inbox(self) -> Inbox:
        return _ThreadInbox()


class _ThreadInbox:
    def __init__(self) -> None:
        self._changes: SimpleQueue[Entry | None] = SimpleQueue()

    def put(self, entry: Entry | None) -> None:
        self._changes.put(entry)

    async def get(self, seconds: float) -> Entry | None:
        try:
            return self._changes.get(timeout=seconds)
        except Empty:
            return None


class RedisListener:
    """Listens over a connection of its own, with one thread for each lane."""

    def __init__(self, server: "redis.Redis", ledger: Publishes) -> None:
        self._server = server
        self._ledger = ledger
        self._lanes: set[str] = set()
        self._lock = threading.Lock()

    def listen(self, lane: str, heard: Heard) -> None:
        """Start to listen to a lane; further calls for the same lane do nothing."""
        with self._lock:
            if lane in self._lanes:
                return
            self._lanes.add(lane)
        subscribed = threading.Event()
        name = f"astakos-listener-{lane}"
        arguments = (lane, heard, subscribed)
        threading.Thread(target=self._hear, args=arguments, name=name, daemon=True).start()
        subscribed.wait(_POLL)  # else only a poll finds the first change

    def _hear(self, lane: str, heard: Heard, subscribed: threading.Event) -> None:
        async def sleep(seconds: float) -> None:
            time.sleep(seconds)  # noqa: ASYNC251  # no event loop runs it

        at_once(
            hear(self._server, self._ledger, lane, heard, subscribed=subscribed.set, sleep=sleep)
        )
