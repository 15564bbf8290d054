"""Measures this package beside its rivals, all on one machine in one run.

    .venv/bin/python -m bench                  under three minutes
    .venv/bin/python -m bench --full           everything, about half an hour, with plots
    .venv/bin/python -m bench --smallest       each scenario once, to see that it runs
    .venv/bin/python -m bench --only waiting,quiet
    .venv/bin/python -m bench --auth-url URL --token TOKEN    against a real Astakos

The tables go to the screen and the figures to a JSON file. At its end every run checks that the
users' holdings are the sum of what was accepted, so no rival can be fast by losing work.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from astakos_worker.local.process import StackError
from bench import plots, report
from bench.astakos import Real, Sandbox
from bench.figures import AIMS, Results
from bench.lifecycles import LostWorkError
from bench.scenarios import SCENARIOS, Cast, Size
from bench.stage import Stage

HELP = {
    Size.FULL: "all scenarios, more rounds, plots",
    Size.SMALLEST: "all scenarios, one round with hardly any work: the figures mean nothing",
}
ROUNDS = {Size.SMALLEST: 1, Size.SHORT: 2, Size.FULL: 3}
#: Commissions that a real Astakos' users must have room for.
ROOM = 1_000


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sizes = parser.add_mutually_exclusive_group()
    for size, help_ in HELP.items():
        sizes.add_argument(
            f"--{size}",
            dest="size",
            action="store_const",
            const=size,
            default=Size.SHORT,
            help=help_,
        )
    parser.add_argument("--only", metavar="NAME,...", help=f"only some of: {', '.join(SCENARIOS)}")
    parser.add_argument(
        "--rounds",
        type=int,
        help="how often rivals take turns; 2, 3 with --full, 1 with --smallest",
    )
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="the tables, for a page")
    parser.add_argument("--json", type=Path, default=Path("run/bench.json"), help="%(default)s")
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="where SVG plots go")
    parser.add_argument("--auth-url", help="a real Astakos instead of the sandbox")
    parser.add_argument("--token", help="a component's token; also ASTAKOS_TOKEN")
    options = parser.parse_args()
    token = options.token or os.environ.get("ASTAKOS_TOKEN")
    if options.auth_url and not token:
        parser.error("--auth-url needs --token, or ASTAKOS_TOKEN in the environment")
    chosen = choose(parser, options)
    make = partial(real, options.auth_url, token) if options.auth_url else Sandbox
    console = Console(width=None if sys.stdout.isatty() else 110)
    results: Results = {}
    try:
        with (
            tempfile.TemporaryDirectory(prefix="bench-") as folder,
            Stage(Path(folder), make, workers=1 if options.size is Size.SMALLEST else 2) as stage,
            stage.astakos.given_back(),
        ):
            cast = Cast(stage, options.size, options.rounds or ROUNDS[options.size])
            report.head(console, stage)
            for name in chosen:
                scenario = SCENARIOS[name]
                with console.status(f"{scenario.title} ..."):
                    results[name] = scenario.measure(cast)
                report.table(console, scenario.title, results[name])
                keep(options, results)  # whatever becomes of the next one
    except (LostWorkError, StackError) as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    report.aims(console, aims_of(results))
    console.print(f"\nFigures: {options.json}", style="dim")
    if options.plots:
        plots.draw(results, options.plots)


def keep(options, results: Results) -> None:
    """Write what there is so far."""
    aims = aims_of(results)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    kept = {"machine": machine(), "size": options.size, "aims": aims}
    options.json.write_text(json.dumps({**kept, "results": results}, indent=1) + "\n")
    if options.markdown:
        options.markdown.write_text(report.markdown(results, aims))


def aims_of(results: Results) -> list[dict[str, Any]]:
    return [row for aim in AIMS if (row := aim.row(results)) is not None]


def choose(parser, options) -> list[str]:
    if options.only:
        names = options.only.split(",")
        if unknown := [name for name in names if name not in SCENARIOS]:
            parser.error(f"no such scenario: {', '.join(unknown)}")
        return names
    return [
        name
        for name, scenario in SCENARIOS.items()
        if (options.size is not Size.SHORT or not scenario.full_only)
        and not (options.auth_url and scenario.needs_control)
    ]


def real(auth_url: str, token: str, _: Path) -> Real:
    return Real(auth_url, token, ROOM)


def machine() -> dict[str, object]:
    return {
        "cores": os.cpu_count(),
        "processor": platform.machine(),
        "python": platform.python_version(),
        "system": platform.system(),
    }


if __name__ == "__main__":
    main()
