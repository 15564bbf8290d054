"""`python -m tests.chaos`: thousands of commissions on a real stack with many faults, and a proof.

Exit status 0: proven; 1: something differs; 130: interrupted.
"""

import contextlib
import logging
import os
import shutil
import sys
from pathlib import Path

import click
from rich.text import Text

from astakos_worker.cli.demo import (
    empty_directory,
    forget_our_variables,
    tolerate_plain_terminals,
)
from astakos_worker.cli.interrupts import interrupt_once
from astakos_worker.cli.terminal import Terminal, print_json
from astakos_worker.configuration.logs import configure_logs
from astakos_worker.demo.lines import show_lines
from astakos_worker.demo.plan import FEWEST
from astakos_worker.demo.screen import show_on_screen
from tests.chaos.report import show, summary
from tests.chaos.run import Chaos, CombinedState, Options

_INTERRUPTED = 130


@click.command("chaos")
@click.option(
    "--minutes",
    type=click.FloatRange(min=0.25),
    default=1.0,
    show_default=True,
    help="Over which calls and faults are spread; until everything is settled takes one more.",
)
@click.option(
    "--commissions",
    type=click.IntRange(min=FEWEST),
    default=500,
    show_default=True,
    help="How many the pretend service issues.",
)
@click.option("--seed", default=1, show_default=True, help="Of the calls and of the faults.")
@click.option(
    "--producers",
    type=click.IntRange(1, 8),
    default=2,
    show_default=True,
    help="Processes of the service.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 64),
    default=12,
    show_default=True,
    help="Request handlers in each.",
)
@click.option(
    "--directory",
    "-d",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where data and logs go, empty or new; a temporary one, removed on success, if left out.",
)
@click.option("--plain", "is_plain", is_flag=True, help="Line by line, without a live view.")
@click.option(
    "--json", "is_json", is_flag=True, help="Print the outcome as JSON; the view to stderr."
)
def main(  # noqa: PLR0917 # click calls it by name
    minutes: float,
    commissions: int,
    seed: int,
    producers: int,
    threads: int,
    directory: Path | None,
    is_plain: bool,
    is_json: bool,
) -> None:
    """Fire commissions into a stack whose parts are killed, paused, cut off and made to err.

    Afterwards Astakos' own figures must add up to the last counter, as in the demonstration, and
    every caller must have got the right outcome. The same seed gives the same calls and the same
    faults at the same seconds; which request meets which fault depends on the machine.
    """
    where = empty_directory(directory, "astakos-chaos-")
    options = Options(where, 60 * minutes, commissions, seed, producers, threads)
    console = Terminal(stderr=is_json)
    is_live = console.is_terminal and not is_plain and "NO_COLOR" not in os.environ
    forget_our_variables()
    logging.basicConfig(filename=where / "service.log", level=logging.INFO)
    configure_logs()
    proven = False
    try:
        with interrupt_once():
            proven = _run(options, console, is_live=is_live, is_json=is_json)
    except KeyboardInterrupt:
        console.print(Text("Interrupted; everything is ended."))
        sys.exit(_INTERRUPTED)
    finally:
        if proven and directory is None:
            shutil.rmtree(where)
        else:
            console.print(Text(f"Data and logs are in {where}"), soft_wrap=True)
            console.print(Text(f"Repeat it: {command_of(options)}"), soft_wrap=True)
    sys.exit(not proven)


def _run(options: Options, console: Terminal, *, is_live: bool, is_json: bool) -> bool:
    state = CombinedState()
    chaos = Chaos(options, state)
    with contextlib.ExitStack() as shown:
        shown.enter_context(
            show_on_screen(state, console) if is_live else show_lines(state, console.file)
        )
        with chaos.running():
            outcome = chaos.run()
            shown.close()
            show(outcome, console)
    if is_json:
        kept = None if outcome.result.proven else str(options.directory)
        print_json(summary(outcome, state.snapshot(), options, kept), indent=2)
    return outcome.result.proven


def command_of(options: Options) -> str:
    """Return the one command that repeats a run: the same calls, and the same faults in time."""
    return (
        f".venv/bin/python -m tests.chaos --minutes {options.seconds / 60:g} "
        f"--commissions {options.commissions} --seed {options.seed} "
        f"--producers {options.producers} --threads {options.threads}"
    )


if __name__ == "__main__":
    tolerate_plain_terminals()
    main()
