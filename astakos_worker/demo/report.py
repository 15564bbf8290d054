"""Prints the proof: a table of all users' usage, the checks, the result; or returns it as JSON."""

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from rich.table import Table
from rich.text import Text

from astakos_worker.cli.terminal import Terminal, visible
from astakos_worker.demo.plan import CPU, GIB, RAM, VM
from astakos_worker.demo.proof import Check, Evidence, expected
from astakos_worker.demo.run import ProofResult
from astakos_worker.demo.run_state import Snapshot

_COLUMNS = ((VM, 1, "VM"), (CPU, 1, "CPU"), (RAM, GIB, "GiB"))
#: How many discrepancies of each kind are printed; the JSON has all of them.
_SHOWN = 10


class ReportRow(NamedTuple):
    """One user's usage over all projects."""

    user: str
    accepted: int
    found: dict[str, int]  # confirmed in Astakos, by resource
    added_up: dict[str, int]  # the sum of what was accepted, by resource


def rows(result: ProofResult) -> list[ReportRow]:
    """Return each user's usage in Astakos, beside the sum of the accepted commissions."""
    evidence, users = result.evidence, result.accounts.users
    accepted: Counter[str] = Counter()
    for view in evidence.views:
        if view.end == "accepted":
            accepted.update({holder for holder, _, _ in view.charges})
    found: Counter[tuple[str, str]] = Counter()
    added_up: Counter[tuple[str, str]] = Counter()
    for sums, usages in ((found, evidence.astakos.after), (added_up, expected(evidence))):
        for (holder, _, resource), usage in usages.items():
            sums[holder, resource] += usage.least
    return [
        ReportRow(
            name,
            accepted[holder],
            {resource: found[holder, resource] for resource, _, _ in _COLUMNS},
            {resource: added_up[holder, resource] for resource, _, _ in _COLUMNS},
        )
        for uuid, name in users.items()
        for holder in [f"user:{uuid}"]
    ]


#: For each kind of discrepancy the statement that is true if there is none.
_CHECKS: dict[Check, Callable[[Evidence], str]] = {
    Check.TOLD: lambda evidence: (
        f"the service was told the end of all {len(evidence.views):,} commissions"
    ),
    Check.USAGE: lambda evidence: (
        f"all {len(evidence.astakos.after):,} holdings are the sum of "
        f"the {_accepted(evidence):,} accepted commissions"
    ),
    Check.TWICE: lambda evidence: (
        f"nothing was issued twice: one accepted serial for each key, "
        f"in {len(evidence.astakos.journal):,} events"
    ),
    Check.PENDING: lambda _: "nothing of ours is pending",
    Check.ORPHAN: lambda evidence: f"all {len(evidence.orphans)} orphans and twins are rejected",
    Check.FOREIGN: lambda evidence: (
        f"the {len(evidence.foreign)} foreign commissions are as they were"
    ),
}


def _accepted(evidence: Evidence) -> int:
    return sum(view.end == "accepted" for view in evidence.views)


def show(result: ProofResult, console: Terminal) -> None:
    """Print the proof."""
    console.print(Text("Each user's usage in Astakos; ✓: the sum of what was accepted", "bold"))
    console.print(_table(rows(result)))
    console.print()
    for kind, check in _CHECKS.items():
        wrong = [
            discrepancy.text for discrepancy in result.discrepancies if discrepancy.kind is kind
        ]
        mark = Text("✗ ", "bold red") if wrong else Text("✓ ", "bold green")
        console.print(mark + Text(("not so: " if wrong else "") + check(result.evidence)))
        for text in wrong[:_SHOWN]:
            console.print(Text(f"    {visible(text)}", "red"))
        if len(wrong) > _SHOWN:
            console.print(Text(f"    and {len(wrong) - _SHOWN} more", "red"))
    killed = f", kill -9 of {' and '.join(result.killed)} included" if result.killed else ""
    if result.proven:
        console.print(Text(f"Proven in {result.seconds:.0f} s{killed}.", "bold green"))
    else:
        number = len(result.discrepancies)
        console.print(Text(f"Not proven: {number} things differ{killed}.", "bold red"))


def _table(listed: list[ReportRow]) -> Table:
    """Return the table, with two users in a line, so that all fit on one screen."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    half = -(-len(listed) // 2)
    for _ in range(2):
        table.add_column("Usage of", style="bold")
        table.add_column("acc.", justify="right", style="dim")
        for _, _, label in _COLUMNS:
            table.add_column(label, justify="right")
        table.add_column("")
    for number in range(half):
        cells: list[Text] = []
        for row in listed[number::half][:2]:
            cells += _cells(row)
        table.add_row(*cells)
    return table


def _cells(row: ReportRow) -> list[Text]:
    cells = [Text(row.user), Text(str(row.accepted))]
    for resource, unit, _ in _COLUMNS:
        found, must = row.found[resource] // unit, row.added_up[resource] // unit
        same = row.found[resource] == row.added_up[resource]
        cells.append(Text(f"{found}") if same else Text(f"{found}≠{must}", "bold red"))
    good = row.found == row.added_up
    return [*cells, Text("✓", "green") if good else Text("✗", "bold red")]


def summary(result: ProofResult, snapshot: Snapshot, directory: str | None) -> dict[str, Any]:
    """Return the result as a value for JSON."""
    return {
        "proven": result.proven,
        "seconds": round(result.seconds, 1),
        "calls": snapshot.enqueued,
        "commissions": len(result.evidence.views),
        "ends": dict(snapshot.ends),
        "foreign": len(result.evidence.foreign),
        "orphans": len(result.evidence.orphans),
        "killed": result.killed,
        "calls_made_again": snapshot.retried,
        "users": {
            row.user: {"accepted": row.accepted, "usage": row.found, "added_up": row.added_up}
            for row in rows(result)
        },
        "findings": [{"kind": kind.value, "text": text} for kind, text in result.discrepancies],
        "directory": directory,
    }
