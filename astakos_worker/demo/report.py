"""The proof as it is read: a table of every user's usage, the checks, the verdict; or as JSON."""

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from astakos_worker.demo.board import Scene
from astakos_worker.demo.course import Verdict
from astakos_worker.demo.plan import CPU, GIB, RAM, VM
from astakos_worker.demo.proof import Case, Kind, expected

_COLUMNS = ((VM, 1, "VM"), (CPU, 1, "CPU"), (RAM, GIB, "GiB"))
#: Findings that are shown of each kind; all are in the JSON.
_SHOWN = 10


class Row(NamedTuple):
    """One user's usage over all projects."""

    user: str
    accepted: int
    found: dict[str, int]  # confirmed in Astakos, by resource
    added_up: dict[str, int]  # by what was accepted


def rows(verdict: Verdict) -> list[Row]:
    """Return what Astakos says of each user, beside what the accepted commissions add up to."""
    case, users = verdict.case, verdict.places.users
    accepted: Counter[str] = Counter()
    for told in case.told:
        if told.end == "accepted":
            accepted.update({holder for holder, _, _ in told.charges})
    found: Counter[tuple[str, str]] = Counter()
    added_up: Counter[tuple[str, str]] = Counter()
    for sums, usages in ((found, case.books.after), (added_up, expected(case))):
        for (holder, _, resource), usage in usages.items():
            sums[holder, resource] += usage.least
    return [
        Row(
            name,
            accepted[holder],
            {resource: found[holder, resource] for resource, _, _ in _COLUMNS},
            {resource: added_up[holder, resource] for resource, _, _ in _COLUMNS},
        )
        for uuid, name in users.items()
        for holder in [f"user:{uuid}"]
    ]


#: What each kind of finding contradicts, in words that are true if there is none.
_CHECKS: dict[Kind, Callable[[Case], str]] = {
    Kind.TOLD: lambda case: f"the service was told the end of all {len(case.told):,} commissions",
    Kind.USAGE: lambda case: (
        f"all {len(case.books.after):,} holdings are what "
        f"the {_accepted(case):,} accepted ones add up to"
    ),
    Kind.TWICE: lambda case: (
        f"nothing was issued twice: one accepted serial a key, "
        f"in {len(case.books.journal):,} events"
    ),
    Kind.PENDING: lambda _: "nothing of ours is pending",
    Kind.ORPHAN: lambda case: f"all {len(case.orphans)} orphans and twins are rejected",
    Kind.FOREIGN: lambda case: f"the {len(case.foreign)} foreign commissions are as they were",
}


def _accepted(case: Case) -> int:
    return sum(told.end == "accepted" for told in case.told)


def show(verdict: Verdict, console: Console) -> None:
    """Print the proof."""
    console.print(Text("What Astakos says each user has; ✓: as much as was accepted", "bold"))
    console.print(_table(rows(verdict)))
    console.print()
    for kind, check in _CHECKS.items():
        wrong = [finding.text for finding in verdict.findings if finding.kind is kind]
        mark = Text("✗ ", "bold red") if wrong else Text("✓ ", "bold green")
        console.print(mark + Text(("not so: " if wrong else "") + check(verdict.case)))
        for text in wrong[:_SHOWN]:
            console.print(Text(f"    {text}", "red"))
        if len(wrong) > _SHOWN:
            console.print(Text(f"    and {len(wrong) - _SHOWN} more", "red"))
    killed = f", kill -9 of {' and '.join(verdict.killed)} included" if verdict.killed else ""
    if verdict.proven:
        console.print(Text(f"Proven in {verdict.seconds:.0f} s{killed}.", "bold green"))
    else:
        number = len(verdict.findings)
        console.print(Text(f"Not proven: {number} things differ{killed}.", "bold red"))


def _table(listed: list[Row]) -> Table:
    """Two users a line: all of them fit on one screen."""
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


def _cells(row: Row) -> list[Text]:
    cells = [Text(row.user), Text(str(row.accepted))]
    for resource, unit, _ in _COLUMNS:
        found, must = row.found[resource] // unit, row.added_up[resource] // unit
        same = row.found[resource] == row.added_up[resource]
        cells.append(Text(f"{found}") if same else Text(f"{found}≠{must}", "bold red"))
    good = row.found == row.added_up
    return [*cells, Text("✓", "green") if good else Text("✗", "bold red")]


def summary(verdict: Verdict, scene: Scene, directory: str | None) -> dict[str, Any]:
    """Return the outcome for programs."""
    return {
        "proven": verdict.proven,
        "seconds": round(verdict.seconds, 1),
        "calls": scene.enqueued,
        "commissions": len(verdict.case.told),
        "ends": dict(scene.ends),
        "foreign": len(verdict.case.foreign),
        "orphans": len(verdict.case.orphans),
        "killed": verdict.killed,
        "calls_made_again": scene.retried,
        "users": {
            row.user: {"accepted": row.accepted, "usage": row.found, "added_up": row.added_up}
            for row in rows(verdict)
        },
        "findings": [{"kind": kind.value, "text": text} for kind, text in verdict.findings],
        "directory": directory,
    }
