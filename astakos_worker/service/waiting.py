"""Waits for commissions without polling all the time: one subscriber for each process and lane.

The ledger publishes the changes of a record only while a caller watches it. A slow poll stands
behind: a lost message costs half a second, so the subscriber may fail and subscribe again.
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

from astakos_worker.ledger.contract import Entry, Ledger, ServerLedger

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


class Watcher:
    """Waits until records of a ledger meet conditions."""

    def __init__(self, ledger: Ledger, listener: Listener) -> None:
        self._ledger = ledger
        self._listener = listener
        # By lane and key: two services may use the same keys.
        self._waiting: defaultdict[tuple[str, str], set[SimpleQueue[Entry | None]]]
        self._waiting = defaultdict(set)
        self._lock = threading.Lock()

    def wait(
        self, lane: str, key: str, done: Callable[[Entry], bool], timeout: float
    ) -> tuple[Entry | None, bool]:
        """Return the record and whether it is done; after `timeout` seconds, as it is then."""
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
    """Return whether a published change is at least as new as the record that was read."""
    return (news.version, news.cell is not None) >= (seen.version, seen.cell is not None)


class RedisListener:
    """Listens over a connection of its own, with one thread for each lane."""

    def __init__(self, server: "redis.Redis", ledger: ServerLedger) -> None:
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
                            with suppress(
                                ValueError
                            ):  # a form of another version: the poll reads it
                                heard(*self._ledger.read_change(message["data"]))
                        else:
                            subscribed.set()
            except (redis.RedisError, OSError):
                time.sleep(_POLL)  # callers poll meanwhile
