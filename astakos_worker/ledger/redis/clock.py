"""The time that all processes share: the store's, estimated between its answers.

Leases and due times are the store's; whoever compares with them must not use a clock of its
own that may be minutes off. Each answer of the store carries its time.
"""

import threading
import time
from collections.abc import Callable

from astakos_worker.ledger.contract import LedgerError

#: Seconds for which the best answer counts: so long a clock that was set back is not believed.
_WINDOW = 5.0


class StoreClock:
    """The store's time by this process' monotonic clock, corrected by each of its answers.

    An answer is late by as long as it was under way, and by as long as its thread then waited
    to be run; it is never early. So the earliest of the last seconds is the best one: a thread
    that comes late with its answer must not set the clock back for the others, who would send
    after their `send_until` (F73). `ask` returns the store's milliseconds, for who wants to know
    before there was any answer; while the store is away the host's time is the best guess.
    """

    def __init__(
        self, ask: Callable[[], int], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask = ask
        self._monotonic = monotonic
        self._lock = threading.Lock()
        # The best offset of this window and of the one before, and when this one began.
        self._offset: float | None = None
        self._before: float | None = None
        self._since = 0.0
        self._ask_after = 0.0

    def saw(self, milliseconds: int) -> None:
        """Take the store's time from an answer that has just come."""
        monotonic = self._monotonic()
        offset = milliseconds / 1000 - monotonic
        with self._lock:
            if self._offset is None or monotonic - self._since >= _WINDOW:
                stale = monotonic - self._since >= 2 * _WINDOW
                self._before = None if stale else self._offset
                self._offset, self._since = offset, monotonic
            else:
                self._offset = max(self._offset, offset)

    def now(self) -> float:
        """Return seconds since the epoch, by the store."""
        if self._offset is None and self._monotonic() >= self._ask_after:
            try:
                self.saw(self._ask())
            except LedgerError:
                # What needs the store says so itself; asking each time would double its wait.
                self._ask_after = self._monotonic() + _WINDOW
        with self._lock:
            offsets = [each for each in (self._offset, self._before) if each is not None]
        return self._monotonic() + max(offsets) if offsets else time.time()
