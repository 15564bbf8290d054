"""`astakos-worker ledger`: whether the ledger's server can be relied on, and what to do if not."""

import sys
from typing import Any

import click

from astakos_worker.cli.options import JSON, YES
from astakos_worker.cli.terminal import complain, confirm, print_json, say
from astakos_worker.configuration.settings import Settings
from astakos_worker.ledger.contract import LedgerError, ServerLedger, UnavailableError
from astakos_worker.ledger.record import shown
from astakos_worker.ledger.redis.capacity import LIMIT
from astakos_worker.service.connect import ledger_of

#: The alarm of a lane that has lost writes; the Lua scripts raise it.
_LOST = "lost-writes"


@click.group("ledger")
def command() -> None:
    """Whether the ledger's server can be relied on.

    It must not evict keys, must have memory left, and must keep every write it has acknowledged.
    """


@command.command(short_help="Check its settings, its memory, its writes.")
@JSON
def check(as_json: bool) -> None:
    """Check the server's settings and memory, and whether writes were lost.

    Exit status 1 if anything is wrong.
    """
    ledger = ledger_of(Settings())
    facts: dict[str, Any] = {"memory": round(ledger.memory(), 3), "wrong": _wrong(ledger)}
    if as_json:
        print_json(facts)
    else:
        used = f"{facts['memory']:.0%} of maxmemory" if facts["memory"] else "no maxmemory is set"
        say(f"memory: {used}")
        for what in facts["wrong"]:
            say(what, "bold red")
    sys.exit(1 if facts["wrong"] else 0)


@command.command()
@click.argument("service")
@YES
def trust(service: str, yes: bool) -> None:
    """Let a service issue again after its ledger has lost writes.

    A commission that is still queued here may have been issued, and even settled, by a write that
    was lost. The sweep has adopted those that Astakos still lists as pending. Look at the others
    (`astakos-worker show KEY`), and reject those that were done: the workers issue the rest.

    Exit status 1 if no writes were lost, or if you say no.
    """
    ledger = ledger_of(Settings())
    alarm = ledger.lane(service).alarms.get(_LOST)
    if alarm is None:
        complain(f"{service}: no writes were lost")
        sys.exit(1)
    if not yes:
        confirm(f"Issue what {service} has queued?")
    ledger.trust(service)
    say(f"{service} issues again")


@command.command(short_help="List records that cannot be read.")
@click.argument("service")
@click.option("--again", is_flag=True, help="Let the workers try to read them again.")
@JSON
def unreadable(service: str, *, again: bool, as_json: bool) -> None:
    """List the records of a service that workers have set aside, since they cannot be read.

    Each is shown as it is stored, with the reason. It stays in the ledger, and nothing is done for
    it. After an upgrade or a repair that makes it readable, `--again` gives it back to the workers.

    Exit status 1 if there are any.
    """
    ledger = ledger_of(Settings())
    records = ledger.unreadable(service)
    if as_json:
        print_json({key: {"why": one.why, "text": one.text} for key, one in records.items()})
    elif not records:
        say(f"{service}: every record can be read")
    else:
        for key, one in records.items():
            say(f"{shown(key)}: {one.why}", "bold")
            say(one.text)
    if again:
        say(f"{service}: {ledger.read_again(service)} records are tried again")
    sys.exit(1 if records else 0)


def _wrong(ledger: ServerLedger) -> list[str]:
    wrong = []
    try:
        ledger.check()
    except UnavailableError:
        raise
    except LedgerError as error:
        wrong.append(str(error))
    if (used := ledger.memory()) >= LIMIT:
        text = f"{used:.0%} of maxmemory is used: new commissions are refused from {LIMIT:.0%} on"
        wrong.append(text)
    lanes = [ledger.lane(name) for name in ledger.lanes()]
    wrong += [f"{lane.name}: {lane.alarms[_LOST]}" for lane in lanes if _LOST in lane.alarms]
    return wrong
