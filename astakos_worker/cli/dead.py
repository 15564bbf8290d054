"""`astakos-worker dead`: dead letters, and what a person may do about them."""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict

import click
from rich.table import Table

from astakos_worker.cli.options import JSON, KEYS, LIMIT, SERIALS, SERVICE, YES, chosen
from astakos_worker.cli.service_names import known_services
from astakos_worker.cli.show import record_table
from astakos_worker.cli.terminal import (
    cell,
    complain,
    confirm,
    print_json,
    report_console,
    say,
    timestamp,
)
from astakos_worker.configuration.settings import Settings
from astakos_worker.ledger.record_json import dump
from astakos_worker.service.commissions import Commissions
from astakos_worker.service.connect import ledger_of
from astakos_worker.service.dead_letters import DeadLetters
from astakos_worker.service.errors import NewerRecord, NotDead, UnknownKey
from astakos_worker.service.inside import history
from astakos_worker.service.outcome import Outcome
from astakos_worker.worker.dead_messages import dead_messages_of

_ALL = click.option("--all", "everything", is_flag=True, help="All that are dead.")


@click.group("dead")
def command() -> None:
    """Dead letters: commissions that cannot go on without a person.

    Examples: Astakos has answered an accept with an error for longer than ASTAKOS_REFUSAL_WINDOW;
    a decision came by name, and its request never came. Find the reason, remove it, and send the
    commission again; or discard it.
    """


@command.command("list")
@SERVICE
@JSON
@LIMIT
def list_(service: str | None, as_json: bool, limit: int) -> None:
    """List dead commissions; those that are purged first come first.

    Exit status 1 if there are any.
    """
    settings = Settings()
    name = service or settings.service
    [name] = known_services(settings, ledger_of(settings), [name])
    letters = Commissions(name, settings=settings).dead.list(limit)
    if as_json:
        print_json([asdict(letter) for letter in letters])
    elif letters:
        table = Table("key", "since", "serial", "decision", "reason", box=None)
        for one in letters:
            serial = "-" if one.serial is None else str(one.serial)
            cells = (one.key, timestamp(one.since), serial, one.decision or "-", one.reason)
            table.add_row(*map(cell, cells))
        report_console().print(table)
    else:
        say(f"{name} has no dead letters")
    sys.exit(1 if letters else 0)


@command.command(short_help="Show dead commissions, and what may be done.")
@KEYS
@SERIALS
@SERVICE
@JSON
def show(
    keys: tuple[str, ...], serials: tuple[int, ...], service: str | None, as_json: bool
) -> None:
    """Show dead commissions with their history, and what `resend` and `discard` would do.

    Exit status 1 if one of them is not dead.
    """
    commissions, failed = Commissions(service), False
    for which in chosen(keys, serials):
        try:
            record, version = history(commissions, which)
            choices = commissions.dead.choices(which)
        except (NotDead, UnknownKey, NewerRecord) as error:
            failed = True
            complain(error)
            continue
        if as_json:
            print_json({**json.loads(dump(record)), "version": version, **choices})
        else:
            console = report_console()
            console.print(record_table(record))
            for name, what in choices.items():
                console.print(cell(f"{name}: {what}", "bold"))
    sys.exit(1 if failed else 0)


@command.command()
@KEYS
@SERIALS
@_ALL
@SERVICE
@YES
@JSON
def resend(
    *,
    keys: tuple[str, ...],
    serials: tuple[int, ...],
    everything: bool,
    service: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Send dead commissions again.

    Each goes on where it was. With a serial, its decision is sent again. Without one, it is issued;
    if an earlier request may have reached Astakos, the workers look for that one first. Exit status
    1 if one of them could not be sent again.
    """
    dead = Commissions(service).dead
    which = _chosen(keys, serials, dead, everything=everything)
    _sure(f"Send {len(which)} dead commissions again?", yes=yes)
    _each(which, dead.resend, as_json=as_json)


@command.command()
@KEYS
@SERIALS
@_ALL
@SERVICE
@click.option("--reason", default="", help="Stored in the history.")
@YES
@JSON
def discard(
    *,
    keys: tuple[str, ...],
    serials: tuple[int, ...],
    everything: bool,
    service: str | None,
    reason: str,
    yes: bool,
    as_json: bool,
) -> None:
    """Give up dead commissions for good.

    A commission with a serial is rejected at Astakos, even if it was accepted, so nothing stays
    reserved. One without a serial is closed. Exit status 1 if one of them could not be discarded.
    """
    dead = Commissions(service).dead
    which = _chosen(keys, serials, dead, everything=everything)
    _sure(f"Give up {len(which)} dead commissions for good?", yes=yes)
    _each(which, lambda one: dead.discard(one, reason), as_json=as_json)


@command.command(short_help="List messages that no worker could read.")
@click.option("--clear", is_flag=True, help="Delete the list.")
@JSON
def messages(clear: bool, as_json: bool) -> None:
    """List messages that no worker could read, with the reason. The messages are gone.

    Nothing of their contents is stored.
    """
    kept = dead_messages_of(Settings())
    if clear:
        say(f"forgot {kept.clear()}")
        return
    listed = kept.list()
    if as_json:
        print_json([asdict(one) for one in listed])
    elif listed:
        table = Table("when", "queue", "task", "id", "reason", box=None)
        for one in listed:
            cells = (timestamp(one.at), one.queue, one.task, one.id, one.reason)
            table.add_row(*(cell(each or "-") for each in cells))
        report_console().print(table)
    else:
        say("no dead messages")


def _chosen(
    keys: tuple[str, ...], serials: tuple[int, ...], dead: DeadLetters, *, everything: bool
) -> list[str | int]:
    if not everything:
        return chosen(keys, serials)
    if keys or serials:
        raise click.UsageError("name commissions, or say --all, but not both")
    return [one.which for one in dead.list()]


def _sure(question: str, *, yes: bool) -> None:
    if not yes:
        confirm(question)


def _each(which: list[str | int], do: Callable[[str | int], Outcome], *, as_json: bool) -> None:
    failed = False
    for one in which:
        try:
            outcome = do(one)
        except (NotDead, UnknownKey, NewerRecord) as error:
            failed = True
            complain(error)
            continue
        if as_json:
            print_json(asdict(outcome))
        else:
            say(f"{outcome.key} {outcome.state}")
    sys.exit(1 if failed else 0)
