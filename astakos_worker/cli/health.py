"""`astakos-worker health`: the exit status for a container's or a service manager's check."""

import sys

import click
from rich.console import Console
from rich.text import Text

from astakos_worker.service.connect import ledger_of
from astakos_worker.worker.health import alarms, examine


@click.command("health")
@click.option("--queue", help="Only workers that serve this queue.")
@click.option("--host", help="Workers of this host; the one that this runs on if left out.")
@click.option(
    "--worker",
    "workers",
    multiple=True,
    metavar="NAME@HOST",
    help="This worker, wherever it is; may be given several times.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    help="Seconds; a little more than ASTAKOS_LONGEST_TASK if left out.",
)
def command(
    queue: str | None, host: str | None, workers: tuple[str, ...], timeout: float | None
) -> None:
    """Say whether workers consume: a ping proves only that one is alive.

    Exit status 0 if all that were asked for do, 1 otherwise. A worker whose threads are all at
    work is healthy; it may take as long as a task before that shows. The lanes' alarms are told
    as well and change no status: to start a worker again mends none of them.
    """
    # It reads the environment, which `--help` can do without.
    from astakos_worker.app import app, settings  # noqa: PLC0415

    patience = timeout or settings.longest_task + 5
    findings = examine(app, host=host, queue=queue, workers=workers, patience=patience)
    console = Console(soft_wrap=True, highlight=False)
    for finding in findings:
        style = "green" if finding.healthy else "red"
        console.print(Text(f"{finding.worker} {finding.words}", style=style))
    if not findings:
        which = f" that serves {queue}" if queue else ""
        where = f"host {host}" if host else "this host"
        console.print(Text(f"no worker of {where}{which} answers", style="red"))
    for line in alarms(ledger_of(settings)):
        console.print(Text(line, style="yellow"))
    sys.exit(0 if findings and all(finding.healthy for finding in findings) else 1)
