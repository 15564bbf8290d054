"""The live view: one screen of 80 by 24, drawn anew some times a second."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from astakos_worker.demo.board import Board, Scene
from astakos_worker.demo.course import PHASES

_TITLE = "Astakos Worker: commissions from request handlers to Astakos and back"
#: Lines of what just happened, so that all of it fits into 24.
_LINES = 8
_PER_SECOND = 8
_STYLES = {"accepted": "green", "rejected": "yellow", "cancelled": "yellow", "refused": "magenta"}


@contextmanager
def live(board: Board, console: Console) -> Iterator[None]:
    """Show the board until the end; the last picture does not stay."""

    def draw() -> RenderableType:
        return picture(board.scene())

    with Live(get_renderable=draw, console=console, refresh_per_second=_PER_SECOND, transient=True):
        yield


def picture(scene: Scene) -> RenderableType:
    """Return the screen of one moment."""
    rows = Table.grid(padding=(0, 2, 0, 0), expand=True)
    rows.add_column(style="bold", width=7)
    rows.add_column(width=26)
    rows.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    rows.add_row(
        "Service",
        _bar(scene.enqueued, scene.wanted),
        f"{_part(scene.enqueued, scene.wanted)} calls, {scene.rate:.0f}/s",
    )
    rows.add_row(
        "Told",
        _bar(scene.told, scene.keys),
        f"{_part(scene.told, scene.keys)} commissions know their end",
    )
    numbers = Table.grid(padding=(0, 2, 0, 0), expand=True)
    numbers.add_column(style="bold", width=7)
    numbers.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    numbers.add_row("", _ends(scene))
    standing = scene.standing
    numbers.add_row(
        "Ledger",
        Text(standing.away, "red")
        if standing.away
        else _counts(
            open=standing.open,
            due=standing.due,
            with_serial=standing.with_serial,
            carriers_awake=standing.awake,
        ),
    )
    numbers.add_row(
        "Astakos",
        _counts(
            issued=standing.issued,
            accepted=standing.accepted,
            rejected=standing.rejected,
            pending=standing.pending,
            http=standing.requests,
        ),
    )
    meddled = _counts(**scene.mischief) if scene.mischief else Text("nothing yet", style="dim")
    numbers.add_row("Trouble", meddled)
    foot = Text("Flower", "bold", no_wrap=True, overflow="ellipsis")
    foot.append(f"   {scene.flower or 'off'}", "not bold")
    if scene.retried:
        foot.append(f"   made again, ledger away: {scene.retried:,} calls", "red")
    return Panel(
        Group(_phases(scene), Text(), rows, Text(), numbers, Text(), _happenings(scene), foot),
        title=_TITLE,
        title_align="left",
        box=box.ROUNDED,
        padding=(0, 1),
        height=22,
    )


def _phases(scene: Scene) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    now = PHASES.index(scene.phase)
    for number, phase in enumerate(PHASES):
        mark, style = ("✓", "green") if number < now else ("○", "dim")
        if number == now:
            mark, style = "●", "bold cyan"
        text.append(f"{mark} {phase}   ", style)
    text.append(f"{scene.seconds:6.1f} s", "bold")
    return text


def _bar(done: int, of: int) -> ProgressBar:
    return ProgressBar(total=max(of, 1), completed=done, width=26)


def _part(done: int, of: int) -> str:
    return f"{done:,}/{of:,}"


def _ends(scene: Scene) -> Text:
    text = Text()
    for end, count in scene.ends.most_common():
        text.append(f"{end} ", "dim")
        text.append(f"{count:,}   ", _STYLES.get(end, "bold red"))
    return text


def _counts(**counts: int) -> Text:
    text = Text()
    for name, count in counts.items():
        text.append(f"{name.replace('_', ' ')} ", "dim")
        text.append(f"{count:,}   ")
    return text


def _happenings(scene: Scene) -> Text:
    lines = [
        Text.assemble((f"{one.at:6.1f} s  ", "dim"), (one.text, one.style))
        for one in scene.happenings[-_LINES:]
    ]
    lines += [Text()] * (_LINES - len(lines))
    return Text("\n", no_wrap=True, overflow="ellipsis").join(lines)
