"""`python -m tests.simulation`: more schedules than the tests try, or one of them again.

python -m tests.simulation --random 1000000 [--seed 0]
python -m tests.simulation --faults 1 [--script issue] ...
python -m tests.simulation --faults 2 --script issue
python -m tests.simulation --replay issue/2 '10:delay=40 31:crash'
"""

import argparse
import itertools
import sys
import time
from collections.abc import Iterator

import click

from tests.simulation.exploring import CASES, combined, drawn
from tests.simulation.running import Result, case_of, minimised, run, silence
from tests.simulation.schedule import parse
from tests.simulation.scripts import SCRIPTS

#: Seconds between two lines of progress.
_PROGRESS = 10.0


def main() -> int:
    """Try what is asked for; 1 if a promise was broken."""
    options = _options()
    with silence():
        if options.replay:
            case, schedule = options.replay
            result = run(case_of(case), parse(schedule), keep_trace=True)
            click.echo(result)
            return result.violation is not None
        cases = [case for case in CASES if case.script.name in (options.script or SCRIPTS)]
        if options.faults:
            among = [None] * options.faults
            return _report(itertools.chain.from_iterable(combined(c, *among) for c in cases))
        return _report(drawn(cases, itertools.count(options.seed), options.random))


def _report(results: Iterator[Result]) -> int:
    started = told = time.monotonic()
    count = steps = 0
    ends = set()
    for result in results:
        count, steps = count + 1, steps + result.steps
        ends.add((result.case.script.name, result.end))
        if result.violation is not None:
            click.echo(f"after {count:,} schedules: {minimised(result)}")
            return 1
        if time.monotonic() - told > _PROGRESS:
            told = time.monotonic()
            click.echo(f"{count:,} schedules, {len(ends)} distinct ends ...")
    seconds = time.monotonic() - started
    click.echo(
        f"{count:,} schedules, {steps:,} steps, {len(ends)} distinct ends, no promise broken; "
        f"{count / seconds:,.0f} schedules a second"
    )
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.simulation")
    parser.add_argument("--random", type=int, default=20_000, help="so many drawn schedules")
    parser.add_argument("--seed", type=int, default=0, help="the first one's seed")
    parser.add_argument("--faults", type=int, help="all combinations of up to so many faults")
    parser.add_argument("--script", action="append", choices=SCRIPTS, help="only this one")
    parser.add_argument("--replay", nargs=2, metavar=("CASE", "SCHEDULE"), help="one again")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
