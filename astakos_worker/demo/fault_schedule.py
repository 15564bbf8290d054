"""When there is trouble: the timetable of what happens behind the service's back, and of the kill.

`mischief.py` knows what trouble is; here is only when it comes, and that it is told.
"""

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from astakos_worker.demo.direct_commissions import DirectCommissions
from astakos_worker.demo.proof import CallerView
from astakos_worker.demo.run_state import RunState, Snapshot
from astakos_worker.local import Process
from astakos_worker.service.errors import Unavailable

#: After which part of the calls something happens, and what returns False while it cannot yet.
Step = tuple[float, Callable[[], bool]]

_TEXTS = {
    "foreign": "foreign commissions with the same token",
    "lost": "orphans with keys that no ledger knows",
    "ghosts": "late ghosts of earlier uses of keys",
    "twins": "twins of accepted commissions",
}


class FaultSchedule:
    """Makes trouble in the course of a run, in the thread of whoever looks after it."""

    def __init__(
        self,
        state: RunState,
        direct: DirectCommissions,
        victim: Process | None,
        kill_at: float | None,
        seed: int,
    ) -> None:
        self._state = state
        self._direct = direct
        self._victim = victim
        self._kill_at = kill_at
        self._random = random.Random(seed)  # noqa: S311  # which twin is made is no secret
        self._steps = self._timetable()
        self.killed: list[str] = []

    @property
    def coming(self) -> bool:
        """Return whether there is more to come."""
        return bool(self._steps)

    def look(self, snapshot: Snapshot, *, firing: bool) -> None:
        """Do what is due by now; with no more calls to come, everything is."""
        if not self._steps:
            return
        after, step = self._steps[0]
        if firing and snapshot.enqueued < after * snapshot.wanted:
            return
        try:
            if step():
                self._steps.pop(0)
        except Unavailable:
            self._state.retried()  # the ledger is away: again at the next look

    @contextmanager
    def kill_later(self) -> Iterator[None]:
        """Kill at a moment of its own, whatever goes on then."""
        if self._victim is None or self._kill_at is None:
            yield
            return
        timer = threading.Timer(self._kill_at, self._kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _timetable(self) -> list[Step]:
        direct = self._direct
        steps: list[Step] = [
            (0.10, lambda: self._made("foreign", direct.make_foreign())),
            (0.20, lambda: self._made("lost", direct.make_orphans(8))),
            (0.35, lambda: self._of_accepted("ghosts", 4, direct.make_late_requests)),
            (0.45, lambda: self._of_accepted("twins", 6, direct.make_twins)),
            (0.75, lambda: self._of_accepted("twins", 4, direct.make_twins)),
        ]
        if self._victim is not None and self._kill_at is None:
            steps.insert(4, (0.5, self._kill))
        return steps

    def _made(self, what: str, count: int) -> bool:
        self._state.count_fault(what, count)
        self._state.say(f"behind its back: {count} {_TEXTS[what]}", "yellow")
        return True

    def _of_accepted(self, what: str, count: int, make: Callable[[list[str]], int]) -> bool:
        """Do something to some accepted commissions, as soon as there are enough."""
        keys = [told.key for told in self._state.told() if can_have_twin(told)]
        if len(keys) < count and self._state.waiting:
            return False
        return self._made(what, make(self._chosen(keys, count)))

    def _chosen(self, keys: Sequence[str], count: int) -> list[str]:
        return self._random.sample(keys, min(count, len(keys)))

    def _kill(self) -> bool:
        if self._victim is not None:
            name, pid = self._victim.name, self._victim.pid
            self._victim.kill()
            self.killed.append(name)
            self._state.count_fault("kill -9")
            self._state.say(f"kill -9 of {name} (process {pid})", "bold red")
        return True


def can_have_twin(told: CallerView) -> bool:
    """Return whether Astakos would let a second one in: where there is plenty, and one takes."""
    takes = all(quantity > 0 for quantity in told.charges.values())
    return told.end == "accepted" and "refused" not in told.ends and takes
