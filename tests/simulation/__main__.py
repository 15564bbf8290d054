"""`python -m tests.simulation`: tries more schedules than the tests do, or repeats one of them.

python -m tests.simulation                                all single faults, 20,000 drawn
python -m tests.simulation --random 1000000 [--seed 0]    so many drawn, with many faults each
python -m tests.simulation --faults 2 --script issue      all pairs of faults of a script
python -m tests.simulation --replay issue/2 '7:delay=40 31:crash'
"""

import argparse
import sys
import time

import click

from tests.simulation.exploring import CASES
from tests.simulation.running import case_of, run, silence
from tests.simulation.schedule import parse
from tests.simulation.scripts import SCRIPTS
from tests.simulation.searching import Tally, free_cores, search, shares_of

#: Seconds between two lines of progress.
_PROGRESS = 10.0


def main() -> int:
    """Try what is asked for; 1 if a promise was broken."""
    options = _options()
    if options.replay:
        case, schedule = options.replay
        with silence():
            result = run(case_of(case), parse(schedule), keep_trace=True)
        click.echo(result)
        for step in parse(schedule).faults.keys() - result.faults.keys():
            click.echo(f"left out: {parse(schedule).faults[step]} is not possible at step {step}")
        return int(result.violation is not None)
    faults, count = options.faults, options.random
    if faults is None and count is None:
        faults, count = 1, 20_000
    scripts, named = options.script or SCRIPTS, options.case
    cases = [c for c in CASES if c.script.name in scripts and (not named or str(c) in named)]
    seeds = range(options.seed, options.seed + (count or 0))
    shares = shares_of(cases, faults=faults or 0, seeds=seeds)
    progress = _Progress(len(shares))
    try:
        whole = search(shares, options.processes or free_cores(), progress.told)
    except KeyboardInterrupt:
        click.echo("stopped")
        return 130
    click.echo(progress.line(whole))
    if whole.broken:
        click.echo(f"A promise is broken: {whole.broken}")
    return int(whole.broken is not None)


class _Progress:
    """Says every now and then how a search stands."""

    def __init__(self, shares: int) -> None:
        self._shares = shares
        self._started = self._told = time.monotonic()

    def told(self, tally: Tally, done: int) -> None:
        """Say it, if that is some time ago."""
        if time.monotonic() - self._told > _PROGRESS:
            self._told = time.monotonic()
            click.echo(f"{100 * done // self._shares:3} %  {self.line(tally)}")

    def line(self, tally: Tally) -> str:
        """Return how it stands."""
        rate = tally.schedules / (time.monotonic() - self._started)
        cut = f" ({tally.cut:,} cut short as known)" if tally.cut else ""
        return (
            f"{tally.schedules:,} schedules{cut}, {tally.steps:,} steps, {rate:,.0f} a second, "
            f"{len(tally.ends):,} distinct ends"
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.simulation")
    parser.add_argument("--random", type=int, metavar="N", help="so many drawn schedules")
    parser.add_argument("--seed", type=int, default=0, help="the first one's seed")
    parser.add_argument("--faults", type=int, help="all combinations of up to so many faults")
    parser.add_argument("--script", action="append", choices=SCRIPTS, help="only this one")
    parser.add_argument("--case", action="append", help="only this one, such as issue/2+sweep")
    parser.add_argument("--processes", type=int, help="default: as many as cores are free")
    parser.add_argument("--replay", nargs=2, metavar=("CASE", "SCHEDULE"), help="one again")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
