"""The timetable of a run's faults: when direct commissions are made and when a process is killed.

`direct_commissions.py` makes the commissions. This module decides when, and reports each fault.
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

#: One fault: after which part of all calls it is due (0.5: half of them), and the function that
#: makes it. The function returns False if the fault is not possible yet.
Step = tuple[float, Callable[[], bool]]

_TEXTS = {
    "foreign": "foreign commissions with the same token",
    "lost": "orphans with keys that no ledger knows",
    "ghosts": "late requests of earlier uses of keys",
    "twins": "twins of accepted commissions",
}


class FaultSchedule:
    """Makes the faults of a run, in the thread that calls `look`."""

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
        """Return whether there are faults to come."""
        return bool(self._steps)

    def look(self, snapshot: Snapshot, *, firing: bool) -> None:
        """Make the next fault if it is due. When the service makes no more calls, all are due."""
        if not self._steps:
            return
        after, step = self._steps[0]
        if firing and snapshot.enqueued < after * snapshot.wanted:
            return
        try:
            if step():
                self._steps.pop(0)
        except Unavailable:
            self._state.retried()  # the ledger is away; the next call of `look` retries

    @contextmanager
    def kill_later(self) -> Iterator[None]:
        """Kill the victim `kill_at` seconds after the block begins, if that is given."""
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
        self._state.say(f"made directly in Astakos: {count} {_TEXTS[what]}", "yellow")
        return True

    def _of_accepted(self, what: str, count: int, make: Callable[[list[str]], int]) -> bool:
        """Call `make` with the keys of accepted commissions, as soon as there are enough."""
        keys = [view.key for view in self._state.caller_views() if can_have_twin(view)]
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


def can_have_twin(view: CallerView) -> bool:
    """Return whether Astakos would issue a second commission with the same provisions.

    Its user must have enough quota left, and it must take quota, not give it back.
    """
    takes = all(quantity > 0 for quantity in view.charges.values())
    return view.end == "accepted" and "refused" not in view.ends and takes
