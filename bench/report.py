"""Prints the tables on the screen, and writes them for a page of the documentation."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from bench.figures import summary
from bench.scenarios import SCENARIOS

NOTE = (
    "CPU ms: of a lifecycle, all in all and of producer, workers and server (broker and ledger); "
    "messages, commands at the server (those in scripts too) and HTTP requests are a lifecycle's."
)
AIMS = ("", "aim", "measured", "")


def head(console: Console, stage) -> None:
    used = stage.redis.config_get("appendfsync")["appendfsync"]
    version = stage.redis.info("server").get("valkey_version", "")
    console.print(
        f"One server (Valkey {version}) for broker and ledger of all, appendfsync {used}; "
        "two worker processes of 16 threads each; 20 users; medians.",
        style="dim",
    )


def rows_of(found) -> Iterator[list[str]]:
    """Yield the head, then a row for each contender; the spread is that of the first figure."""
    figures = list(dict.fromkeys(name for rows in found.values() for name in rows))
    is_curve = figures[0].isdecimal()
    yield ["", figures[0], *([] if is_curve else ["spread"]), *figures[1:]]
    for contender, rows in found.items():
        cells = [number(summary(rows[n])["median"]) if n in rows else "" for n in figures]
        spread = [] if is_curve else [spread_of(rows.get(figures[0], []))]
        yield [contender, cells[0], *spread, *cells[1:]]


def rows_of_aims(aims) -> Iterator[list[str]]:
    for row in aims:
        met = "met" if row["met"] else "missed"
        yield [row["what"], row["aim"].replace("0.333333", "1/3"), number(row["got"]), met]


def table(console: Console, title: str, found) -> None:
    names, *rows = rows_of(found)
    show(console, title, names, rows)
    if "CPU ms" in names:
        console.print(NOTE, style="dim")


def aims(console: Console, aims) -> None:
    if aims:
        show(console, "Aims, as ratios", AIMS, rows_of_aims(aims))


def show(console: Console, title: str, names, rows) -> None:
    console.print(f"\n{title}", style="bold")
    out = Table(box=None, padding=(0, 2, 0, 0), header_style="")
    for name in names:
        style = "dim" if name == "spread" else ""
        out.add_column(name, justify="right" if name else "left", no_wrap=True, style=style)
    for row in rows:
        out.add_row(*row)
    console.print(out)


def markdown(results, aims) -> str:
    """Return the same tables in Markdown."""
    parts = [lines(AIMS, rows_of_aims(aims))] if aims else []
    for name, found in results.items():
        names, *rows = rows_of(found)
        parts.append(f"{SCENARIOS[name].title}:\n\n{lines(names, rows)}")
    return "\n\n".join(parts) + "\n"


def lines(names, rows) -> str:
    rule = ["---:" if name else "---" for name in names]
    return "\n".join("| " + " | ".join(row) + " |" for row in (names, rule, *rows))


def spread_of(samples) -> str:
    if not samples:
        return ""
    of = summary(samples)
    if "p99" in of:
        return f"p99 {number(of['p99'])}"
    if len(samples) > 1:
        return f"{number(of['low'])} to {number(of['high'])}"
    return ""


def number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return (
        f"{value:.0f}" if value == int(value) else f"{value:.2g}" if value < 1 else f"{value:.3g}"
    )
