"""How the operator's commands show times, tables and progress, to a person and to a pipe."""

import sys
from datetime import UTC, datetime

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

#: Columns where nobody's window decides: a line of a pipe must not be folded.
_WIDE = 400

_UNITS = (("d", 86400), ("h", 3600), ("min", 60))


def report_console() -> Console:
    """Return what reports are printed on. NO_COLOR is heeded."""
    return Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False)


def progress_bar() -> Progress:
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


def duration(seconds: float) -> str:
    """Return a time as a person says it, in its largest unit and the next: `3 h 12 min`."""
    rest = round(seconds)
    for index, (unit, size) in enumerate(_UNITS):
        if rest >= size:
            smaller, each = _UNITS[index + 1] if index + 1 < len(_UNITS) else ("s", 1)
            more = rest % size // each
            return f"{rest // size} {unit}" + (f" {more} {smaller}" if more else "")
    return f"{seconds:.1f} s" if seconds < 10 else f"{rest} s"


def timestamp(at: float) -> str:
    """Return a moment, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
