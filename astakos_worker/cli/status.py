"""`astakos-worker status`: how the lanes stand, and what alarms an operator."""

import json
import sys
from dataclasses import asdict

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from astakos_worker.connect import ledger_of
from astakos_worker.settings import Settings


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def command(as_json: bool) -> None:
    """Show each lane: what is due, open, held by Astakos, who is awake, and its alarms.

    Exit status 1 while there is an alarm, or a dead letter: see `astakos-worker dead`.
    """
    ledger = ledger_of(Settings())
    lanes = [ledger.lane(name) for name in ledger.lanes()]
    if as_json:
        print(json.dumps([{**asdict(lane), "alarms": dict(lane.alarms)} for lane in lanes]))  # noqa: T201
    else:
        console = Console()
        table = Table(
            "service", "due", "oldest", "open", "held", "dead", "awake", "rests", box=None
        )
        for lane in lanes:
            rests = f"{lane.resting:.1f} s: {lane.reason}" if lane.resting else "-"
            table.add_row(
                lane.name,
                str(lane.due),
                f"{lane.oldest_due:.1f} s" if lane.due else "-",
                str(lane.open),
                str(lane.held),
                Text(str(lane.dead), style="bold red" if lane.dead else ""),
                str(lane.awake),
                Text(rests, style="yellow" if lane.resting else ""),
            )
        console.print(table)
        for lane in lanes:
            for name, text in sorted(lane.alarms.items()):
                console.print(Text(f"ALARM {lane.name} {name}: {text}", style="bold red"))
    sys.exit(1 if any(lane.alarms or lane.dead for lane in lanes) else 0)
