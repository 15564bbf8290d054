"""`astakos-worker outbox`: the outbox's table, and rows that can never be sent."""

import sys
from dataclasses import asdict

import click
from rich.table import Table

from astakos_worker.cli.options import JSON, LIMIT, YES
from astakos_worker.cli.relay import DATABASE
from astakos_worker.cli.terminal import (
    cell,
    complain,
    confirm,
    duration,
    print_json,
    report_console,
    say,
)
from astakos_worker.service.outbox import listing, statements
from astakos_worker.service.outbox.databases import Outbox
from astakos_worker.service.outbox.of_drivers import outbox_of_url

_IDS = click.argument("ids", type=int, nargs=-1)
_ALL = click.option("--all", "everything", is_flag=True, help="All that can never be sent.")


@click.group("outbox")
def command() -> None:
    """The outbox of a service: its table, and the rows that can never be sent.

    An example is the issue of a key that is in use for another commission. The newer rows of the
    same key wait behind it; all others go on.
    """


@command.command()
@click.argument("dialect", type=click.Choice(["postgresql", "sqlite"]))
def ddl(dialect: statements.Dialect) -> None:
    """Print the statements that make the table. Django has a migration instead."""
    for line in statements.ddl(dialect).splitlines():
        say(line)


@command.command("list")
@DATABASE
@click.option("--waiting", is_flag=True, help="Also rows that are still to be sent.")
@LIMIT
@JSON
def list_(database: str, limit: int, *, waiting: bool, as_json: bool) -> None:
    """List rows that can never be sent, the oldest first.

    Exit status 1 if there are any.
    """
    rows = listing.listed(outbox_of_url(database), failed_only=not waiting, limit=limit)
    if as_json:
        print_json([asdict(row) for row in rows])
    elif rows:
        table = Table("id", "service", "call", "key", "project", "age", "error", box=None)
        for row in rows:
            said = f"{row.error}: {row.message}" if row.error else "-"
            cells = (str(row.id), row.service, row.kind, row.key, row.project)
            table.add_row(*map(cell, (*cells, duration(row.age), said)))
        report_console().print(table)
    else:
        say("the outbox is empty" if waiting else "no row has failed")
    sys.exit(1 if any(row.error for row in rows) else 0)


@command.command()
@_IDS
@_ALL
@DATABASE
def retry(ids: tuple[int, ...], database: str, *, everything: bool) -> None:
    """Send failed rows again, for example after their key is free.

    Their deadlines count from now. Exit status 1 if one of them is not there.
    """
    outbox = outbox_of_url(database)
    chosen = _chosen(outbox, ids, everything=everything)
    _report("retried", chosen, listing.retry(outbox, chosen))


@command.command()
@_IDS
@_ALL
@YES
@DATABASE
def drop(ids: tuple[int, ...], database: str, *, everything: bool, yes: bool) -> None:
    """Delete failed rows for good: their calls are never made.

    Exit status 1 if one of them is not there.
    """
    outbox = outbox_of_url(database)
    chosen = _chosen(outbox, ids, everything=everything)
    if not yes:
        confirm(f"Drop {len(chosen)} rows for good?")
    _report("dropped", chosen, listing.drop(outbox, chosen))


def _chosen(outbox: Outbox, ids: tuple[int, ...], *, everything: bool) -> list[int]:
    if everything == bool(ids):
        raise click.UsageError("name the ids of rows, or say --all")
    return [row.id for row in listing.listed(outbox)] if everything else list(ids)


def _report(what: str, chosen: list[int], done: list[int]) -> None:
    say(f"{what} {len(done)}")
    if missing := sorted(set(chosen) - set(done)):
        complain(f"no failed rows: {', '.join(map(str, missing))}")
    sys.exit(1 if missing else 0)
