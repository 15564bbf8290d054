"""Prints the figures of a run and the demonstration's proof, or returns them as JSON."""

from typing import Any

from rich.table import Table
from rich.text import Text

from astakos_worker.cli.terminal import Terminal
from astakos_worker.demo import report
from astakos_worker.demo.run_state import Snapshot
from tests.chaos.run import Options, Outcome

#: Figures a line.
_COLUMNS = 3


def show(outcome: Outcome, console: Terminal) -> None:
    """Print figures and proof."""
    figures = outcome.figures
    for title, counts in (
        ("What was done to it", figures.faults),
        ("Started again", figures.restarts),
        ("What came of it", figures.counts),
        ("Most requests at once in Astakos", figures.peaks),
    ):
        console.print(Text(title, "bold"))
        console.print(_table(counts))
        console.print()
    report.show(outcome.result, console)
    console.print(f"Quiet {figures.quiescence:.1f} s after the last fault.")


def _table(counts: dict[str, int]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False, pad_edge=False)
    cells = [cell for name, count in sorted(counts.items()) for cell in (f"{count:,}", name)]
    for _ in range(_COLUMNS):
        table.add_column(justify="right")
        table.add_column()
    for at in range(0, len(cells), 2 * _COLUMNS):
        table.add_row(*cells[at : at + 2 * _COLUMNS])
    return table


def summary(
    outcome: Outcome, snapshot: Snapshot, options: Options, directory: str | None
) -> dict[str, Any]:
    """Return the outcome for programs."""
    proven = report.summary(outcome.result, snapshot, directory)
    return {"seed": options.seed, **proven, **outcome.figures.to_dict()}
