"""The live view: one screen of 80 by 24, redrawn a few times a second."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from astakos_worker.demo.run import PHASES
from astakos_worker.demo.run_state import RunState, Snapshot

_TITLE = "Astakos Worker: commissions from request handlers to Astakos and back"
#: How many messages are shown, so that the picture fits into 24 lines.
_LINES = 8
_PER_SECOND = 8
_STYLES = {"accepted": "green", "rejected": "yellow", "cancelled": "yellow", "refused": "magenta"}


@contextmanager
def show_on_screen(state: RunState, console: Console) -> Iterator[None]:
    """Show the state while the block runs; the last picture is removed at its end."""

    def draw() -> RenderableType:
        return picture(state.snapshot())

    with Live(get_renderable=draw, console=console, refresh_per_second=_PER_SECOND, transient=True):
        yield


def picture(snapshot: Snapshot) -> RenderableType:
    """Return the screen of one moment."""
    rows = Table.grid(padding=(0, 2, 0, 0), expand=True)
    rows.add_column(style="bold", width=7)
    rows.add_column(width=26)
    rows.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    rows.add_row(
        "Service",
        _bar(snapshot.enqueued, snapshot.wanted),
        f"{_part(snapshot.enqueued, snapshot.wanted)} calls, {snapshot.rate:.0f}/s",
    )
    rows.add_row(
        "Ended",
        _bar(snapshot.ended, snapshot.keys),
        f"{_part(snapshot.ended, snapshot.keys)} commissions: the service knows the end",
    )
    numbers = Table.grid(padding=(0, 2, 0, 0), expand=True)
    numbers.add_column(style="bold", width=7)
    numbers.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    numbers.add_row("", _ends(snapshot))
    counts = snapshot.counts
    numbers.add_row(
        "Ledger",
        Text(counts.away, "red")
        if counts.away
        else _counts(
            open=counts.open,
            due=counts.due,
            with_serial=counts.with_serial,
            carriers_awake=counts.awake,
        ),
    )
    numbers.add_row(
        "Astakos",
        _counts(
            issued=counts.issued,
            accepted=counts.accepted,
            rejected=counts.rejected,
            pending=counts.pending,
            http=counts.requests,
        ),
    )
    faults = _counts(**snapshot.faults) if snapshot.faults else Text("nothing yet", style="dim")
    numbers.add_row("Faults", faults)
    foot = Text("Flower", "bold", no_wrap=True, overflow="ellipsis")
    foot.append(f"   {snapshot.flower or 'off'}", "not bold")
    if snapshot.retried:
        foot.append(f"   the ledger was away: {snapshot.retried:,} calls repeated", "red")
    return Panel(
        Group(_phases(snapshot), Text(), rows, Text(), numbers, Text(), _messages(snapshot), foot),
        title=_TITLE,
        title_align="left",
        box=box.ROUNDED,
        padding=(0, 1),
        height=22,
    )


def _phases(snapshot: Snapshot) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    now = PHASES.index(snapshot.phase)
    for number, phase in enumerate(PHASES):
        mark, style = ("✓", "green") if number < now else ("○", "dim")
        if number == now:
            mark, style = "●", "bold cyan"
        text.append(f"{mark} {phase}   ", style)
    text.append(f"{snapshot.seconds:6.1f} s", "bold")
    return text


def _bar(done: int, of: int) -> ProgressBar:
    return ProgressBar(total=max(of, 1), completed=done, width=26)


def _part(done: int, of: int) -> str:
    return f"{done:,}/{of:,}"


def _ends(snapshot: Snapshot) -> Text:
    text = Text()
    for end, count in snapshot.ends.most_common():
        text.append(f"{end} ", "dim")
        text.append(f"{count:,}   ", _STYLES.get(end, "bold red"))
    return text


def _counts(**counts: int) -> Text:
    text = Text()
    for name, count in counts.items():
        text.append(f"{name.replace('_', ' ')} ", "dim")
        text.append(f"{count:,}   ")
    return text


def _messages(snapshot: Snapshot) -> Text:
    lines = [
        Text.assemble((f"{one.at:6.1f} s  ", "dim"), (one.text, one.style))
        for one in snapshot.messages[-_LINES:]
    ]
    lines += [Text()] * (_LINES - len(lines))
    return Text("\n", no_wrap=True, overflow="ellipsis").join(lines)
