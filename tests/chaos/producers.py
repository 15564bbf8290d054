"""Several processes of the service, each with handlers in many threads, on one plan.

If a commission is issued twice, two processes issue it. Each process sends the outcomes that it got
over a pipe. A process whose pipe is cut has lost its parent, and ends.
"""

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import chain
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from astakos_worker.configuration.logs import configure_logs
from astakos_worker.configuration.settings import Settings
from astakos_worker.demo.fault_schedule import can_have_twin
from astakos_worker.demo.plan import PlannedCommission
from astakos_worker.demo.pretend_service import PretendService
from astakos_worker.demo.proof import CallerView
from astakos_worker.demo.run_state import RunState, Snapshot
from astakos_worker.service.commissions import Commissions

#: Calls that a process makes at once, so that a lane is idle at times and full at others.
_BURST = 25
#: Seconds between two reports.
_REPORT = 0.3
#: Seconds that a process may take to end when it is asked to.
_END = 30.0


class Orders(NamedTuple):
    """What one process of the service is to do."""

    settings: Settings
    planned_commissions: Sequence[PlannedCommission]
    threads: int
    seconds: float  # over which its calls are spread
    log: Path


class ProducerReport(NamedTuple):
    """How far it has come."""

    snapshot: Snapshot
    firing: bool
    waiting: bool
    doubles: list[str]  # keys that were accepted since the last report and can be doubled
    notes: list[str]  # what went wrong since then


class Producers:
    """Starts the processes and listens to them."""

    def __init__(self, orders: Iterable[Orders], say: Callable[[str], None]) -> None:
        self._say = say
        context = multiprocessing.get_context("spawn")
        self._pipes: list[Connection] = []
        self._processes = []
        self._reports: dict[int, ProducerReport] = {}
        self._views: dict[int, list[CallerView]] = {}
        self._doubles: list[str] = []
        self._lock = threading.Lock()
        self._listeners = []
        for number, order in enumerate(orders, start=1):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=produce, args=(order, theirs), name=f"producer-{number}", daemon=True
            )
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)
            listener = threading.Thread(target=self._listen, args=(number, ours), daemon=True)
            listener.start()
            self._listeners.append(listener)

    @property
    def snapshots(self) -> list[Snapshot]:
        """Return the last report of each process."""
        with self._lock:
            return [report.snapshot for report in self._reports.values()]

    @property
    def ready(self) -> bool:
        """Return whether each has begun."""
        self._check()
        return len(self._reports) == len(self._processes)

    @property
    def firing(self) -> bool:
        """Return whether a handler is at work."""
        return not self.ready or any(report.firing for report in self._reports.values())

    @property
    def waiting(self) -> bool:
        """Return whether there is a commission whose end a process still waits for."""
        return not self.ready or any(report.waiting for report in self._reports.values())

    @property
    def doubles(self) -> list[str]:
        """Return keys of accepted commissions that can be doubled."""
        with self._lock:
            return list(self._doubles)

    def end(self) -> list[CallerView]:
        """End all processes; return the outcomes that they got."""
        for pipe in self._pipes:
            pipe.send("end")
        for listener in self._listeners:
            listener.join(_END)
        if len(self._views) < len(self._processes):
            raise RuntimeError(f"a producer did not end within {_END:g} s")
        return merged(self._views.values())

    def kill(self) -> None:
        """End the processes that still run, at once."""
        for process in self._processes:
            process.kill()
            process.join()

    def _check(self) -> None:
        for process in self._processes:
            if process.exitcode:
                raise RuntimeError(f"{process.name} ended with exit code {process.exitcode}")

    def _listen(self, number: int, pipe: Connection) -> None:
        while True:
            try:
                received = pipe.recv()
            except (EOFError, OSError):
                return
            with self._lock:
                if isinstance(received, ProducerReport):
                    self._reports[number] = received
                    self._doubles += received.doubles
                else:
                    self._views[number] = received
                    return
            for text in received.notes:
                self._say(text)


def merged(lists: Iterable[Sequence[CallerView]]) -> list[CallerView]:
    """Return one view of each commission. If two processes issued it, both views must agree."""
    out: dict[str, CallerView] = {}
    for view in chain.from_iterable(lists):
        out[view.key] = _both(out[view.key], view) if view.key in out else view
    return list(out.values())


def _both(one: CallerView, other: CallerView) -> CallerView:
    if (one.end, one.serial) != (other.end, other.serial):
        note = f"one process got {one.end} {one.serial}, another {other.end} {other.serial}"
        return replace(one, ends=frozenset(), end=one.end or other.end, note=note)
    return replace(one, ends=one.ends & other.ends)


# --- In the process itself ------------------------------------------------------------------------


def produce(orders: Orders, pipe: Connection) -> None:
    """Run the service until the order to end comes; then send the outcomes that it got."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    logging.basicConfig(filename=orders.log, level=logging.INFO, format="%(asctime)s %(message)s")
    configure_logs()
    state = RunState()
    service = PretendService(Commissions(settings=orders.settings), state)
    service.start(orders.planned_commissions, orders.threads, over=orders.seconds, burst=_BURST)
    reported: set[str] = set()
    heard = 0
    try:
        while not pipe.poll(_REPORT):
            doubles = [
                t.key for t in state.caller_views() if can_have_twin(t) and t.key not in reported
            ]
            reported.update(doubles)
            snapshot = state.snapshot()
            new = snapshot.messages_so_far - heard
            heard = snapshot.messages_so_far
            said = [one.text for one in snapshot.messages[-new:]] if new else []
            pipe.send(ProducerReport(snapshot, service.firing, state.waiting, doubles, said))
        pipe.recv()
        service.stop()
        pipe.send(state.caller_views())
    except (EOFError, OSError):
        os._exit(1)
