"""The time that all processes share: the store's, estimated between its answers.

Leases and due times are the store's; whoever compares with them must not use a clock of its
own that may be minutes off. Each answer of the store carries its time.
"""

import threading
import time


class StoreClock:
    """The store's time by this process' monotonic clock, set by each answer of the store.

    An estimate is late by as long as the answer was under way, and never early by more than
    the drift between two answers.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Until the store has spoken, the host's time is the best guess.
        self._offset = time.time() - time.monotonic()

    def saw(self, milliseconds: int) -> None:
        """Take the store's time from an answer that has just come."""
        offset = milliseconds / 1000 - time.monotonic()
        with self._lock:
            self._offset = offset

    def now(self) -> float:
        """Return seconds since the epoch, by the store."""
        return time.monotonic() + self._offset
