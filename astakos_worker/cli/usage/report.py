"""The result of a comparison of usage, as `reconcile usage` prints it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from rich.table import Column, Table

from astakos_worker.cli.terminal import Terminal, cell
from astakos_worker.cli.usage.repair import Repair
from astakos_worker.engine.drift.compare import Agreement, DriftFinding


@dataclass(slots=True)
class Comparison:
    """The findings of a run, and its repairs."""

    service: str
    compared: int = 0
    findings: list[DriftFinding] = field(default_factory=list)
    repairs: dict[DriftFinding, Repair] = field(default_factory=dict)
    stopped: str = ""

    @property
    def counts(self) -> Counter[str]:
        """How many findings of each kind, and how many were repaired."""
        counts: Counter[str] = Counter(finding.agreement for finding in self.findings)
        counts["repaired"] = sum(repair.done for repair in self.repairs.values())
        return counts

    @property
    def left(self) -> int:
        """How many holdings still differ or could not be compared."""
        counts = self.counts
        return counts[Agreement.DIFFERS] + counts[Agreement.UNKNOWN] - counts["repaired"]

    @property
    def differing(self) -> list[DriftFinding]:
        """The holdings that differ by the same figures in both looks."""
        return [each for each in self.findings if each.agreement is Agreement.DIFFERS]

    def to_dict(self) -> dict[str, Any]:
        """Return the whole comparison as a value for JSON."""
        return {
            "service": self.service,
            "compared": self.compared,
            **self.counts,
            "left": self.left,
            "stopped": self.stopped,
            "rows": list(self.rows()),
        }

    def rows(self) -> Iterable[dict[str, Any]]:
        """Return a row for each finding, for a person and for a script."""
        for finding in self.findings:
            repair = self.repairs.get(finding)
            yield {
                **finding.holding._asdict(),
                "agreement": str(finding.agreement),
                "own": finding.own,
                "usage": finding.usage,
                "missing": finding.missing,
                "limit": finding.limit,
                "why": repair.why if repair and repair.why else finding.why,
                "repaired": bool(repair and repair.done),
                "key": repair.key if repair else "",
            }


def show_comparison(console: Terminal, comparison: Comparison, *, rows: int, fix: bool) -> None:
    """Print the differences, in at most `rows` rows (0: all), and the repairs."""
    # On a narrow terminal a uuid is folded, and never cut.
    whose = [Column(name, overflow="fold") for name in ("project", "user", "resource")]
    why = Column("why", overflow="fold")
    table = Table(*whose, "own", "Astakos", "differs", why, box=None)
    listed = list(comparison.rows())
    for row in listed[: rows or None]:
        user = row["user"] or "(all members)"
        table.add_row(
            cell(row["project"]),
            cell("(the same)" if user == row["project"] else user),
            cell(row["resource"]),
            str(row["own"]),
            str(row["usage"]),
            f"{row['missing']:+d}",
            cell(f"repaired by {row['key']}" if row["repaired"] else row["why"]),
        )
    if listed:
        console.print(table)
    if rows and len(listed) > rows:
        console.print(f"... and {len(listed) - rows} more: --rows 0 or --json shows all")
    words = {str(Agreement.DIFFERS): "differ"}
    counts = ", ".join(
        f"{n} {words.get(name, name)}" for name, n in sorted(comparison.counts.items()) if n
    )
    done = "" if fix or not comparison.differing else " (nothing was changed; --fix repairs)"
    service, compared = comparison.service, comparison.compared
    console.print(f"{service}: {compared} holdings compared: {counts or 'all agree'}{done}")
    if not comparison.compared:
        console.print(
            "The function counted nothing: name the resources to compare with --resource."
        )
    if comparison.stopped:
        console.print(cell(f"Stopped: {comparison.stopped}", "bold red"))
