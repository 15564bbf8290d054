"""`astakos-worker health`: the exit status for a container's or a service manager's check."""

import sys

import click

from astakos_worker.cli.terminal import say
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
    """Say whether workers consume. A ping proves less: only that a process is alive.

    Exit status 0 if all workers in question consume, 1 otherwise. A worker with all threads at work
    is healthy; the answer may take as long as a task. The alarms of the lanes are printed too, and
    do not change the status: to restart a worker ends none of them.
    """
    # Imported here: it reads the environment, which `--help` does not need.
    from astakos_worker.app import app, settings  # noqa: PLC0415

    patience = timeout or settings.longest_task + 5
    findings = examine(app, host=host, queue=queue, workers=workers, patience=patience)
    for finding in findings:
        style = "green" if finding.healthy else "red"
        say(f"{finding.worker} {finding.words}", style)
    if not findings:
        which = f" that serves {queue}" if queue else ""
        where = f"host {host}" if host else "this host"
        say(f"no worker of {where}{which} answers", "red")
    for line in alarms(ledger_of(settings)):
        say(line, "yellow")
    sys.exit(0 if findings and all(finding.healthy for finding in findings) else 1)
