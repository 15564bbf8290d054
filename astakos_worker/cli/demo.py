"""`astakos-worker demo`: the main job, from end to end on this machine, with its proof.

Status 0: proven; 1: something differs; 130: interrupted.
"""

import contextlib
import io
import logging
import os
import shutil
import sys
import tempfile
import threading
from pathlib import Path

import click

from astakos_worker.cli.interrupts import INTERRUPTED, interrupt_once
from astakos_worker.cli.terminal import Terminal, cell, print_json
from astakos_worker.configuration.logs import configure_logs
from astakos_worker.demo.lines import show_lines
from astakos_worker.demo.plan import FEWEST
from astakos_worker.demo.report import show, summary
from astakos_worker.demo.run import Demonstration, DemoOptions, ProofResult
from astakos_worker.demo.run_state import RunState
from astakos_worker.demo.screen import show_on_screen

_KILLABLE = ("broker", "commissions-1", "commissions-2", "lookups-1", "sweep-1", "beat")


@click.command("demo")
@click.option(
    "--commissions",
    type=click.IntRange(min=FEWEST),
    default=1200,
    show_default=True,
    help="How many the pretend service issues.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 64),
    default=16,
    show_default=True,
    help="Its request handlers.",
)
@click.option("--seed", default=1, show_default=True, help="Another one gives another run.")
@click.option("--kill/--no-kill", default=True, help="With or without a kill -9 of a worker.")
@click.option("--kill-what", type=click.Choice(_KILLABLE), default="commissions-1", hidden=True)
@click.option("--kill-at", type=click.FloatRange(min=0), hidden=True)
@click.option("--flower/--no-flower", default=True, help="With or without Flower.")
@click.option("--keep", is_flag=True, help="Leave the stack running at the end, until Ctrl-C.")
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
def command(  # noqa: PLR0917 # click calls it by name
    commissions: int,
    threads: int,
    seed: int,
    kill: bool,
    kill_what: str,
    kill_at: float | None,
    flower: bool,
    keep: bool,
    directory: Path | None,
    is_plain: bool,
    is_json: bool,
) -> None:
    """Run the main job from end to end on this machine, and prove its sums.

    A pretend service issues commissions on a stack of its own. A worker is killed, and orphans and
    foreign commissions are made behind the service's back. Then Astakos' own figures must add up.
    """
    tolerate_plain_terminals()
    where = empty_directory(directory, "astakos-demo-")
    options = DemoOptions(
        directory=where,
        commissions=commissions,
        threads=threads,
        seed=seed,
        flower=flower,
        kill=kill_what if kill else None,
        kill_at=kill_at,
    )
    console = Terminal(stderr=is_json)
    is_live = console.is_terminal and not is_plain and "NO_COLOR" not in os.environ
    forget_our_variables()
    proven = False
    try:
        with interrupt_once():
            proven = _demonstrate(options, console, is_live=is_live, keep=keep, is_json=is_json)
    except KeyboardInterrupt:
        console.print(cell("Interrupted; everything is ended."))
        sys.exit(INTERRUPTED)
    finally:
        if proven and directory is None:
            shutil.rmtree(where)
        else:
            console.print(cell(f"Data and logs are in {where}"), soft_wrap=True)
    sys.exit(not proven)


def _demonstrate(
    options: DemoOptions, console: Terminal, *, is_live: bool, keep: bool, is_json: bool
) -> bool:
    _log_to(options.directory / "service.log")
    state = RunState()
    demonstration = Demonstration(options, state)
    with contextlib.ExitStack() as shown:
        shown.enter_context(
            show_on_screen(state, console) if is_live else show_lines(state, console.file)
        )
        with demonstration.running():
            result = demonstration.run()
            shown.close()
            _show(result, state, console, options, is_json=is_json)
            if keep:
                _keep(demonstration, console)
    return result.proven


def _show(
    result: ProofResult, state: RunState, console: Terminal, options: DemoOptions, *, is_json: bool
) -> None:
    show(result, console)
    if is_json:
        kept = None if result.proven else str(options.directory)
        print_json(summary(result, state.snapshot(), kept), indent=2)


def _keep(demonstration: Demonstration, console: Terminal) -> None:
    stack = demonstration.stack
    console.print(f"\nFlower: {stack.flower_url or 'off'}   sandbox: {stack.sandbox_url}")
    for name, value in sorted(stack.env.items()):
        if name.startswith("ASTAKOS_"):
            console.print(f"export {name}={value}", soft_wrap=True)
    with contextlib.suppress(KeyboardInterrupt):
        console.print("The stack is left running; Ctrl-C ends it.")
        threading.Event().wait()


def empty_directory(given: Path | None, prefix: str) -> Path:
    """Return the given directory, or a new temporary one.

    A directory that has files is refused: with an earlier run's commissions the sums are wrong.
    """
    if given is None:
        return Path(tempfile.mkdtemp(prefix=prefix))
    if given.exists() and any(given.iterdir()):
        raise click.ClickException(f"{given} is not empty; give an empty directory or a new one")
    given.mkdir(parents=True, exist_ok=True)
    return given.absolute()


def tolerate_plain_terminals() -> None:
    """Print a question mark for a character that the terminal does not have."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def forget_our_variables() -> None:
    """Remove `ASTAKOS_*` from the environment: another broker's workers would take our work."""
    for name in list(os.environ):
        if name.upper().startswith("ASTAKOS_"):
            del os.environ[name]


def _log_to(path: Path) -> None:
    """Send what this process logs to a file: a line on the screen would spoil the view."""
    logging.basicConfig(
        filename=path, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    configure_logs()
