"""The ledger's time, which all processes share: the server's, estimated between its answers.

Leases and due times are the ledger's. A process that compares with them must not use a clock of
its own, which may be minutes off. Each answer of the server carries the ledger's time.

A server's clock may be set while the ledger is in use. A process sees that by its monotonic clock,
which nobody can set: `step_of` compares the two, and `lane.lua` has the rest.
"""

import threading
import time
from collections.abc import Callable

from astakos_worker.ledger.contract import LedgerError

#: Seconds for which the best answer counts.
_WINDOW = 5.0
#: The server's time may be this many milliseconds earlier, or later, than our estimate. The
#: estimate can be too late only by the drift between two clocks in a few seconds. It is too early
#: by the time that the last answers were under way.
_EARLY, _LATE = 100, 1000


def _monotonic() -> float:
    """Return seconds of a clock that nobody can set and that counts a host's suspension too."""
    return time.clock_gettime(_BOOTTIME)


#: Linux has a clock that counts the time of a suspended host too.
_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class StoreClock:
    """The ledger's time by this process' monotonic clock, corrected by each answer.

    An answer is late by the time that it was under way, and by the time that its thread waited to
    run. It is never early. So the answer with the greatest offset in the last seconds is the best
    one: a thread that is late with its answer must not set the clock back for the others, which
    would then send after their `send_until` (F73). `ask` returns the store's milliseconds, for a
    process that needs the time before its first answer. While the store does not answer, the host's
    time is the best guess.

    `epoch` is the epoch of the server's offset that the estimate belongs to: see `lane.lua`.
    """

    def __init__(self, ask: Callable[[], int], monotonic: Callable[[], float] = _monotonic) -> None:
        self._ask = ask
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self.epoch = ""
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

    def reset(self, milliseconds: int, epoch: str) -> None:
        """Take the store's time whatever was seen before, in an epoch of its offset."""
        monotonic = self._monotonic()
        with self._lock:
            self._offset, self._before = milliseconds / 1000 - monotonic, None
            self._since, self.epoch = monotonic, epoch

    def estimate(self) -> int | None:
        """Return the store's milliseconds as estimated; None before the first answer."""
        with self._lock:
            offsets = [each for each in (self._offset, self._before) if each is not None]
        return int((self._monotonic() + max(offsets)) * 1000) if offsets else None

    def now(self) -> float:
        """Return seconds since the epoch, by the store."""
        if self._offset is None and self._monotonic() >= self._ask_after:
            try:
                self.saw(self._ask())
            except LedgerError:
                # The caller reports the error itself; asking each time would double its wait.
                self._ask_after = self._monotonic() + _WINDOW
        with self._lock:
            offsets = [each for each in (self._offset, self._before) if each is not None]
        return self._monotonic() + max(offsets) if offsets else time.time()


def step_of(server: int, asked: int, answered: int) -> int:
    """Return by how many milliseconds the server's clock has stepped; 0: it has not.

    `server` is its time in an answer. `asked` and `answered` are our estimates when we asked, and
    when the answer came.
    """
    if server < asked - _EARLY:
        return server - asked
    if server > answered + _LATE:
        return server - answered
    return 0
