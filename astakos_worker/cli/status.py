"""`astakos-worker status`: the lanes, their work and their alarms."""

import sys
from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from astakos_worker.cli.options import JSON
from astakos_worker.cli.service_names import known_services
from astakos_worker.cli.terminal import cell, duration, print_json, report_console
from astakos_worker.configuration import names
from astakos_worker.configuration.settings import Settings
from astakos_worker.engine.sweep.findings import Report
from astakos_worker.engine.sweep.sweep import last_report
from astakos_worker.ledger.contract import Lane, Ledger, Served
from astakos_worker.service.connect import ledger_of
from astakos_worker.service.served import unserved

#: Alarms that no later answer ends: a person does.
_FOR_A_PERSON = ("conflict", "vanished", "clock")


@click.command("status")
@click.option("--service", "services", multiple=True, help="Only this one; all if left out.")
@click.option(
    "--acknowledge",
    "seen",
    multiple=True,
    type=click.Choice(_FOR_A_PERSON),
    help="End an alarm that a person has dealt with. The others end when their cause ends.",
)
@JSON
def command(services: tuple[str, ...], seen: tuple[str, ...], as_json: bool) -> None:
    """Show each lane: its work, its carriers, its last sweep, its alarms.

    Exit status 1 while there is an alarm or a dead letter (see `astakos-worker dead`).
    `astakos-worker reconcile --last` says more about the last sweep.
    """
    settings = Settings()
    ledger = ledger_of(settings)
    wanted = known_services(settings, ledger, services) or ledger.lanes()
    if seen:
        _acknowledge(ledger, [ledger.lane(name) for name in wanted], seen)
    served = ledger.served()
    lanes = [_watched(ledger.lane(name), served, settings.namespace) for name in wanted]
    sweeps = {lane.name: last_report(ledger, lane.name) for lane in lanes}
    if as_json:
        print_json([_as_json(lane, sweeps[lane.name]) for lane in lanes])
    else:
        now = ledger.clock.now()
        console = report_console()
        table = Table(
            *("service", "due", "oldest", "open", "held", "dead", "awake", "last sweep", "rests"),
            box=None,
        )
        for lane in lanes:
            rests = f"{lane.resting:.1f} s: {lane.reason}" if lane.resting else "-"
            table.add_row(
                lane.name,
                str(lane.due),
                f"{lane.oldest_due:.1f} s" if lane.due else "-",
                str(lane.open),
                str(lane.held),
                cell(lane.dead, "bold red" if lane.dead else ""),
                str(lane.awake),
                _swept(sweeps[lane.name], now),
                cell(rests, "yellow" if lane.resting else ""),
            )
        console.print(table)
        for lane in lanes:
            for name, text in sorted(lane.alarms.items()):
                console.print(cell(f"ALARM {lane.name} {name}: {text}", "bold red"))
    sys.exit(1 if any(lane.alarms or lane.dead for lane in lanes) else 0)


def _watched(lane: Lane, served: Collection[Served], namespace: str) -> Lane:
    """Return a lane with an alarm for each queue that no worker reads.

    A lane without open work that no worker serves is an old one, and no alarm.
    """
    ours = any((one.namespace, one.service) == (namespace, lane.name) for one in served)
    if not (lane.open or ours):
        return lane
    alarms = dict(lane.alarms)
    for queue in names.QUEUES:
        why = unserved(served, namespace, lane.name, queue)
        if why and why not in alarms.values():  # without any worker it is the same for all queues
            alarms[f"unread {queue}"] = why
    return replace(lane, alarms=alarms)


def _acknowledge(ledger: Ledger, lanes: Sequence[Lane], seen: Sequence[str]) -> None:
    raised = {name for lane in lanes for name in lane.alarms}
    if missing := sorted(set(seen) - raised):
        raise click.UsageError(f"there is no alarm {', '.join(missing)}")
    for lane in lanes:
        for name in seen:
            ledger.alarm(lane.name, name, None)


def _swept(report: Report | None, now: float) -> Text:
    if report is None:
        return cell("never")
    text = f"{duration(now - report.started)} ago"
    if report.stopped:
        return cell(f"{text}, stopped", "red")
    return cell(f"{text}, {report.left} left" if report.left else text)


def _as_json(lane: Lane, report: Report | None) -> dict[str, Any]:
    sweep = None if report is None else {**report.to_dict(), "rows": None, "left": report.left}
    return {**asdict(lane), "alarms": dict(lane.alarms), "sweep": sweep}
