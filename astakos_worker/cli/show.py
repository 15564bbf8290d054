"""`astakos-worker show`: what happened to a commission, from its request to its end."""

import json
import sys
from typing import Any, Final

import click
from rich.table import Table

from astakos_worker.cli.list import keys_with
from astakos_worker.cli.options import JSON, KEYS, SERIALS, SERVICE, chosen
from astakos_worker.cli.terminal import (
    cell,
    complain,
    print_json,
    report_console,
    say,
    timestamp,
)
from astakos_worker.ledger.awaited import at_once
from astakos_worker.ledger.record import Record, shown
from astakos_worker.ledger.record_json import dump
from astakos_worker.service.commissions import Commissions
from astakos_worker.service.errors import NewerRecord, UnknownKey
from astakos_worker.service.inside import connections_of, decider_of, history

#: Keys that are offered where several have the part that was named.
_CHOICE: Final = 20


@click.command("show")
@KEYS
@SERIALS
@SERVICE
@JSON
def command(
    keys: tuple[str, ...], serials: tuple[int, ...], service: str | None, as_json: bool
) -> None:
    """Show commissions by their keys: state, serial, decision, and what happened when.

    A part of a key will do where only one commission's key has that part; otherwise the keys are
    listed. `astakos-worker list` finds commissions by other things.

    Exit status 1 if one of them is not in the ledger, was written by a newer version, or cannot be
    read. A record that cannot be read is shown as it is stored.
    """
    wanted = chosen(keys, serials)
    commissions = Commissions(service)
    console = report_console()
    missing = False
    first = True
    for which in wanted:
        try:
            record, version = _found(commissions, which)
        except (UnknownKey, NewerRecord) as error:
            missing = True
            if not _show_unreadable(commissions, which):
                complain(error)
            continue
        if as_json:
            print_json({**json.loads(dump(record)), "version": version})
        else:
            if not first:
                console.print()
            console.print(record_table(record))
        first = False
    sys.exit(1 if missing else 0)


def _found(commissions: Commissions, which: str | int) -> tuple[Record, int]:
    """Return the commission of a key, or of the only key that has this text as a part."""
    try:
        return history(commissions, which)
    except UnknownKey:
        if not isinstance(which, str):
            raise
        keys = keys_with(which, commissions.service)
        if not keys:
            raise
        if len(keys) > 1:
            more = " and others" if len(keys) > _CHOICE else ""
            listed = ", ".join(map(shown, keys[:_CHOICE]))
            raise UnknownKey(
                which, f"no key is {which!r}; it is a part of {listed}{more}"
            ) from None
        return history(commissions, keys[0])


def _show_unreadable(commissions: Commissions, which: str | int) -> bool:
    """Print a record that was set aside because it cannot be read (F86); False if it was not."""
    key = at_once(decider_of(commissions).key(which))
    ledger = connections_of(commissions).ledger
    one = ledger.unreadable(commissions.service).get(key)
    if one is None:
        return False
    complain(f"{shown(key)} cannot be read: {one.why}")
    say(one.text)
    return True


def record_table(record: Record) -> Table:
    """Return a record for a person to read: its facts, then its history."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", justify="right")
    table.add_column(overflow="fold")
    for name, value in _facts(record):
        table.add_row(name, cell(value))
    for note in record.history:
        table.add_row(cell(_time(note.at), "dim"), cell(note.what))
    return table


def _facts(record: Record) -> list[tuple[str, Any]]:
    facts: list[tuple[str, Any]] = [("key", shown(record.key)), ("state", record.state)]
    if record.serial is not None:
        facts.append(("serial", record.serial))
    if record.decision is not None:
        why = f" ({record.decision.reason})" if record.decision.reason else ""
        facts.append(("decision", f"{record.decision.verb}{why}"))
    if record.deadline is not None:
        facts.append(("deadline", _time(record.deadline)))
    if record.request is not None:
        facts.append(("name", record.request.name or "-"))
        facts += [
            ("provision", f"{p.holder} {p.source or '-'} {p.resource} {p.quantity:+d}")
            for p in record.request.provisions
        ]
    facts += [("twin", f"{t.serial} {'rejected' if t.done else 'open'}") for t in record.twins]
    if record.error:
        facts.append(("error", f"{record.error.get('class')}: {record.error.get('message')}"))
        if details := record.error.get("details"):
            facts.append(("", details))
    return facts


def _time(at: float) -> str:
    return timestamp(at, milliseconds=True)
