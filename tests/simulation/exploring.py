"""Chooses the schedules to try: every single fault at every step, and drawn ones at random."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from tests.simulation.running import Case, Known, Result, run
from tests.simulation.schedule import Explicit, Seeded
from tests.simulation.scripts import SCRIPTS

CASES = [
    Case(script, workers, sweeping)
    for script in SCRIPTS.values()
    for workers, sweeping in ((1, False), (2, False), (2, True))
]


def combined(
    case: Case,
    *among: frozenset[str] | None,
    part: tuple[int, int] = (0, 1),
    prune: bool = True,
    before: Explicit | None = None,
    known: dict[int, int] | None = None,
) -> Iterator[Result]:
    """Yield what comes of every combination of up to so many faults, in order of their steps.

    `among` has the kinds of the first fault, of the second, and so on; None: of any kind. With
    `part` (i, n) only each n-th of the first faults is taken, from the i-th on. With `prune` a
    run of several faults goes no further than to a moment that is equal to one of another run
    with as many faults to come: what follows has been seen, or will be. `known` are these.
    """
    before = before or Explicit()
    if known is None and prune and len(among) > 1 and len(set(among)) == 1:
        known = {}
    result = run(case, before, keep_trace=bool(among), known=_known(known, before, len(among)))
    yield result
    if not among or result.violation is not None:
        return
    kinds, *rest = among
    last = max(before.faults, default=-1)
    later = [
        (seen.number, fault)
        for seen in result.trace
        if seen.number > last
        for fault in seen.options
        if kinds is None or fault.kind in kinds
    ]
    for number, fault in later[part[0] :: part[1]]:
        further = Explicit({**before.faults, number: fault})
        yield from combined(case, *rest, prune=prune, before=further, known=known)


def _known(moments: dict[int, int] | None, before: Explicit, left: int) -> Known | None:
    if moments is None:
        return None
    last = max(before.faults, default=-1)
    own: set[int] = set()

    def known(steps: int, value: Callable[[], int]) -> bool:
        if steps <= last:
            return False
        moment = value()
        # One that comes again in the same run is no news either, but it may come for ever.
        if moment in own:
            return False
        if moments.get(moment, -1) >= left:
            return True
        own.add(moment)
        moments[moment] = left
        return False

    return known


def drawn(cases: Sequence[Case], seeds: Iterable[int]) -> Iterator[Result]:
    """Yield the result of a schedule drawn from each seed, which also says of which case."""
    for seed in seeds:
        yield run(cases[seed % len(cases)], Seeded(seed))
