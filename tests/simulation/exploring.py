"""Which schedules are tried: every single fault at every step, and as many drawn as are wanted."""

import itertools
from collections.abc import Iterable, Iterator, Sequence

from tests.simulation.running import Case, Result, run
from tests.simulation.schedule import Explicit, Seeded
from tests.simulation.scripts import SCRIPTS

CASES = [
    Case(script, workers, sweeping)
    for script in SCRIPTS.values()
    for workers, sweeping in ((1, False), (2, False), (2, True))
]


def combined(
    case: Case, *among: frozenset[str] | None, before: Explicit | None = None
) -> Iterator[Result]:
    """Yield what comes of every combination of up to so many faults, in order of their steps.

    `among` has the kinds of the first fault, of the second, and so on; None: of any kind.
    """
    before = before or Explicit()
    result = run(case, before, keep_trace=bool(among))
    yield result
    if not among or result.violation is not None:
        return
    kinds, *rest = among
    last = max(before.faults, default=-1)
    for seen in result.trace:
        if seen.number <= last:
            continue
        for fault in seen.options:
            if kinds is None or fault.kind in kinds:
                further = Explicit({**before.faults, seen.number: fault})
                yield from combined(case, *rest, before=further)


def drawn(cases: Sequence[Case], seeds: Iterable[int], count: int) -> Iterator[Result]:
    """Yield the results of so many seeded schedules, the cases taking turns."""
    for seed, case in itertools.islice(zip(seeds, itertools.cycle(cases), strict=False), count):
        yield run(case, Seeded(seed))
