"""Waiting for a commission without asking all the time: one subscriber a process.

Only records that somebody watches publish their changes. A message that is lost costs a slow
poll's period, so the subscriber may die and come back as it likes.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Protocol

import redis

from astakos_worker.ledger.contract import Entry, Ledger

#: Seconds between two looks at a record of which no change was heard.
_POLL = 0.5
#: Seconds that a watch outlives the last look.
_WATCHED = 5.0


class Listener(Protocol):
    """Calls `heard` with the key of each watched record that changes, until it is closed."""

    def listen(self, lane: str, heard: Callable[[str], None]) -> None:
        """Start hearing changes of a lane, once."""


class Watcher:
    """Waits for records of a ledger to be as somebody wants them."""

    def __init__(self, ledger: Ledger, listener: Listener) -> None:
        self._ledger = ledger
        self._listener = listener
        self._waiting: defaultdict[str, set[threading.Event]] = defaultdict(set)
        self._lock = threading.Lock()

    def wait(
        self, lane: str, key: str, done: Callable[[Entry], bool], timeout: float
    ) -> tuple[Entry | None, bool]:
        """Return the record once it is done, or as it is when the time is over; and which."""
        self._listener.listen(lane, self._heard)
        end = time.monotonic() + timeout
        changed = threading.Event()
        with self._lock:
            self._waiting[key].add(changed)
        try:
            while True:
                changed.clear()
                entry = self._ledger.watch(lane, key, _POLL + _WATCHED)
                if entry is None or done(entry):
                    return entry, entry is not None
                left = end - time.monotonic()
                if left <= 0:
                    return entry, False
                changed.wait(min(left, _POLL))
        finally:
            with self._lock:
                self._waiting[key].discard(changed)
                if not self._waiting[key]:
                    del self._waiting[key]

    def _heard(self, key: str) -> None:
        with self._lock:
            for changed in self._waiting.get(key, ()):
                changed.set()


class RedisListener:
    """Hears changes over a subscription of its own connection, in one thread a lane."""

    def __init__(self, server: "redis.Redis", channel: Callable[[str], str]) -> None:
        self._server = server
        self._channel = channel
        self._lanes: set[str] = set()
        self._lock = threading.Lock()

    def listen(self, lane: str, heard: Callable[[str], None]) -> None:
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

    def _hear(self, lane: str, heard: Callable[[str], None], subscribed: threading.Event) -> None:
        while True:
            try:
                subscription: Any = self._server.pubsub
                with subscription() as pubsub:
                    pubsub.subscribe(self._channel(lane))
                    while True:
                        message = pubsub.get_message(timeout=_POLL)
                        if message is None:
                            continue
                        if message["type"] == "message":
                            heard(str(message["data"]))
                        else:
                            subscribed.set()
            except (redis.RedisError, OSError):
                time.sleep(_POLL)  # the waiting ones poll meanwhile
