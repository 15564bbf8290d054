"""How the operator's commands show tables and progress, to a person and to a pipe."""

import sys

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

#: Columns where nobody's window decides: a line of a pipe must not be folded.
_WIDE = 400


def printed() -> Console:
    """Return what reports are printed on. NO_COLOR is heeded."""
    return Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False)


def progress() -> Progress:
    """Return a bar on the terminal, gone when it is done; where there is no terminal, nothing."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
