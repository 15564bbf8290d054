"""Carriers, drive and sweep of one lane, run inside the calls of a test.

There is no thread and no queue: a wake-up is carried out at once. A call that waits moves the clock
to the next due time, and takes no real time.
"""

import itertools
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from astakos_worker.configuration.names import COMMISSIONS
from astakos_worker.configuration.settings import Settings
from astakos_worker.engine.carry.carrier import Carrier
from astakos_worker.engine.sweep.owner import Answer, Owner, OwnerError, Unsettled, checked
from astakos_worker.engine.sweep.sweep import Sweep
from astakos_worker.ledger.contract import Entry
from astakos_worker.testing.in_memory.astakos import InMemoryAstakos
from astakos_worker.testing.in_memory.clock import StandingClock
from astakos_worker.testing.in_memory.ledger import InMemoryLedger
from astakos_worker.worker.limits import limits_of
from astakosclient.errors import AstakosClientException


class InMemoryWorkers:
    """Does the work of workers and beat; also the waker and the watcher of the service's calls."""

    def __init__(
        self,
        lane: str,
        settings: Settings,
        clock: StandingClock,
        ledger: InMemoryLedger,
        astakos: InMemoryAstakos,
    ) -> None:
        self.away: bool = False
        """While true, calls are only recorded; after its end `work()` or time does the work."""
        self.told: list[tuple[str, dict[str, Any]]] = []
        """The call-backs that were sent: task and payload."""
        self.owner: Owner | None = None
        """The owner that sweeps ask, as with `ASTAKOS_OWNER`; a wrong answer raises in the test."""
        limits = limits_of(settings)
        self._lane = lane
        self._settings = settings
        self._clock = clock
        self._ledger = ledger
        self._astakos = astakos
        self._carrier = Carrier(
            astakos,
            ledger,
            clock,
            limits,
            _draw,
            self._ring,
            self._send_callback,
            explain=lambda _, provisions: astakos.unknown_name(provisions),
        )
        ledger.serve([lane], [COMMISSIONS], float("inf"))
        self._sweep = Sweep(astakos, ledger, clock, limits, self._ring)
        self._next_sweep = clock.now() + settings.sweep
        self._names = (f"carrier-{n}" for n in itertools.count(1))
        # All threads of a test share one worker: a thread may find its work done after the wait.
        self._lock = threading.RLock()
        self._busy = self._rung = False

    def wake(self, task: str, service: str, key: str, version: int) -> None:
        """Do at once all that is due."""
        del task, service, key, version  # all that is due is found
        self.work()

    def work(self) -> None:
        """Do everything that is due."""
        with self._lock:
            self._rung = True
            if self._busy or self.away or self._ledger.away:
                return
            self._busy = True
            try:
                while self._rung:
                    self._rung = False
                    self._carrier.carry(self._lane, next(self._names))
            finally:
                self._busy = False

    def sweep(self) -> dict[str, Any]:
        """Sweep now; return the report."""
        with self._lock:
            self._sweep.ask = self._ask if self.owner else None
            report = self._sweep.sweep(self._lane, "sweeper").to_dict()
            self.work()
        return report

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass; work that falls due meanwhile is done."""
        with self._lock:
            self._pass(self._clock.now() + seconds, lambda: False)

    def wait(
        self, lane: str, key: str, done: Callable[[Entry], bool], timeout: float
    ) -> tuple[Entry | None, bool]:
        """Return the record and whether it is done; after `timeout` seconds, as it is then."""

        def look() -> Entry | None:
            return self._ledger.get(lane, [key]).get(key)

        def over() -> bool:
            entry = look()
            return entry is None or done(entry)

        with self._lock:
            self._pass(self._clock.now() + timeout, over)
            entry = look()
            return entry, entry is not None and done(entry)

    def _pass(self, end: float, over: Callable[[], bool]) -> None:
        """Move the clock from one due time to the next, until `over` or the end."""
        while True:
            self.do_what_is_due()
            now = self._clock.now()
            if over() or now >= end:
                return
            self._clock.move(min(end, self.next_due()))

    def do_what_is_due(self) -> None:
        """Do the work and the sweep that are due now."""
        now = self._clock.now()
        if now >= self._next_sweep:
            self._next_sweep = now + self._settings.sweep
            if not (self.away or self._ledger.away) and self._may_find():
                with suppress(AstakosClientException):  # the next sweep does the rest
                    self.sweep()
        self.work()

    def _may_find(self) -> bool:
        """Return whether a sweep has work to do. A week of sweeps without work would take long."""
        held = {serial for serial, _ in self._ledger.held(self._lane, limit=10**9)}
        return held != set(self._astakos.pending) or bool(self._ledger.expired(self._lane))

    def next_due(self) -> float:
        """Return the next due time, which is later than now.

        For work that is due now and is not done, that is the next drive.
        """
        now = self._clock.now()
        due = self._ledger.next_due()
        if due is None:
            return self._next_sweep
        return min(self._next_sweep, due if due > now else now + self._settings.drive)

    def _ask(self, commissions: Sequence[Unsettled]) -> list[Answer]:
        if self.owner is None:
            return ["leave"] * len(commissions)
        try:
            return checked(self.owner(commissions), len(commissions))
        except OwnerError as error:
            # A sweep would go on and report the error; the test of an owner is to see it.
            raise ValueError(str(error)) from error

    def _ring(self, lane: str) -> None:
        del lane  # the only one
        self._rung = True

    def _send_callback(self, callback: str, payload: dict[str, Any]) -> bool:
        self.told.append((callback, payload))
        return True


def _draw() -> float:
    """Return no random number: a test that passes once passes always."""
    return 0.5
