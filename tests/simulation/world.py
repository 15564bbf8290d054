"""Many processes in one thread, and a clock that moves only when all of them wait.

A process is a greenlet that runs the engine's plain blocking code. It belongs to a host, and dies
with the host. Before each effect the process calls `step`. The schedule decides what happens at the
step: the process goes on, its host dies or halts, another process goes first, or the effect fails.
"""

import heapq
import itertools
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from greenlet import getcurrent, greenlet

from tests.simulation.processes import Crashed, Host, Process, Seen, SimulatedClock, Violation
from tests.simulation.schedule import (
    ASIDE,
    CRASH,
    DRIVE,
    FOREIGN_ACCEPT,
    FOREIGN_REJECT,
    HORIZON_OVER,
    LEASE_OVER,
    SWEEP,
    Fault,
    Schedule,
)

#: More than any run that comes to rest.
_MOST_STEPS = 20_000

#: Seconds that a step takes.
_STEP = 0.001


@dataclass(slots=True)
class Environment:
    """What the world can do on its own; the stage sets these."""

    sweep: Callable[[], None] = lambda: None
    drive: Callable[[], None] = lambda: None
    foreign: Callable[[str], None] = lambda _verb: None
    pending: Callable[[], bool] = lambda: False  # is anything of ours pending in Astakos?
    next_event: Callable[[], float | None] = lambda: None  # when the drive would find work
    tick: Callable[[float], None] = lambda _now: None  # the time has moved to this


class World:
    """Runs processes by a schedule."""

    def __init__(self, schedule: Schedule, *, keep_trace: bool = False) -> None:
        self.clock = SimulatedClock()
        self.schedule = schedule
        self.environment = Environment()
        self.trace: list[Seen] | None = [] if keep_trace else None
        self.applied: dict[int, Fault] = {}
        self.steps = 0
        self.calm = False  # no more faults
        self.resting = (0, 0)  # waits that are over, and changes before this sweep
        self.cut: Callable[[], bool] = lambda: False  # what follows is known
        self.was_cut = False
        self.violation: str | None = None
        self.current: Process | None = None
        self._hub = getcurrent()
        self._processes: list[Process] = []  # in the order in which they go on
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()

    # --- For whoever sets the stage -----------------------------------------------------------

    def start(
        self,
        name: str,
        host: Host,
        body: Callable[[], None],
        *,
        first: bool = False,
        ended: Callable[[], None] = lambda: None,
        crashed: Callable[[], None] = lambda: None,
    ) -> None:
        """Start a process; `ended` when its body returned, `crashed` when its host died."""

        def main() -> None:
            try:
                body()
            except Crashed:
                crashed()
                return
            except Violation:
                return
            except Exception as error:  # noqa: BLE001  # whatever it is, it is a finding
                where = traceback.extract_tb(error.__traceback__)[-1]
                self.note(f"{name} ended with {error!r} at {where.filename}:{where.lineno}")
                return
            ended()

        process = Process(name, host, greenlet(main, self._hub), crashed)
        self._processes.insert(0 if first else len(self._processes), process)

    def at(self, time: float, call: Callable[[], None]) -> None:
        """Have something happen at a time, even if every process is gone by then."""
        heapq.heappush(self._timers, (time, next(self._count), call))

    def note(self, violation: str) -> None:
        """Record that a promise is broken; the first one counts."""
        if self.violation is None:
            self.violation = violation

    def violate(self, violation: str) -> NoReturn:
        """Record that a promise is broken, and end the run."""
        self.note(violation)
        raise Violation(violation)

    def crash(self, host: Host) -> None:
        """Kill a host: its processes never come to another effect."""
        host.alive = False

    # --- For effects --------------------------------------------------------------------------

    def step(self, kind: str, what: str, own: Sequence[Fault] = ()) -> Fault | None:
        """Let the schedule decide; return the fault that the effect itself is to show."""
        me = self.current
        if me is None:
            raise RuntimeError(f"{what} is asked for outside of any process")
        self._alive(me)
        number, self.steps = self.steps, self.steps + 1
        self.clock.time += _STEP  # so that what is done again is never done at the same time
        if number >= _MOST_STEPS:
            self.violate(f"no rest after {number} steps")
        fault = None
        if not self.calm:
            fault = self.schedule.pick(number, lambda: (*own, *self._common(kind)))
        if self.trace is not None:
            options = () if self.calm else (*own, *self._common(kind))
            self.trace.append(Seen(number, self.clock.time, me.name, kind, what, options, fault))
        if fault is None:
            return None
        self.applied[number] = fault
        if fault in own:
            return fault
        self._befalls(me, fault)
        return None

    def sleep(self, seconds: float, when: Callable[[], bool] | None = None) -> None:
        """Let the current process wait for so long, or until `when` returns True."""
        me = self.current
        if me is None:
            raise RuntimeError("only a process can wait")
        me.until, me.when = self.clock.time + seconds, when
        self._switch(me)

    @property
    def alone(self) -> bool:
        """Whether the current process is the only one, and no timer will start another."""
        return len(self._processes) == 1 and not self._timers

    def read_clock(self) -> float:
        """Return the time; a process that is paused here reads a later one."""
        if self.current is not None:
            self.step("clock", "now")
        return self.clock.time

    def _common(self, kind: str) -> Iterable[Fault]:
        yield LEASE_OVER
        yield HORIZON_OVER
        if len(self._processes) > 1:
            yield ASIDE
        if kind == "clock":
            return  # the other faults have the same effect before the next step
        yield CRASH
        yield SWEEP
        yield DRIVE
        if self.environment.pending():
            yield FOREIGN_ACCEPT
            yield FOREIGN_REJECT

    def _befalls(self, me: Process, fault: Fault) -> None:
        match fault.kind:
            case "crash":
                self.crash(me.host)
                self._alive(me)
            case "pause":
                me.until, me.when = self.clock.time + fault.amount, None
                me.host.stopped = me.until
                self._switch(me)
            case "aside":
                self._switch(me)
            case "sweep":
                self.environment.sweep()
                self._switch(me)
            case "drive":
                self.environment.drive()
                self._switch(me)
            case "foreign_accept" | "foreign_reject":
                self.environment.foreign(fault.kind.removeprefix("foreign_"))
            case unknown:
                raise ValueError(f"nobody knows the fault {unknown!r}")

    def _switch(self, me: Process) -> None:
        self._processes.remove(me)
        self._processes.append(me)
        self._hub.switch()
        self._alive(me)

    @staticmethod
    def _alive(me: Process) -> None:
        if not me.host.alive:
            raise Crashed

    # --- The hub ------------------------------------------------------------------------------

    def run(self) -> None:
        """Run until nothing more can happen."""
        try:
            while self.violation is None:
                self._reap()
                now = self.clock.time
                process = next((p for p in self._processes if p.ready(now)), None)
                if process is not None:
                    self._go(process)
                elif self.cut():
                    self.was_cut = True
                    return
                elif not self._wait():
                    return
        except Violation:
            return  # by a request that was executed when nobody waited for it any more

    def close(self) -> None:
        """End what is left of a run."""
        for process in self._processes:
            process.host.alive = False
        self._reap()

    def _go(self, process: Process) -> None:
        process.until = process.when = None
        self.current = process
        try:
            process.greenlet.switch()
        finally:
            self.current = None
        if process.greenlet.dead:
            self._processes.remove(process)

    def _reap(self) -> None:
        while dead := [p for p in self._processes if not p.host.alive]:
            process = dead[0]
            self._processes.remove(process)
            if process.greenlet:
                self.current = process
                process.greenlet.throw(Crashed)
                self.current = None
            else:  # it had not begun, and does not see its own end
                process.crashed()

    def _wait(self) -> bool:
        """Move the time to what comes next; False: nothing will."""
        now = self.clock.time
        times = [max(p.until or now, p.host.stopped) for p in self._processes]
        if self._timers:
            times.append(self._timers[0][0])
        event = self.environment.next_event()
        if event is not None:
            times.append(event)
        if not times:
            return False
        then = max(now, min(times))
        self.clock.time = then
        self.environment.tick(then)
        while self._timers and self._timers[0][0] <= then:
            heapq.heappop(self._timers)[2]()
        if event is not None and event <= then:
            self.environment.drive()
        return True
