"""`astakos-worker reconcile usage`: a service's own usage against Astakos' quotas.

Compares all holdings, waits, and reads those that differ a second time. With `--fix` it then
repairs those that differ by the same figures in both looks.
"""

import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import cast

import click
from celery.utils.imports import cwd_in_path, symbol_by_name

from astakos_worker.cli.interrupts import INTERRUPTED, interrupt_once
from astakos_worker.cli.options import ROWS, SERVICES
from astakos_worker.cli.terminal import print_json, progress_bar, report_console
from astakos_worker.cli.usage.repair import Repairer
from astakos_worker.cli.usage.report import Comparison, show_comparison
from astakos_worker.configuration.settings import Settings
from astakos_worker.engine.drift.compare import again, compare, too_many
from astakos_worker.engine.drift.snapshot import Scope, SnapshotReader, UsageFunction
from astakos_worker.service.commissions import Commissions
from astakos_worker.service.connect import connected
from astakos_worker.worker.clients import Clients


class CannotCountError(Exception):
    """Raised when the service's function fails; after that nothing is compared or repaired."""


@click.command("usage", short_help="Compare usage with the quotas; repair.")
@SERVICES
@click.option(
    "--from",
    "path",
    metavar="MODULE.FUNCTION",
    help="The function that counts the usage; if left out, the service's own, or ASTAKOS_USAGE.",
)
@click.option("--user", "users", multiple=True, metavar="UUID", help="Only this user's holdings.")
@click.option("--project", "projects", multiple=True, metavar="UUID", help="Only this project.")
@click.option(
    "--resource",
    "resources",
    multiple=True,
    help="Only this resource. It is compared even if the function names it nowhere.",
)
@click.option(
    "--apart",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    help="Seconds between the two looks that must agree.",
)
@click.option("--fix", is_flag=True, help="Repair the differences; without it they are only shown.")
@click.option("--force", is_flag=True, help="Repair also where the usage is over the limit.")
@click.option(
    "--however-many",
    is_flag=True,
    help="Repair even if so many differ that the service's figures may be wrong.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=60.0,
    show_default=True,
    help="Seconds that workers have to carry out repairs, fifty at a time.",
)
@ROWS
@click.option(
    "--json", "as_json", is_flag=True, help="Print all as JSON, one line for each service."
)
def command(
    services: tuple[str, ...],
    path: str | None,
    users: tuple[str, ...],
    projects: tuple[str, ...],
    resources: tuple[str, ...],
    *,
    apart: float,
    fix: bool,
    force: bool,
    however_many: bool,
    timeout: float,
    rows: int,
    as_json: bool,
) -> None:
    """Compare a service's own usage with Astakos' quotas, and repair what differs.

    A holding with a pending commission is not compared. A holding that differs is looked at twice.
    A repair is a commission. Workers issue it, the command looks at the holding once more, and only
    then accepts the repair.

    Needs the service's token, as a worker does. Exit status: 0 if nothing differs, or all
    differences were repaired; 1 if a difference is left; 130 if interrupted.
    """
    settings = Settings()
    scope = Scope(
        frozenset(users) if users else None,
        frozenset(projects) if projects else None,
        frozenset(resources),
    )
    lanes = services or (settings.service,)
    # Errors of the arguments are reported before any request or repair.
    functions = {
        lane: _counting(path or settings.for_service(lane).usage or settings.usage)
        for lane in lanes
    }
    status = 0
    for lane, function in functions.items():
        comparison = Comparison(lane)
        ledger = connected(settings).ledger
        reader = SnapshotReader(Clients(settings).of(lane), ledger, function, lane)
        try:
            with interrupt_once():
                _compare(comparison, reader, scope, apart)
                if fix and (however_many or not _doubtful(comparison, settings)):
                    repairer = _repairer(settings, reader, force=force, timeout=timeout)
                    _repair(comparison, repairer)
        except KeyboardInterrupt:
            comparison.stopped = "interrupted: repairs that were not accepted yet are rejected"
            status = INTERRUPTED
        if as_json:
            print_json(comparison.to_dict())
        else:
            show_comparison(report_console(), comparison, rows=rows, fix=fix)
        if status == INTERRUPTED:
            break
        status = max(status, int(bool(comparison.left or comparison.stopped)))
    sys.exit(status)


def _repairer(
    settings: Settings, reader: SnapshotReader, *, force: bool, timeout: float
) -> Repairer:
    return Repairer(
        Commissions(reader.lane, settings=settings),
        reader,
        f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}",
        force=force,
        patience=timeout,
        deadline=settings.hold_deadline,
    )


def _counting(path: str) -> UsageFunction:
    """Return the function that counts. It is looked for from the current directory on."""
    if not path:
        raise click.UsageError(
            "which function counts the service's usage? Name it with --from or in ASTAKOS_USAGE"
        )
    try:
        with cwd_in_path():
            function = symbol_by_name(path)
    except (ImportError, AttributeError, ValueError) as error:
        raise click.UsageError(f"{path} cannot be imported: {error}") from error
    if not callable(function):
        raise click.UsageError(f"{path} is no function")

    def counted(projects: frozenset[str] | None) -> Iterator[object]:
        try:
            yield from cast("UsageFunction", function)(projects)
        # Any error of the service's function is reported as an error of that function.
        except Exception as error:
            raise CannotCountError(f"{path} failed: {type(error).__name__}: {error}") from error

    return counted


def _compare(comparison: Comparison, reader: SnapshotReader, scope: Scope, apart: float) -> None:
    """Compare all holdings, wait `apart` seconds, and compare those that differ again."""
    with progress_bar() as bar:
        task = bar.add_task("reading usage and quotas", total=None)
        reader.step = lambda: bar.advance(task)
        snapshot = reader.survey(scope)
        comparison.compared = len(snapshot.holdings())
        findings = compare(snapshot)
        if findings:
            bar.update(task, description=f"{len(findings)} differ; looking again soon")
            time.sleep(apart)
            bar.update(task, description="looking again")
            findings = again(findings, reader.inspect(findings))
        comparison.findings = findings


def _doubtful(comparison: Comparison, settings: Settings) -> bool:
    """Stop the repairs if so many holdings differ that the service's figures may be wrong."""
    found, compared = len(comparison.differing), comparison.compared
    if not too_many(found, compared, floor=settings.brake_floor, share=settings.brake_share):
        return False
    comparison.stopped = (
        f"{found} of {compared} holdings differ: does {comparison.service} count correctly? "
        "Nothing was repaired; --however-many repairs them anyway."
    )
    return True


def _repair(comparison: Comparison, repairer: Repairer) -> None:
    with progress_bar() as bar, closing(repairer.repair(comparison.differing)) as repairs:
        task = bar.add_task("repairing", total=len(comparison.differing))
        for repair in repairs:
            comparison.repairs[repair.finding] = repair
            bar.advance(task)
