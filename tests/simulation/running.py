"""Runs one script with a number of workers under one schedule of faults, and returns the result.

After the schedule's last fault there are no more faults. Drive and sweep go on until nothing
changes.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from astakos_worker.ledger.memory.store import MemoryLedger
from tests.simulation.ending import at_rest
from tests.simulation.equality import Moment
from tests.simulation.oracle import entries_of
from tests.simulation.processes import Seen
from tests.simulation.schedule import Explicit, Fault, Schedule
from tests.simulation.scripts import SCRIPTS, Script
from tests.simulation.stage import Stage
from tests.simulation.workers import LIMITS
from tests.simulation.world import World

#: Seconds after which sweeps come: early, and when grace and quarantine are over.
_SWEEPS = (10.0, 500.0)
_SWEEPING = "+sweep"

#: Says whether what follows is known: after so many steps, at a moment that has this value.
Known = Callable[[int, Callable[[], int]], bool]

#: Sweeps after which a world that still changes will never rest.
_ROUNDS = 40


@dataclass(frozen=True, slots=True)
class Case:
    """What is run, but for the schedule."""

    script: Script
    workers: int = 1
    sweeping: bool = False  # sweeps come while faults do, and not only afterwards
    ledger: Callable[..., MemoryLedger] = MemoryLedger

    def __str__(self) -> str:
        return f"{self.script.name}/{self.workers}{_SWEEPING if self.sweeping else ''}"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a run. `end` is equal for ends that differ in nothing that matters."""

    case: Case
    violation: str | None
    faults: dict[int, Fault]
    steps: int
    end: frozenset[tuple[object, ...]]
    trace: list[Seen] = field(default_factory=list)
    cut: bool = False  # it went on as another had

    @property
    def schedule(self) -> Explicit:
        """The schedule that gives this result again."""
        return Explicit(self.faults)

    def __str__(self) -> str:
        return (
            f"{self.violation or 'no promise is broken'}\n"
            "repeat it: .venv/bin/python -m tests.simulation "
            f"--replay {self.case} {str(self.schedule)!r}\n" + "\n".join(map(str, self.trace))
        )


def run(
    case: Case,
    schedule: Schedule | None = None,
    *,
    keep_trace: bool = False,
    known: Known | None = None,
) -> Result:
    """Run a case by a schedule, then let it come to rest; no further than it is known how."""
    world = World(schedule or Explicit(), keep_trace=keep_trace)
    script = case.script
    stage = Stage(
        world,
        workers=case.workers,
        room=script.room,
        bounds=script.bounds,
        ledger=case.ledger,
    )
    moment = Moment(stage)
    if known is not None:
        world.cut = lambda: known(world.steps, moment.value)
    try:
        script.before(stage)
        for body in script.callers:
            stage.caller(body)
        if case.sweeping:
            for later in _SWEEPS:
                world.at(world.clock.time + later, stage.workers.sweep)
        world.run()
        world.calm = True
        if not world.was_cut:
            _rest(world, stage)
        if world.violation is None and not world.was_cut:
            at_rest(stage.oracle)
        end = frozenset(
            (e.record.key, str(e.record.state), e.record.serial is None, e.record.twins != ())
            for e in entries_of(stage.raw)
        )
    finally:
        world.close()
    return Result(
        case, world.violation, world.applied, world.steps, end, world.trace or [], world.was_cut
    )


def _rest(world: World, stage: Stage) -> None:
    """Sweep until nothing changes, also when everything that waits has waited long enough."""
    long = max(LIMITS.grace, LIMITS.quarantine, LIMITS.refusal_window) + LIMITS.quiet_horizon
    waits, waited = (61.0, long), 0
    for _ in range(_ROUNDS):
        before = stage.oracle.changes
        world.resting = (waited, before)
        stage.workers.sweep()
        world.run()
        if world.violation is not None or world.was_cut:
            return
        if stage.oracle.changes != before:
            continue
        if waited == len(waits):
            return
        world.clock.time += waits[waited]
        waited += 1
    world.note(f"still changing after {_ROUNDS} sweeps")


def minimised(result: Result) -> Result:
    """Return a result with the same kind of end and no fault that it does not need."""
    best = result
    again = True
    while again:
        again = False
        for step in sorted(best.faults, reverse=True):
            fewer = Explicit({n: fault for n, fault in best.faults.items() if n != step})
            result = run(best.case, fewer)
            if result.violation is not None:
                best, again = result, True
                break
    return run(best.case, best.schedule, keep_trace=True)


def case_of(text: str) -> Case:
    """Return the case that was written as `script/workers` or `script/workers+sweep`."""
    name, _, rest = text.partition("/")
    sweeping = rest.endswith(_SWEEPING)
    return Case(SCRIPTS[name], int(rest.removesuffix(_SWEEPING) or 1), sweeping)


@contextmanager
def silence() -> Iterator[None]:
    """Keep the engine's log lines away: a million runs would write a billion."""
    ours = logging.getLogger("astakos_worker")
    before = ours.level
    ours.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        ours.setLevel(before)
