"""Waiting for a commission without asking all the time: one subscriber a process.

Only records that somebody watches publish their changes. A message that is lost costs a slow
poll's period, so the subscriber may die and come back as it likes.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Protocol

import redis

from astakos_worker.ledger.contract import Entry, Ledger

#: Seconds between two looks at a record of which no change was heard.
_POLL = 0.5
#: Seconds that a watch outlives the last look.
_WATCHED = 5.0


#: Is told the key of a watched record that has changed, and the record if it came along.
Heard = Callable[[str, Entry | None], None]


class Listener(Protocol):
    """Calls `heard` for each watched record that changes, until it is closed."""

    def listen(self, lane: str, heard: Heard) -> None:
        """Start hearing changes of a lane, once."""


class Watcher:
    """Waits for records of a ledger to be as somebody wants them."""

    def __init__(self, ledger: Ledger, listener: Listener) -> None:
        self._ledger = ledger
        self._listener = listener
        # By lane and key: two services may well give their commissions the same keys.
        self._waiting: defaultdict[tuple[str, str], set[SimpleQueue[Entry | None]]]
        self._waiting = defaultdict(set)
        self._lock = threading.Lock()

    def wait(
        self, lane: str, key: str, done: Callable[[Entry], bool], timeout: float
    ) -> tuple[Entry | None, bool]:
        """Return the record once it is done, or as it is when the time is over; and which."""
        self._listener.listen(lane, partial(self._heard, lane))
        end = time.monotonic() + timeout
        changes: SimpleQueue[Entry | None] = SimpleQueue()
        with self._lock:
            self._waiting[lane, key].add(changes)
        try:
            entry = self._ledger.watch(lane, key, _POLL + _WATCHED)
            while entry is not None and not done(entry):
                left = end - time.monotonic()
                if left <= 0:
                    return entry, False
                try:
                    news = changes.get(timeout=min(left, _POLL))
                except Empty:
                    news = None
                if news is None:
                    entry = self._ledger.watch(lane, key, _POLL + _WATCHED)
                elif _is_later(news, entry):
                    entry = news
            return entry, entry is not None
        finally:
            with self._lock:
                self._waiting[lane, key].discard(changes)
                if not self._waiting[lane, key]:
                    del self._waiting[lane, key]

    def _heard(self, lane: str, key: str, entry: Entry | None) -> None:
        with self._lock:
            for changes in self._waiting.get((lane, key), ()):
                changes.put(entry)


def _is_later(news: Entry, seen: Entry) -> bool:
    """Return whether a change is not one that was published before what has been seen."""
    return (news.version, news.cell is not None) >= (seen.version, seen.cell is not None)


class Publishes(Protocol):
    """Where watched records are published, and in which form."""

    def channel(self, lane: str) -> str:
        """Return the name of a lane's channel."""

    def read_change(self, message: str) -> tuple[str, Entry | None]:
        """Return what a message says."""


class RedisListener:
    """Hears changes over a subscription of its own connection, in one thread a lane."""

    def __init__(self, server: "redis.Redis", ledger: Publishes) -> None:
        self._server = server
        self._ledger = ledger
        self._lanes: set[str] = set()
        self._lock = threading.Lock()

    def listen(self, lane: str, heard: Heard) -> None:
        """Start hearing changes of a lane, once."""
        with self._lock:
            if lane in self._lanes:
                return
            self._lanes.add(lane)
        subscribed = threading.Event()
        name = f"astakos-listener-{lane}"
        arguments = (lane, heard, subscribed)
        threading.Thread(target=self._hear, args=arguments, name=name, daemon=True).start()
        subscribed.wait(_POLL)  # or the first change is found by a poll only

    def _hear(self, lane: str, heard: Heard, subscribed: threading.Event) -> None:
        while True:
            try:
                subscription: Any = self._server.pubsub
                with subscription() as pubsub:
                    pubsub.subscribe(self._ledger.channel(lane))
                    while True:
                        message = pubsub.get_message(timeout=_POLL)
                        if message is None:
                            continue
                        if message["type"] == "message":
                            with suppress(ValueError):  # another version's words: a poll will do
                                heard(*self._ledger.read_change(message["data"]))
                        else:
                            subscribed.set()
            except (redis.RedisError, OSError):
                time.sleep(_POLL)  # the waiting ones poll meanwhile
