"""Options and arguments that several commands have, each with one name and one meaning."""

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
