"""The fast path: a thread of the service that sends rows just after their commit.

It never raises into the service. Whatever it does not send, a relay sends later: when the ledger is
away, when the process dies, and when nobody can say when the transaction commits.
"""

import atexit
import os
import threading
import time
from collections.abc import Callable, Hashable, Iterable
from contextlib import suppress
from weakref import WeakValueDictionary

from astakos_worker.configuration.event_log import EventLog
from astakos_worker.configuration.settings import Settings
from astakos_worker.service.connections import Connections
from astakos_worker.service.errors import Unavailable
from astakos_worker.service.outbox.batch import send_batch
from astakos_worker.service.outbox.databases import Outbox

log = EventLog(__name__)

#: Seconds between two looks for rows whose transaction commits about now. After the last one, the
#: rows are a relay's.
_LOOKS = (0.002, 0.005, 0.02, 0.1, 0.4, 1.5)
#: The thread ends after so many seconds without a wake-up, and closes its connection.
_IDLE = 5.0
#: Seconds after which the same reason is logged again.
_SAY_AGAIN = 60.0


class Sender:
    """Sends the rows of one service in one database, in a thread that starts when it is needed."""

    def __init__(
        self, outbox: Outbox, service: str, settings: Settings, connections: Connections
    ) -> None:
        self._outbox = outbox
        self._service = service
        self._settings = settings
        self._connections = connections
        self._changed = threading.Condition()
        self._running = False
        self._woken = False
        self._ending = False
        self._committing: set[int] = set()
        self._warned = 0.0, ""

    def wake(self, committing: Iterable[int] = ()) -> None:
        """Have the rows sent that are committed now.

        `committing`: ids of rows whose transaction commits about now: the thread looks for them
        several times.
        """
        with self._changed:
            self._woken = True
            self._committing.update(committing)
            if not self._running:
                self._running = True
                name = "astakos-outbox"
                threading.Thread(target=self._serve, name=name, daemon=True).start()
            self._changed.notify()

    def end(self, patience: float) -> None:
        """Have the thread send once more, close its connection and end; wait for that."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._running, patience)

    @property
    def patience(self) -> float:
        """Seconds for which the end of the process waits for it."""
        return self._settings.patience

    # --- Inside -------------------------------------------------------------------------------

    def _serve(self) -> None:
        pauses: list[float] = []
        while True:
            woken = self._wait(pauses.pop(0) if pauses else _IDLE)
            if self._ending:
                if woken or self._committing:
                    self._send()
                self._ended()
                return
            if woken:
                pauses = list(_LOOKS)
                if self._committing:
                    continue  # a commit takes a moment
            elif not self._committing and self._ended():
                return
            self._committing -= self._send()
            if not pauses:
                self._committing.clear()
            elif not self._committing:
                pauses = []

    def _wait(self, seconds: float) -> bool:
        """Wait for a wake-up for so many seconds; return whether one came."""
        with self._changed:
            self._changed.wait_for(lambda: self._woken or self._ending, seconds)
            woken, self._woken = self._woken, False
            return woken

    def _ended(self) -> bool:
        """Close the connection of an idle thread; return whether nobody has woken it meanwhile."""
        with suppress(Exception):  # it may be broken, and is not used again
            self._outbox.close()
        with self._changed:
            self._running = self._woken and not self._ending
            self._changed.notify_all()
            return not self._running

    def _send(self) -> set[int]:
        """Send what is there; return the ids of the rows that need no more looks."""
        seen: set[int] = set()
        try:
            while True:
                out = send_batch(
                    self._outbox, self._settings, lambda _: self._connections, [self._service]
                )
                seen.update(out.done, out.failed)
                if out.away is not None:
                    self._warn(out.away)
                if out.away is not None or not (out.done or out.failed):
                    return seen
        except Unavailable as error:
            self._warn(error)
        except Exception as error:  # noqa: BLE001  # the service goes on, and the relay sends
            self._warn(error)
        return seen

    def _warn(self, error: Exception) -> None:
        """Log why rows wait; the same reason once a minute at most."""
        now, text = time.monotonic(), f"{type(error).__name__}: {error}"
        if text != self._warned[1] or now - self._warned[0] > _SAY_AGAIN:
            log.warning("outbox_waits", service=self._service, error=text)
            self._warned = now, text


#: Those whose threads run, or whose rows wait for a commit. So no sender keeps an engine alive that
#: the service has given up.
_senders: WeakValueDictionary[Hashable, Sender] = WeakValueDictionary()
_lock = threading.Lock()
#: What a parent had open. A child does not use it, and must not close it either.
_parents: list[object] = []


def sender(
    database: Hashable,
    outbox: Callable[[], Outbox],
    service: str,
    settings: Settings,
    connections: Connections,
) -> Sender:
    """Return this process's sender for a service in a database; `outbox` makes a new one's."""
    name = database, service, id(connections)
    with _lock:
        found = _senders.get(name)
        if found is None:
            found = _senders[name] = Sender(outbox(), service, settings, connections)
        return found


@atexit.register
def end_all(patience: float | None = None) -> None:
    """End all threads of this process: at its end, and in tests whose databases go away.

    `patience`: seconds to wait for each; None: the setting `ASTAKOS_PATIENCE`.
    """
    for one in list(_senders.values()):
        one.end(one.patience if patience is None else patience)
    _senders.clear()


def _forget() -> None:
    global _lock  # noqa: PLW0603  # a thread of the parent may hold the old lock, and is not here
    _lock = threading.Lock()
    _parents.append(dict(_senders))
    _senders.clear()


os.register_at_fork(after_in_child=_forget)
