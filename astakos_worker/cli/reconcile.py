"""`astakos-worker reconcile`: one sweep by hand; shows what it would do, `--fix` does it."""

import json
import os
import socket
import sys

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from astakos_worker.cli.reconcile_usage import command as usage
from astakos_worker.clients import Clients
from astakos_worker.connect import connected
from astakos_worker.engine.findings import Report
from astakos_worker.engine.sweep import Sweep
from astakos_worker.runtime import limits_of
from astakos_worker.settings import Settings

#: What a sweep only looks at; anything else is something left to do.
_AT_REST = {"foreign", "wait", "leave"}


@click.group("reconcile", invoke_without_command=True)
@click.option("--service", help="The named service; ASTAKOS_SERVICE if left out.")
@click.option("--fix", is_flag=True, help="Do it; without this it is only shown.")
@click.option("--json", "as_json", is_flag=True, help="The report as JSON.")
@click.pass_context
def command(context: click.Context, service: str | None, fix: bool, as_json: bool) -> None:
    """Bring Astakos' pending commissions and the ledger together, as beat does all the time.

    Needs the service's token, as a worker does. Exit status 1 if anything was left to do, or
    if the sweep stopped since Astakos' list cannot be right.
    """
    if context.invoked_subcommand:
        return
    settings = Settings()
    lane = service or settings.service
    parts = connected(settings)
    sweep = Sweep(
        Clients(settings).of(lane),
        parts.ledger,
        parts.ledger.clock,
        limits_of(settings),
        parts.waker.ring,
    )
    report = sweep.sweep(lane, f"{socket.gethostname()}:{os.getpid()}", fix=fix)
    if as_json:
        print(json.dumps(report.to_dict()))  # noqa: T201
    else:
        _print(report, fix=fix)
    left = not fix and any(report.counts.keys() - _AT_REST)
    sys.exit(1 if left or report.stopped else 0)


command.add_command(usage)


def _print(report: Report, *, fix: bool) -> None:
    console = Console()
    if report.rows:
        table = Table("action", "serial", "key", "why", box=None)
        for row in report.rows:
            table.add_row(row["action"], str(row["serial"]), Text(row["key"] or "-"), row["why"])
        console.print(table)
    counts = ", ".join(f"{n} {name}" for name, n in sorted(report.counts.items()))
    done = "done" if fix else "nothing was changed; --fix does it"
    console.print(f"{report.listed} pending in Astakos; {counts or 'nothing to do'} ({done})")
    if report.stopped:
        console.print(Text(f"Stopped: {report.stopped}", style="bold red"))
