"""A circuit breaker for one server: after no answer, the calls of this process fail at once.

After a pause one call tries the server, and all others still fail at once. If that call gets an
answer, all go on; if not, the next pause begins. So with a frozen server one call in a while waits
for the patience, and not each of them.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from astakos_worker.configuration.event_log import EventLog

log = EventLog(__name__)

#: Seconds for which all calls fail at once.
PAUSE = 0.5


class CircuitOpenError(Exception):
    """Raised instead of a call: the server did not answer an earlier one."""


class ServerBreaker:
    """Watches the calls of one server; safe for threads. `outages` are the errors of an outage."""

    def __init__(
        self,
        server: str,
        outages: tuple[type[Exception], ...],
        *,
        pause: float = PAUSE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = server
        self._outages = outages
        self._pause = pause
        self._clock = clock
        self._lock = threading.Lock()
        self._open_until: float | None = None  # None: the server has answered
        self._tried = False  # a call tries the server now

    @contextmanager
    def call(self) -> Iterator[None]:
        """Make one call of the server inside; raises `CircuitOpenError` instead of it."""
        if not self._allows():
            raise CircuitOpenError(f"the {self._server} did not answer a moment ago")
        try:
            yield
        except self._outages as error:
            self._failed(error)
            raise
        except Exception:
            self._answered()  # another error is an answer
            raise
        except BaseException:
            self._tried = False  # the call was given up: another one may try
            raise
        self._answered()

    def _allows(self) -> bool:
        with self._lock:
            if self._open_until is None:
                return True
            if self._tried or self._clock() < self._open_until:
                return False
            self._tried = True
            return True

    def _failed(self, error: Exception) -> None:
        with self._lock:
            first = self._open_until is None
            self._open_until, self._tried = self._clock() + self._pause, False
        if first:  # one line for an outage, however many calls it meets
            log.warning("no_answer", server=self._server, error=type(error).__name__)

    def _answered(self) -> None:
        if self._open_until is None:
            return
        with self._lock:
            self._open_until, self._tried = None, False
        log.info("answers_again", server=self._server)
