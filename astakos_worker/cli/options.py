"""Options and arguments that several commands have, each with one name and one meaning."""

import re

import click

SERVICE = click.option("--service", help="The named service; ASTAKOS_SERVICE if left out.")
SERVICES = click.option(
    "--service",
    "services",
    multiple=True,
    help="A named service; may be given several times. ASTAKOS_SERVICE if left out.",
)
KEYS = click.argument("keys", nargs=-1)
SERIALS = click.option(
    "--serial", "serials", type=int, multiple=True, help="By serial instead of by key."
)
LIMIT = click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=500,
    show_default=True,
    help="The most rows to list.",
)
ROWS = click.option(
    "--rows",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    help="The most rows to print; 0: all.",
)
YES = click.option("--yes", is_flag=True, help="Do not ask; for scripts.")
JSON = click.option("--json", "as_json", is_flag=True, help="The same as JSON.")


def chosen(keys: tuple[str, ...], serials: tuple[int, ...]) -> list[str | int]:
    """Return the commissions that were named; raises `click.UsageError` if there are none."""
    if not keys and not serials:
        raise click.UsageError("name a key, or a serial with --serial")
    return [*keys, *serials]


_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds_of(text: str) -> float:
    """Return the seconds of a time: `90`, `90s`, `10m`, `2h` or `1d`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text.strip())
    if found is None:
        raise click.BadParameter(f"{text!r} is not a time such as 90s, 10m, 2h or 1d")
    return float(found[1]) * _SECONDS[found[2]]
