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
#: The server's time may be this many milliseconds before, or after, the bounds that we know for it.
#: No delay explains a time outside the bounds. This margin is for clocks that are being adjusted.
_EARLY, _LATE = 100, 1000
#: Two clocks drift apart by this many seconds in a second, at most: NTP adjusts no clock faster.
_DRIFT = 0.0005


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

    A late answer must not look like a step of the server's clock either. So the clock has an upper
    bound too: the server gave its time after we had asked. For example: we ask at 10.0 s of our
    clock, and the server's time 1000.0 comes at 12.0 s, because the machine is busy. Then its time
    at 12.0 s is between 1000.0 and 1002.0. If it says 1001.9 then, its clock has not stepped.

    `epoch` is the epoch of the server's offset that the bounds belong to: see `lane.lua`.
    `monotonic` returns seconds of this process' monotonic clock.
    """

    def __init__(self, ask: Callable[[], int], monotonic: Callable[[], float] = _monotonic) -> None:
        self._ask = ask
        self.monotonic = monotonic
        self._lock = threading.Lock()
        self.epoch = ""
        # The best offset of this window and of the one before, and when this one began.
        self._offset: float | None = None
        self._before: float | None = None
        self._since = 0.0
        # The upper bound of the offset, and when its answer came.
        self._highest: float | None = None
        self._bound_at = 0.0
        self._ask_after = 0.0

    def saw(self, milliseconds: int, asked: float | None = None) -> None:
        """Take the store's time from an answer that has just come.

        `asked`: seconds of `monotonic` just before the call was sent, if the caller knows them.
        """
        monotonic = self.monotonic()
        offset = milliseconds / 1000 - monotonic
        with self._lock:
            if asked is not None:
                self._highest, self._bound_at = milliseconds / 1000 - asked, monotonic
            if self._offset is None or monotonic - self._since >= _WINDOW:
                stale = monotonic - self._since >= 2 * _WINDOW
                self._before = None if stale else self._offset
                self._offset, self._since = offset, monotonic
            else:
                self._offset = max(self._offset, offset)

    def reset(self, milliseconds: int, epoch: str, asked: float) -> None:
        """Take the store's time, in an epoch of its offset, and forget what was known before."""
        monotonic = self.monotonic()
        with self._lock:
            self._offset, self._before = milliseconds / 1000 - monotonic, None
            self._since, self.epoch = monotonic, epoch
            self._highest, self._bound_at = milliseconds / 1000 - asked, monotonic

    def bounds(self, at: float | None = None) -> tuple[int, int] | None:
        """Return the least and the most milliseconds of the store's time, as we know it.

        `at`: seconds of `monotonic`; None: now. Returns None before the first answer to a call
        whose `asked` we know.
        """
        with self._lock:
            at = self.monotonic() if at is None else at
            offsets = [each for each in (self._offset, self._before) if each is not None]
            if self._highest is None:
                return None
            drift = _DRIFT * max(0.0, at - self._bound_at)
            lowest, highest = max(offsets), max(self._highest, *offsets)
        return int((at + lowest - drift) * 1000), int((at + highest + drift) * 1000)

    def now(self) -> float:
        """Return seconds since the epoch, by the store."""
        if self._offset is None and self.monotonic() >= self._ask_after:
            asked = self.monotonic()
            try:
                self.saw(self._ask(), asked)
            except LedgerError:
                # The caller reports the error itself; asking each time would double its wait.
                self._ask_after = self.monotonic() + _WINDOW
        with self._lock:
            offsets = [each for each in (self._offset, self._before) if each is not None]
        return self.monotonic() + max(offsets) if offsets else time.time()


def step_of(server: int, asked: int, answered: int) -> int:
    """Return by how many milliseconds the server's clock has stepped; 0: it has not.

    `server` is its time in an answer. `asked` is the least that its time was when we asked, and
    `answered` the most that its time was when the answer came.
    """
    if server < asked - _EARLY:
        return server - asked
    if server > answered + _LATE:
        return server - answered
    return 0
