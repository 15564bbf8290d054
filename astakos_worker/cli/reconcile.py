"""`astakos-worker reconcile`: one sweep by hand. It shows what it would do; `--fix` does it."""

import os
import socket
import sys
from collections.abc import Sequence
from contextlib import closing
from functools import partial

import click
from click.core import ParameterSource

from astakos_worker.cli.interrupts import INTERRUPTED, interrupt_once
from astakos_worker.cli.options import ROWS, SERVICES, seconds_of
from astakos_worker.cli.reconcile_report import ShownFindings, row, show_last, show_report
from astakos_worker.cli.service_names import known_services
from astakos_worker.cli.terminal import print_json, progress_bar, report_console, say
from astakos_worker.cli.usage.command import command as usage
from astakos_worker.configuration.logs import configure_logs
from astakos_worker.configuration.servers import connect
from astakos_worker.configuration.settings import Settings
from astakos_worker.engine.sweep.findings import Report, Selection, StopReason
from astakos_worker.engine.sweep.sweep import allow_once, last_report
from astakos_worker.service.broker import sender
from astakos_worker.service.connect import ledger_of
from astakos_worker.service.wakeups import Waker
from astakos_worker.worker.clients import Clients
from astakos_worker.worker.ledger_watch import LedgerWatch
from astakos_worker.worker.limits import limits_of
from astakos_worker.worker.sweep_setup import owner_of, sweeping
from astakosclient.errors import AstakosClientException


@click.group("reconcile", invoke_without_command=True)
@SERVICES
@click.option("--all-services", is_flag=True, help="All services whose tokens are configured.")
@click.option(
    "--fix", is_flag=True, help="Do what should be done; without this option it is only shown."
)
@click.option("--key", "keys", multiple=True, help="Only the commission of this key.")
@click.option(
    "--serial",
    "serials",
    multiple=True,
    type=click.IntRange(min=1),
    help="Only the commission of this serial.",
)
@click.option(
    "--older-than",
    type=seconds_of,
    default="0",
    metavar="TIME",
    help="Only what is older: 90s, 10m, 2h, 1d.",
)
@click.option(
    "--list-is-right",
    is_flag=True,
    help="Go on although Astakos lists far fewer commissions than the ledger holds. First make "
    "sure that the token belongs to this service.",
)
@click.option(
    "--however-many",
    is_flag=True,
    help="Reject more in one sweep than ASTAKOS_BRAKE_SHARE allows.",
)
@click.option(
    "--by-beat",
    is_flag=True,
    help="Sweep nothing here, but let the next sweep of beat go on as the two options above say. "
    "Needs no token.",
)
@click.option("--last", is_flag=True, help="What the last sweep did, and when. Needs no token.")
@ROWS
@click.option(
    "--json", "as_json", is_flag=True, help="A line of JSON for each finding, and for the report."
)
@click.pass_context
def command(
    context: click.Context,
    services: tuple[str, ...],
    *,
    all_services: bool,
    fix: bool,
    keys: tuple[str, ...],
    serials: tuple[int, ...],
    older_than: float,
    list_is_right: bool,
    however_many: bool,
    by_beat: bool,
    last: bool,
    rows: int,
    as_json: bool,
) -> None:
    """Compare Astakos' pending commissions with the ledger, as beat's sweep does every minute.

    Shows for each commission what should be done, and why; --fix does it. Foreign commissions,
    young ones, and those that a worker holds are left alone. After an interruption the next sweep
    goes on where this one stopped.

    Needs the service's token, as a worker does. Exit status 0 if nothing is left to do, 1 if
    something is left or the sweep stopped, 130 if interrupted.
    """
    configure_logs()  # warnings go to standard error; the report has everything
    if context.invoked_subcommand:
        _no_options(context)
        return
    settings = Settings()
    if services and all_services:
        raise click.UsageError("give either --service or --all-services")
    lanes = sorted(settings.services) if all_services else services or (settings.service,)
    given = {"list": list_is_right, "brake": however_many}
    stops: tuple[StopReason, ...] = ("list", "brake")
    allow: frozenset[StopReason] = frozenset(stop for stop in stops if given[stop])
    if last:
        sys.exit(_last(settings, lanes, as_json=as_json))
    if by_beat:
        _let_beat(settings, lanes, allow)
        return
    only = Selection(frozenset(keys), frozenset(serials), older_than)
    status = 0
    try:
        with interrupt_once():
            for lane in lanes:
                report = Report(lane, fix=fix)
                _sweep(settings, report, only=only, allow=allow, rows=rows, as_json=as_json)
                status = max(status, int(bool(report.left or report.stopped)))
    except KeyboardInterrupt:
        status = INTERRUPTED
    sys.exit(status)


command.add_command(usage)


def _sweep(
    settings: Settings,
    report: Report,
    *,
    only: Selection,
    allow: frozenset[StopReason],
    rows: int,
    as_json: bool,
) -> None:
    """Sweep one service and print the findings, also those before a failure."""
    lane, kept, ledger = report.service, ShownFindings(rows), ledger_of(settings)
    if report.fix:
        # The broker's server remembers the workers' ledger: this may be another one (F101).
        with connect(settings.broker_url, patience=settings.patience, connections=1) as broker:
            LedgerWatch(ledger, broker, settings.namespace).exchange()
    waker = Waker(partial(sender, settings), patience=settings.patience)
    with (
        progress_bar() as bar,
        sweeping(
            Clients(settings).of(lane),
            ledger,
            limits_of(settings),
            waker.wake_lane,
            ask=owner_of(settings, lane),
            requests=settings.sweep_requests,
        ) as sweep,
    ):
        task = bar.add_task(lane, total=None)
        findings = sweep.findings(
            report,
            f"{socket.gethostname()}:{os.getpid()}",
            only=only,
            allow=allow,
            progress=lambda looked, listed: bar.update(task, completed=looked, total=listed),
        )
        try:
            with closing(findings):
                for finding in findings:
                    if as_json:
                        print_json(row(lane, finding))
                    else:
                        kept.add(finding)
        except AstakosClientException as error:
            report.stopped = report.stopped or f"Astakos: {error}"
        except KeyboardInterrupt:
            report.stopped = "interrupted; the next sweep goes on"
            raise
        finally:
            bar.stop()
            if as_json:
                told = {**report.to_dict(), "rows": None, "left": report.left}
                print_json({"service": lane, "report": told})
            else:
                console = report_console()
                kept.show(console, fix=report.fix)
                show_report(console, report)


def _last(settings: Settings, lanes: Sequence[str], *, as_json: bool) -> int:
    """Print the last sweeps; return 1 if one stopped, left something to do, or never ran."""
    ledger, status = ledger_of(settings), 0
    for lane in known_services(settings, ledger, lanes):
        report = last_report(ledger, lane)
        status = max(status, int(report is None or bool(report.left or report.stopped)))
        if as_json:
            told = None if report is None else {**report.to_dict(), "left": report.left}
            print_json({"service": lane, "report": told})
        elif report is None:
            text = f"{lane}: no sweep yet. Does beat run, and a worker on astakos.sweep?"
            say(text, "yellow")
        else:
            show_last(report_console(), report, ledger.clock.now())
    return status


def _let_beat(settings: Settings, lanes: Sequence[str], allow: frozenset[StopReason]) -> None:
    if not allow:
        raise click.UsageError("--by-beat needs --list-is-right, --however-many, or both")
    ledger = ledger_of(settings)
    for lane in known_services(settings, ledger, lanes):
        for stop in sorted(allow):
            allow_once(ledger, lane, stop)
        said = " and ".join(sorted(allow))
        say(f"{lane}: the next sweep of beat passes its {said} once")


def _no_options(context: click.Context) -> None:
    """Refuse options before a subcommand: it would not see them."""
    for name in context.params:
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            [option] = {each.opts[0] for each in context.command.params if each.name == name}
            raise click.UsageError(f"put {option} after {context.invoked_subcommand}")
