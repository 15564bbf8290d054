r"""All output of the operator's commands: what is printed can be read, and never acts.

A name, a reason or a proxy's page may hold escape sequences, which would move the cursor, change
the window's title or hide a line. `Terminal` prints each such character as its escape, as Python
writes it: `\x1b[2J`, `\u202e`. So do `visible` and `print_json`. Commands print in no other way.
"""

import io
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NoReturn

import click
from rich.console import Console, ConsoleOptions, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.segment import Segment
from rich.text import Text

#: Columns of a line that goes to a pipe: wide enough that no line is folded.
_WIDE = 400
#: Columns between the start of a line and its continuation.
_INDENT = "  "

_UNITS = (("d", 86400), ("h", 3600), ("min", 60))


def visible(text: object) -> str:
    r"""Return a text in which each character is printable; the others are shown as escapes.

    Line breaks are escaped as well, so that a value cannot begin a line of its own:
    `visible("a\nb\x1b[2J")` is `a\nb\x1b[2J`, in one line.
    """
    return _escaped(str(text))


def cell(value: object, style: str = "") -> Text:
    """Return a value from outside as a cell or a line of its own: visible, without markup."""
    return Text(visible(value), style=style)


def paragraph(text: str) -> str:
    """Return a text of several lines: visible, each later line indented by two columns."""
    first, *more = text.splitlines() or [""]
    return "\n".join([visible(first), *(f"{_INDENT}{visible(line)}" for line in more)])


class Terminal(Console):
    """A console that shows control characters instead of sending them to the terminal.

    `NO_COLOR` is respected. A text means what it says: there is no markup and no highlighting.
    """

    def __init__(self, *, stderr: bool = False, **options: Any) -> None:
        defaults = {"highlight": False, "markup": False, "emoji": False}
        super().__init__(stderr=stderr, **{**defaults, **options})

    def on_broken_pipe(self) -> None:
        """End without an error: the reader, such as `head`, wants no more."""
        leave_closed_pipe()

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Render to segments, as `Console.render`, and make their text visible.

        Segments that only control the cursor are the console's own and stay as they are. A line
        break in a segment is the layout's.
        """
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else _escaped(text, keep="\n"), style, control)


def leave_closed_pipe() -> NoReturn:
    """End the process: nobody reads its output any more, which is no error."""
    # Python flushes standard output when it ends, and would complain of the closed pipe.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(0)


def report_console() -> Terminal:
    """Return the console for reports, on standard output."""
    return Terminal(width=None if sys.stdout.isatty() else _WIDE)


def say(text: object, style: str = "") -> None:
    """Print one line on standard output; long lines are not folded."""
    Terminal(soft_wrap=True).print(cell(text, style))


def complain(error: object) -> None:
    """Print one red line on standard error."""
    Terminal(stderr=True, soft_wrap=True).print(cell(error, "red"))


def hint(text: object) -> None:
    """Print one line on standard error, for a person or a script that goes on from there."""
    Terminal(stderr=True, soft_wrap=True).print(cell(text))


def print_json(value: object, *, indent: int | None = None) -> None:
    """Print a value as JSON in ASCII: no character of it can act on a terminal."""
    # JSON escapes every control character but DEL.
    click.echo(json.dumps(value, indent=indent).replace("\x7f", "\\u007f"))


def confirm(question: str) -> None:
    """Ask on standard error. Raises `click.Abort` unless the answer is yes."""
    click.confirm(visible(question), abort=True, err=True)


@contextmanager
def visible_usage_errors() -> Iterator[None]:
    """Make the messages of click's errors visible: they repeat what was typed, or a server said."""
    try:
        yield
    except click.ClickException as error:
        error.message = paragraph(error.message)  # type: ignore[misc]  # click's promise
        raise


def progress_bar() -> Progress:
    """Return a bar on standard error, removed at the end. Without a terminal it shows nothing."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Terminal(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )


def duration(seconds: float) -> str:
    """Return a time in its largest unit and the next one: `3 h 12 min`."""
    rest = round(seconds)
    for index, (unit, size) in enumerate(_UNITS):
        if rest >= size:
            smaller, each = _UNITS[index + 1] if index + 1 < len(_UNITS) else ("s", 1)
            more = rest % size // each
            return f"{rest // size} {unit}" + (f" {more} {smaller}" if more else "")
    return f"{seconds:.1f} s" if seconds < 10 else f"{rest} s"


def timestamp(at: float, *, milliseconds: bool = False) -> str:
    """Return a moment (seconds since the epoch) with its zone: `2026-01-31 23:59:59Z`, in UTC."""
    text = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    return f"{text[:-3] if milliseconds else text[:-7]}Z"


def shown_live(picture: Callable[[], RenderableType], *, every: float) -> None:
    """Show a picture, and a new one in its place every so many seconds, until an exception.

    In a pipe each picture follows the one before.
    """
    console = report_console()
    if not console.is_terminal:
        while True:
            console.print(picture(), Text())
            sys.stdout.flush()
            time.sleep(every)
    with Live(console=console, auto_refresh=False, screen=True) as live:
        while True:
            live.update(picture(), refresh=True)
            time.sleep(every)


def survive_odd_output() -> None:
    """Let what the terminal's encoding has no character for be printed as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _escaped(text: str, keep: str = "") -> str:
    """Return a text with an escape for each character that is neither printable nor kept."""
    if text.isprintable():
        return text
    return re.sub(
        r"[\s\S]",
        lambda one: (
            one[0]
            if one[0] in keep or one[0].isprintable()
            else one[0].encode("unicode_escape").decode("ascii")
        ),
        text,
    )
