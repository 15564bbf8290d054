"""Carriers, drive and sweep of one lane, run by whoever rings, waits or lets time pass.

There is no thread and no queue: a wake-up is carried out on the spot. Waiting lets the time pass
that it takes, on a clock that nobody waits for.
"""

import itertools
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

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
    """Does what workers and beat do; also the waker and the watcher of the service's side."""

    def __init__(
        self,
        lane: str,
        settings: Settings,
        clock: StandingClock,
        ledger: InMemoryLedger,
        astakos: InMemoryAstakos,
    ) -> None:
        self.away = False
        """While true, what is asked for is only recorded; `work()` or time does it later."""
        self.told: list[tuple[str, dict[str, Any]]] = []
        """The call-backs that were sent: task and payload."""
        self.owner: Owner | None = None
        """Asked by sweeps, as the one that `ASTAKOS_OWNER` names is; its errors come through."""
        limits = limits_of(settings)
        self._lane = lane
        self._settings = settings
        self._clock = clock
        self._ledger = ledger
        self._astakos = astakos
        self._carrier = Carrier(
            astakos, ledger, clock, limits, _draw, self._ring, self._send_callback
        )
        self._sweep = Sweep(astakos, ledger, clock, limits, self._ring)
        self._next_sweep = clock.now() + settings.sweep
        self._names = (f"carrier-{n}" for n in itertools.count(1))
        # One worker for all threads of a test: who waits for it finds its work done.
        self._lock = threading.RLock()
        self._busy = self._rung = False

    def wake(self, task: str, service: str, key: str, version: int) -> None:
        """Do at once what there is to do."""
        del task, service, key, version  # it is due, so it is found
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
        """Sweep now, whenever the next sweep would be; return its report."""
        with self._lock:
            self._sweep.ask = self._ask if self.owner else None
            report = self._sweep.sweep(self._lane, "sweeper").to_dict()
            self.work()
        return report

    def advance(self, seconds: float) -> None:
        """Let so much time pass, and the work be done that falls due meanwhile."""
        with self._lock:
            self._pass(self._clock.now() + seconds, lambda: False)

    def wait(
        self, lane: str, key: str, done: Callable[[Entry], bool], timeout: float
    ) -> tuple[Entry | None, bool]:
        """Return the record once it is done, or as it is when the time is over; and which."""

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
        """Let time pass from one thing that falls due to the next."""
        while True:
            self._do_what_is_due()
            now = self._clock.now()
            if over() or now >= end:
                return
            self._clock.move(min(end, self._next()))

    def _do_what_is_due(self) -> None:
        now = self._clock.now()
        if now >= self._next_sweep:
            self._next_sweep = now + self._settings.sweep
            if not (self.away or self._ledger.away) and self._may_find():
                with suppress(AstakosClientException):  # the next one does what this one did not
                    self.sweep()
        self.work()

    def _may_find(self) -> bool:
        """Return whether a sweep has anything to do: a week of them that have not takes a while."""
        held = {serial for serial, _ in self._ledger.held(self._lane, limit=10**9)}
        return held != set(self._astakos.pending) or bool(self._ledger.expired(self._lane))

    def _next(self) -> float:
        """Return when there is something to do next; what is left over, the drive does."""
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
            # A sweep goes on without such an owner and reports it; its test is to see it.
            raise ValueError(str(error)) from error

    def _ring(self, lane: str) -> None:
        del lane  # there is one
        self._rung = True

    def _send_callback(self, callback: str, payload: dict[str, Any]) -> bool:
        self.told.append((callback, payload))
        return True


def _draw() -> float:
    """Take no chances: a test that passes once passes always."""
    return 0.5
