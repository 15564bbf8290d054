"""Searches for broken promises. Several processes each take a share of the schedules.

The result is a tally: how many schedules were tried, how they ended, and the first promise that was
broken, with the fewest faults that break it.
"""

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field

from tests.simulation.exploring import combined, drawn
from tests.simulation.running import Case, Result, case_of, minimised, silence

#: Drawn schedules in one share: some seconds' work.
_DRAWN = 500
#: Shares of all pairs of faults of one case.
_PARTS = 8


@dataclass(slots=True)
class Tally:
    """What came of many schedules."""

    schedules: int = 0
    cut: int = 0  # went on as others had, and were left there
    steps: int = 0
    ends: set[tuple[str, object]] = field(default_factory=set)
    broken: str | None = None

    def add(self, other: "Tally") -> None:
        """Take in what came of some more."""
        self.schedules += other.schedules
        self.cut += other.cut
        self.steps += other.steps
        self.ends |= other.ends
        self.broken = self.broken or other.broken


@dataclass(frozen=True, slots=True)
class Share:
    """Some schedules, by what they are drawn or combined from: cases as they are written."""

    cases: tuple[str, ...]
    seeds: range | None = None  # drawn; None: every combination of so many faults
    faults: int = 1
    part: int = 0  # of all first faults, these
    parts: int = 1

    def results(self) -> Iterator[Result]:
        """Run its schedules."""
        cases = [case_of(text) for text in self.cases]
        if self.seeds is not None:
            yield from drawn(cases, self.seeds)
            return
        for case in cases:
            yield from combined(case, *[None] * self.faults, part=(self.part, self.parts))


def shares_of(cases: Iterable[Case], *, faults: int = 0, seeds: range = range(0)) -> list[Share]:
    """Return all combinations of up to so many faults, and what is drawn from so many seeds."""
    names = tuple(map(str, cases))
    parts = _PARTS if faults > 1 else 1
    found = [
        Share((name,), None, faults, part, parts)
        for name in names
        for part in range(parts)
        if faults
    ]
    starts = range(seeds.start, seeds.stop, _DRAWN)
    return found + [Share(names, range(n, min(n + _DRAWN, seeds.stop))) for n in starts]


def tally(share: Share) -> Tally:
    """Run a share, until a promise is broken."""
    done = Tally()
    with silence():
        for result in share.results():
            done.schedules += 1
            done.cut += result.cut
            done.steps += result.steps
            if not result.cut:
                done.ends.add((result.case.script.name, result.end))
            if result.violation is not None:
                done.broken = str(minimised(result))
                break
    return done


def search(
    shares: Iterable[Share], processes: int, told: Callable[[Tally, int], None] = lambda *_: None
) -> Tally:
    """Run shares, until a promise is broken; `told` hears how it stands after each."""
    whole, rest = Tally(), iter(shares)
    done = itertools.count(1)
    if processes == 1:
        for share in rest:
            whole.add(tally(share))
            told(whole, next(done))
            if whole.broken:
                break
        return whole
    with ProcessPoolExecutor(processes) as pool:
        running: set[Future[Tally]] = set()
        try:
            while whole.broken is None:
                for share in itertools.islice(rest, processes - len(running)):
                    running.add(pool.submit(tally, share))
                if not running:
                    break
                over, running = wait(running, return_when=FIRST_COMPLETED)
                for future in over:
                    whole.add(future.result())
                    told(whole, next(done))
        finally:
            pool.shutdown(cancel_futures=True)
    return whole


def free_cores() -> int:
    """Return how many processes would not be in others' way just now; at least one."""
    cores = len(os.sched_getaffinity(0))
    return max(1, round(cores - os.getloadavg()[0]))
