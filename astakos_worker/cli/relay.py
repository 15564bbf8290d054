"""`astakos-worker relay`: sends the rows of a service's outbox to the ledger."""

import logging
import sys
from dataclasses import asdict

import click

from astakos_worker.cli.terminal import duration, print_json, say
from astakos_worker.configuration.settings import Settings
from astakos_worker.service.outbox.of_drivers import outbox_of_url
from astakos_worker.service.outbox.relay import Progress, Relay, stopped_by_signals

DATABASE = click.option(
    "--database",
    envvar="ASTAKOS_OUTBOX_DATABASE",
    show_envvar=True,
    required=True,
    help="postgresql://user@host/name, or sqlite:///path. Put a URL with a password into the "
    "variable: others can read a command line.",
)


@click.command()
@DATABASE
@click.option("--service", "services", multiple=True, help="Only of this named service.")
@click.option("--once", is_flag=True, help="Send what can be sent now, and end.")
@click.option("--json", "as_json", is_flag=True, help="Progress as one JSON object a line.")
def command(database: str, services: tuple[str, ...], *, once: bool, as_json: bool) -> None:
    """Send the rows of a service's outbox to the ledger, until Ctrl-C.

    Many may run. With --once, exit status 1 if rows are left, or if rows can never be sent.
    """
    # What is printed on stdout is read by programs.
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(message)s", level=logging.INFO)
    report = _as_json if as_json else _Lines().show
    relay = Relay(outbox_of_url(database), Settings(), services=services, report=report)
    with stopped_by_signals() as stop:
        if once:
            relay.run_once(stop)
        else:
            relay.run(stop)
    one = relay.progress
    sys.exit(1 if once and (one.waiting or one.failed or one.away) else 0)


def _as_json(progress: Progress) -> None:
    print_json(asdict(progress))


class _Lines:
    """Prints the progress as a line, if the line differs from the last one."""

    def __init__(self) -> None:
        self._last = ""

    def show(self, progress: Progress) -> None:
        said = f"{progress.sent} sent, {progress.waiting} waiting"
        if progress.waiting:
            said += f" (the oldest for {duration(progress.oldest)})"
        if progress.failed:
            said += f", {progress.failed} can never be sent: astakos-worker outbox list"
        if progress.away:
            said += f"; {progress.away}"
        if said != self._last:
            say(said)
        self._last = said
