"""The tables on the screen."""

from rich.console import Console
from rich.table import Table

from bench.figures import summary

NOTE = (
    "CPU ms: of a lifecycle, all in all and of producer, workers and server (broker and ledger); "
    "messages, commands at the server (those in scripts too) and HTTP requests are a lifecycle's."
)


def head(console: Console, stage) -> None:
    used = stage.redis.config_get("appendfsync")["appendfsync"]
    version = stage.redis.info("server").get("valkey_version", "")
    console.print(
        f"One server (Valkey {version}) for broker and ledger of all, appendfsync {used}; "
        "two worker processes of 16 threads each; 20 users; medians.",
        style="dim",
    )


def table(console: Console, title: str, found) -> None:
    figures = list(dict.fromkeys(name for rows in found.values() for name in rows))
    console.print(f"\n{title}", style="bold")
    out = Table(box=None, padding=(0, 2, 0, 0), header_style="")
    out.add_column("", no_wrap=True)
    for n, name in enumerate(figures):
        out.add_column(name, justify="right", no_wrap=True)
        if n == 0:
            out.add_column("", no_wrap=True, style="dim")
    for contender, rows in found.items():
        cells = [number(summary(rows[n])["median"]) if n in rows else "" for n in figures]
        first = spread(rows[figures[0]]) if figures[0] in rows else ""
        out.add_row(contender, cells[0], first, *cells[1:])
    console.print(out)
    if "CPU ms" in figures:
        console.print(NOTE, style="dim")


def spread(samples) -> str:
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


def aims(console: Console, rows) -> None:
    if not rows:
        return
    console.print("\nAims, as ratios", style="bold")
    out = Table(box=None, padding=(0, 2, 0, 0), header_style="")
    for name in ("", "aim", "measured", ""):
        out.add_column(name, justify="right" if name else "left")
    for row in rows:
        met = "[green]met[/]" if row["met"] else "[red]missed[/]"
        out.add_row(row["what"], row["aim"].replace("0.333333", "1/3"), number(row["got"]), met)
    console.print(out)
