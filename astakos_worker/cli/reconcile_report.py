"""The result of a sweep, as `reconcile` prints it: some rows, all counts, and how it ended.

There may be a hundred thousand findings. Only the rows that are printed are kept in memory, and
those that need an action come first.
"""

from collections import Counter
from typing import Any

from rich.table import Column, Table

from astakos_worker.cli.terminal import Terminal, cell, duration, timestamp
from astakos_worker.engine.sweep.findings import Report, SweepFinding
from astakos_worker.ledger.record import shown

_STYLES = {"conflict": "bold red", "vanished": "red", "reject": "yellow", "expired": "yellow"}


class ShownFindings:
    """The findings that are printed: at most `rows` (0: all), those to be done before the rest."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._all = 0
        self._to_do: list[SweepFinding] = []
        self._at_rest: list[SweepFinding] = []

    def add(self, finding: SweepFinding) -> None:
        """Keep a finding if it will be printed."""
        self._all += 1
        kept = self._at_rest if finding.at_rest else self._to_do
        if not self._rows or len(kept) < self._rows:
            kept.append(finding)

    def show(self, console: Terminal, *, fix: bool) -> None:
        """Print the findings as a table, and the number of those that are not printed."""
        found = [*self._to_do, *self._at_rest][: self._rows or None]
        if found:
            key = Column("key", overflow="fold")  # a key that is cut short finds no commission
            table = Table("action", "serial", key, "age", "why", box=None)
            for finding in found:
                undone = fix and not (finding.done or finding.at_rest)
                table.add_row(
                    cell(finding.action, _STYLES.get(finding.action, "")),
                    "-" if finding.serial is None else str(finding.serial),
                    cell("-" if finding.key is None else shown(finding.key)),
                    duration(finding.age),
                    cell(f"{finding.why} (not done)" if undone else finding.why),
                )
            console.print(table)
        if self._all > len(found):
            console.print(f"... and {self._all - len(found)} more: --rows 0 or --json shows all")


def row(service: str, finding: SweepFinding) -> dict[str, Any]:
    """Return a finding as a line of JSON."""
    return {
        "service": service,
        "action": finding.action,
        "serial": finding.serial,
        "key": None if finding.key is None else shown(finding.key),
        "age": round(finding.age, 1),
        "why": finding.why,
        "done": finding.done,
    }


def show_report(console: Terminal, report: Report) -> None:
    """Print the counts of a sweep, what is left to do, and why it stopped."""
    counts = _said(report.counts) or "nothing to do"
    note = ""
    if report.left and not report.fix:
        note = " (nothing was changed; --fix does it)"
    elif report.done and not report.left:
        note = " (done)"
    console.print(
        f"{report.service}: {report.listed} pending in Astakos, {report.looked} looked at; "
        f"{counts}{note}"
    )
    if report.fix and report.left:
        console.print(cell(f"Left to do: {_said(report.undone)}", "yellow"))
    for name, text in sorted(report.alarms.items()):
        console.print(cell(f"ALARM {name}: {text}", "bold red"))
    if report.stopped:
        console.print(cell(f"Stopped: {report.stopped}", "bold red"))


def show_last(console: Terminal, report: Report, now: float) -> None:
    """Print the time of the last sweep, and its result."""
    began = f"began {timestamp(report.started)}, {duration(now - report.started)} ago"
    ended = "is under way, or died" if report.ended is None else f"took {report.seconds:.1f} s"
    console.print(f"{report.service}: the last sweep {began}, and {ended}")
    show_report(console, report)


def _said(counts: Counter[str]) -> str:
    return ", ".join(f"{n} {name}" for name, n in sorted(counts.items()) if n)
