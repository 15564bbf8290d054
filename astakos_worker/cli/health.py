"""`astakos-worker health`: the exit status for a container's or a service manager's check."""

import socket
import sys
from typing import Final

import click
from celery import Celery

from astakos_worker.cli.findings import lines
from astakos_worker.cli.terminal import say
from astakos_worker.worker.health.consuming import Which, WorkerHealth, examine
from astakos_worker.worker.health.judgement import judge
from astakos_worker.worker.health.observed import Away, Observed
from astakos_worker.worker.health.reading import Reader

_COLOURS: Final = {True: "green", False: "red", None: "yellow"}


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

    Exit status 0 if all workers in question consume, or if it cannot be known; 1 if one does not:
    a restart of that worker is what cures it. A worker with all threads at work is healthy; the
    answer may take as long as a task. Everything else that is wrong is printed too, as by
    `astakos-worker status`, and does not change the exit status: no restart of a worker ends it.
    """
    # Imported here: it reads the environment, which `--help` does not need.
    from astakos_worker.app import app, settings  # noqa: PLC0415

    which = Which(host or socket.gethostname(), queue, workers)
    seen = Reader(settings).read()
    if isinstance(seen.broker, Away):
        told, healthy = _unasked(seen, which)
    else:
        told, healthy = _asked(app, which, timeout or settings.longest_task + 5)
    for one in told:
        say(f"{one.worker} {one.words}", _COLOURS[one.healthy])
    for line in lines(judge(seen)):
        say(line.plain, "yellow")
    sys.exit(0 if healthy else 1)


def _asked(app: Celery, which: Which, patience: float) -> tuple[list[WorkerHealth], bool]:
    told = examine(app, which, patience=patience)
    if told:
        return told, all(one.healthy is not False for one in told)
    serves = f" that serves {which.queue}" if which.queue else ""
    return [WorkerHealth(f"no worker of host {which.host}{serves}", False, "answers")], False


def _unasked(seen: Observed, which: Which) -> tuple[list[WorkerHealth], bool]:
    """Say what the heartbeats tell while no worker can be asked, as the broker is away."""
    told = []
    for one in seen.workers or ():
        if which.takes(one.node, set(one.queues)):
            silent = one.age > seen.bounds.silent
            words = f"has not beaten for {one.age:.0f} s" if silent else "is alive"
            told.append(WorkerHealth(one.node, False if silent else None, words))
    told = told or [WorkerHealth("whether workers consume", None, "is not known")]
    return told, all(one.healthy is not False for one in told)
