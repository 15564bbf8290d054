"""Starts a process again when it dies, with back-off.

One thread starts all processes and lives until the last of them has ended. The kernel kills a child
when the *thread* that started the child ends (`die_with_parent.py`).
"""

import queue
import threading
import time
from collections.abc import Callable, Iterable

from astakos_worker.local.process import Process, end

_LOOK = 0.1
#: Seconds before the first restart, and before any later one at most.
FIRST, CAP = 0.2, 5.0
#: After a process has run for these seconds, its next restart has the first delay again.
SETTLED = 10.0


def backoff(deaths: int) -> float:
    """Return the seconds to wait before a restart, after `deaths` deaths in quick succession.

    1 death: 0.2 s; 2 deaths: 0.4 s; 6 deaths and more: 5 s.
    """
    return min(CAP, FIRST * 2.0 ** min(max(deaths - 1, 0), 10))


class _Watch:
    """The supervisor's memory of one process: its last start, its deaths, its next restart."""

    def __init__(self, process: Process, report: Callable[[str], None]) -> None:
        self.process = process
        self.report = report
        self.started = time.monotonic()
        self.deaths = 0
        self.due: float | None = None

    def look(self, now: float) -> None:
        if self.process.alive:
            return
        if self.due is None:
            self.deaths = 1 if now - self.started > SETTLED else self.deaths + 1
            self.due = now + backoff(self.deaths)
            self.report(
                f"{self.process.name} ended with exit code {self.process.exit_code}; "
                f"it is started again in {backoff(self.deaths):.1f} s"
            )
        elif now >= self.due:
            self.process.start()
            self.started, self.due = now, None


class Supervisor:
    """A thread that starts processes, and restarts those given to `keep`.

    `report` is given a line for each process that has died.
    """

    def __init__(self, report: Callable[[str], None] = lambda _: None) -> None:
        self._report = report
        self._watched: list[_Watch] = []
        self._orders: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        self._thread.start()

    def start(self, processes: Iterable[Process]) -> None:
        """Start processes, and return when they are started; an error of a start is raised here."""
        for process in processes:
            self._order(process.start)

    def keep(self, processes: Iterable[Process]) -> None:
        """From now on, restart these processes when they die."""
        watched = [_Watch(process, self._report) for process in processes]
        self._order(lambda: self._watched.extend(watched))

    def leave(self) -> None:
        """From now on, restart no process."""
        self._order(self._watched.clear)

    def close(self, processes: Iterable[Process], grace: float) -> list[str]:
        """End these processes, and then the thread; return as `end`."""
        self.leave()
        late = end(processes, grace)
        self._over.set()
        self._thread.join()
        return late

    def _order(self, order: Callable[[], None]) -> None:
        done = threading.Event()
        failure: list[BaseException] = []

        def carry_out() -> None:
            try:
                order()
            # Whatever it is, it belongs to the thread that gave the order.
            except BaseException as error:  # noqa: BLE001
                failure.append(error)
            finally:
                done.set()

        self._orders.put(carry_out)
        done.wait()
        if failure:
            raise failure[0]

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                self._orders.get(timeout=_LOOK)()
            except queue.Empty:
                for watch in self._watched:
                    watch.look(time.monotonic())
