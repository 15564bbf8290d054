"""Draws line plots as SVG files for the documentation, without a plotting library."""

import statistics
from pathlib import Path
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 64, 150, 36, 48
# Told apart by shape and shade too, on white and on black.
COLOURS = ("#d1495b", "#2e86ab", "#3c9d5d", "#8d6a9f", "#c98b1b", "#777777")
DASHES = ("", "6 3", "2 3", "8 3 2 3", "1 2", "4 4")

#: Scenario: title, axis.
PLOTS = {
    "delay": ("Lifecycles a second by Astakos' delay", "milliseconds a request"),
    "concurrency": ("Lifecycles a second by concurrency, Astakos at 20 ms", "requests at once"),
    "backlog": ("Lifecycles a second by backlog, Astakos waiting", "lifecycles asked for at once"),
}


def draw(results, folder: Path) -> None:
    """Write `performance-NAME.svg` for each curve that was measured."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (title, axis) in PLOTS.items():
        if found := results.get(name):
            (folder / f"performance-{name}.svg").write_text(plot(found, title, axis))


def plot(found, title: str, axis: str) -> str:
    """Points are evenly spaced: what varies does so by factors."""
    marks = list(dict.fromkeys(mark for rows in found.values() for mark in rows))
    lines = {
        name: [(marks.index(mark), statistics.median(s)) for mark, s in rows.items()]
        for name, rows in found.items()
    }
    top = nice(max(y for line in lines.values() for _, y in line))
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def at(x: float, y: float) -> tuple[float, float]:
        return LEFT + width * x / max(1, len(marks) - 1), TOP + height * (1 - y / top)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">',
        '<g font-family="sans-serif" font-size="12" fill="#666">',
        f"<title>{escape(title)}</title>",
        f'<text x="{LEFT}" y="18" font-size="14" font-weight="bold">{escape(title)}</text>',
        f'<text x="{LEFT + width / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(axis)}</text>',
    ]
    for part in range(5):
        x, y = at(0, top * part / 4)
        out.append(f'<path d="M{x:.1f} {y:.1f}h{width}" stroke="#999" stroke-opacity=".4"/>')
        out.append(
            f'<text x="{x - 8:.1f}" y="{y + 4:.1f}" text-anchor="end">{top * part / 4:,.0f}</text>'
        )
    for n, mark in enumerate(marks):
        x, y = at(n, 0)
        label = f"{float(mark):,.0f}"
        out.append(f'<text x="{x:.1f}" y="{y + 18:.1f}" text-anchor="middle">{label}</text>')
    # Names stand at the ends of their lines, pushed up where these meet.
    places, room = {}, float(HEIGHT - BOTTOM)
    for y, name in sorted(((at(*line[-1])[1], name) for name, line in lines.items()), reverse=True):
        places[name] = min(y, room)
        room = places[name] - 15
    for n, (name, line) in enumerate(lines.items()):
        colour, dash = COLOURS[n % len(COLOURS)], DASHES[n % len(DASHES)]
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in line))
        out.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2" '
            f'stroke-dasharray="{dash}"/>'
        )
        x = WIDTH - RIGHT + 10
        out.append(
            f'<text x="{x}" y="{places[name] + 4:.1f}" fill="{colour}">{escape(name)}</text>'
        )
    return "\n".join([*out, "</g>", "</svg>", ""])


def nice(value: float) -> float:
    """The next round number for the top of an axis."""
    step = 10.0 ** (len(str(int(value))) - 1)
    return next(n * step for n in (1, 1.2, 1.6, 2, 3, 4, 6, 8, 10) if n * step >= value)
