"""`astakos-worker dead`: what cannot go on without a person, and what that person may do."""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from astakos_worker.cli.service_names import known_services
from astakos_worker.cli.show import picture
from astakos_worker.cli.terminal import report_console
from astakos_worker.configuration.settings import Settings
from astakos_worker.ledger.record_json import dump
from astakos_worker.service.commissions import Commissions
from astakos_worker.service.connect import ledger_of
from astakos_worker.service.dead_letters import DeadLetters
from astakos_worker.service.errors import NewerRecord, NotDead, UnknownKey
from astakos_worker.service.inside import history
from astakos_worker.service.outcome import Outcome
from astakos_worker.worker.dead_messages import dead_messages_of

_SERVICE = click.option("--service", help="The named service; ASTAKOS_SERVICE if left out.")
_JSON = click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
_SERIAL = click.option(
    "--serial", "serials", type=int, multiple=True, help="By serial instead of by key."
)
_ALL = click.option("--all", "everything", is_flag=True, help="All that are dead.")
_YES = click.option("--yes", is_flag=True, help="Do not ask; for scripts.")
_KEYS = click.argument("keys", nargs=-1)


@click.group("dead")
def command() -> None:
    """Dead letters: commissions that cannot go on without a person.

    Such as one whose acceptance Astakos has answered with an error for longer than
    ASTAKOS_REFUSAL_WINDOW, or a decision by name whose request never came. Look why, mend it, and
    send it again; or discard it.
    """


@command.command("list")
@_SERVICE
@_JSON
@click.option("--limit", type=click.IntRange(min=1), default=500, show_default=True)
def list_(service: str | None, as_json: bool, limit: int) -> None:
    """List dead commissions, those that will be purged first in front.

    Exit status 1 if there are any.
    """
    settings = Settings()
    name = service or settings.service
    [name] = known_services(settings, ledger_of(settings), [name])
    letters = Commissions(name, settings=settings).dead.list(limit)
    if as_json:
        _json([asdict(letter) for letter in letters])
    elif letters:
        table = Table("key", "since", "serial", "decision", "reason", box=None)
        for one in letters:
            serial = "-" if one.serial is None else str(one.serial)
            cells = (one.key, _time(one.since), serial, one.decision or "-", one.reason)
            table.add_row(*map(Text, cells))
        report_console().print(table)
    else:
        click.echo(f"nothing of {name} is dead")
    sys.exit(1 if letters else 0)


@command.command(short_help="Show dead commissions, and what may be done.")
@_KEYS
@_SERIAL
@_SERVICE
@_JSON
def show(
    keys: tuple[str, ...], serials: tuple[int, ...], service: str | None, as_json: bool
) -> None:
    """Show dead commissions with their history, and what `resend` and `discard` would do.

    Exit status 1 if one of them is not dead.
    """
    commissions, failed = Commissions(service), False
    for which in _named(keys, serials):
        try:
            record, version = history(commissions, which)
            choices = commissions.dead.choices(which)
        except (NotDead, UnknownKey, NewerRecord) as error:
            failed = True
            _told(error)
            continue
        if as_json:
            _json({**json.loads(dump(record)), "version": version, **choices})
        else:
            console = report_console()
            console.print(picture(record))
            for name, what in choices.items():
                console.print(Text(f"{name}: {what}", style="bold"))
    sys.exit(1 if failed else 0)


@command.command()
@_KEYS
@_SERIAL
@_ALL
@_SERVICE
@_YES
@_JSON
def resend(
    *,
    keys: tuple[str, ...],
    serials: tuple[int, ...],
    everything: bool,
    service: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Send dead commissions on their way again.

    Each goes on where it was: with a serial its decision is sent again, without one it is issued,
    and if an earlier request may have reached Astakos that is found out first. Exit status 1 if
    one of them could not be sent again.
    """
    dead = Commissions(service).dead
    which = _chosen(keys, serials, dead, everything=everything)
    _sure(f"Send {len(which)} dead commissions again?", yes=yes)
    _each(which, dead.resend, as_json=as_json)


@command.command()
@_KEYS
@_SERIAL
@_ALL
@_SERVICE
@click.option("--reason", default="", help="Kept in the history, for who asks later.")
@_YES
@_JSON
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
    """Give dead commissions up for good.

    What has a serial is rejected at Astakos, whatever had been decided, so that nothing stays
    reserved; without a serial it is closed. Exit status 1 if one of them could not be discarded.
    """
    dead = Commissions(service).dead
    which = _chosen(keys, serials, dead, everything=everything)
    _sure(f"Give {len(which)} dead commissions up for good?", yes=yes)
    _each(which, lambda one: dead.discard(one, reason), as_json=as_json)


@command.command(short_help="List messages that nobody could read.")
@click.option("--clear", is_flag=True, help="Forget them.")
@_JSON
def messages(clear: bool, as_json: bool) -> None:
    """List messages that no worker could make anything of; they are gone, and this is why.

    Nothing of what was in them is kept.
    """
    kept = dead_messages_of(Settings())
    if clear:
        click.echo(f"forgot {kept.clear()}")
        return
    listed = kept.list()
    if as_json:
        _json([asdict(one) for one in listed])
    elif listed:
        table = Table("when", "queue", "task", "id", "reason", box=None)
        for one in listed:
            cells = (_time(one.at), one.queue, one.task, one.id, one.reason)
            table.add_row(*(Text(cell or "-") for cell in cells))
        report_console().print(table)
    else:
        click.echo("no dead messages")


def _named(keys: tuple[str, ...], serials: tuple[int, ...]) -> list[str | int]:
    if not keys and not serials:
        raise click.UsageError("name a key, or a serial with --serial")
    return [*keys, *serials]


def _chosen(
    keys: tuple[str, ...], serials: tuple[int, ...], dead: DeadLetters, *, everything: bool
) -> list[str | int]:
    if not everything:
        return _named(keys, serials)
    if keys or serials:
        raise click.UsageError("name commissions, or say --all, but not both")
    return [one.which for one in dead.list()]


def _sure(question: str, *, yes: bool) -> None:
    if not yes:
        click.confirm(question, abort=True, err=True)


def _each(which: list[str | int], do: Callable[[str | int], Outcome], *, as_json: bool) -> None:
    failed = False
    for one in which:
        try:
            outcome = do(one)
        except (NotDead, UnknownKey, NewerRecord) as error:
            failed = True
            _told(error)
            continue
        if as_json:
            _json(asdict(outcome))
        else:
            click.echo(f"{outcome.key} {outcome.state}")
    sys.exit(1 if failed else 0)


def _told(error: Exception) -> None:
    Console(stderr=True).print(Text(str(error), style="red"))


def _json(value: object) -> None:
    print(json.dumps(value))  # noqa: T201


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
