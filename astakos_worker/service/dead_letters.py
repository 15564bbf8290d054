"""Dead letters: commissions that cannot go on until a person resends or discards them.

Both are safe. A commission that is resent goes on from what its record says: if a request may have
reached Astakos, a worker looks for it first. A decision that was recorded stands.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from astakos_worker.ledger.contract import Entry
from astakos_worker.ledger.events import Discarded, Event, Revived
from astakos_worker.ledger.record import Record, State, shown
from astakos_worker.service import arguments
from astakos_worker.service.calls import Calls, RunsCalls
from astakos_worker.service.changing import change
from astakos_worker.service.deciding import bare_serial
from astakos_worker.service.errors import NotDead
from astakos_worker.service.ledger_calls import ledger_errors, read
from astakos_worker.service.outcome import Outcome, outcome_of

#: What `list`, `choices`, and the two others return, or what is awaited for that.
Listed = TypeVar("Listed")
Chosen = TypeVar("Chosen")
Told = TypeVar("Told")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead commission, as `DeadLetters.list` returns it.

    `which` is the key, or the serial of a commission that another client issued: what all calls
    take. `since` is in seconds since the epoch. `decision` is "accept", "reject" or None.
    """

    key: str
    which: str | int
    since: float
    serial: int | None
    decision: str | None
    reason: str


class Dead(Generic[Listed, Chosen, Told]):
    """The dead commissions of one named service; see `Commissions.dead`."""

    def __init__(self, run: RunsCalls) -> None:
        self._run = run

    def list(self, limit: int = 500) -> Listed:
        """Return at most `limit` dead commissions; the first is the one that is purged first.

        Raises `Unavailable`.
        """
        listed: Listed = self._run(lambda calls: _list(calls, limit))
        return listed

    def choices(self, which: str | int) -> Chosen:
        """Return `{"resend": ..., "discard": ...}`: in words, what each would do.

        `which` is a key, or as an integer a serial. Raises as `resend`.
        """
        chosen: Chosen = self._run(lambda calls: _choices(calls, which))
        return chosen

    def resend(self, which: str | int) -> Told:
        """Let the workers go on with a dead commission; return its outcome.

        `which` is a key, or as an integer a serial. If it has a serial, its decision is sent
        again. If it has none, it is issued; if an earlier request may have reached Astakos, the
        worker looks for that request first. A decision whose request never came waits for it
        again.

        Raises `NotDead`, `UnknownKey`, `BadValue`, `Unavailable`.
        """
        told: Told = self._run(lambda calls: _resend(calls, which), "write")
        return told

    def discard(self, which: str | int, reason: str = "") -> Told:
        """Give up a dead commission; return its outcome.

        `which` is a key, or as an integer a serial; `reason` is a text for operators. If it has a
        serial, that is rejected at Astakos, whatever was decided: nothing stays reserved. If it
        has none, it is closed; if a serial of it appears later, the sweep rejects it. The key
        stays in use until the record is purged.

        Raises as `resend`.
        """
        told: Told = self._run(lambda calls: _discard(calls, which, reason), "write")
        return told


class DeadLetters(Dead[list[DeadLetter], dict[str, str], Outcome]):
    """The dead commissions of one named service; see `Commissions.dead`."""


async def _list(calls: Calls, limit: int) -> list[DeadLetter]:
    limit = arguments.checked_count("limit", limit)
    ledger = calls.connections.ledger
    with ledger_errors("dead letters", reads=True):
        keys = await ledger.dead(calls.service, limit)
        entries = await ledger.get(calls.service, keys)
    found = [entries[key].record for key in keys if key in entries]
    return [_shown(record) for record in found if record.state is State.DEAD]


async def _choices(calls: Calls, which: str | int) -> dict[str, str]:
    entry = await read(calls.connections, calls.service, await calls.decider.key(which))
    record = entry.record
    if record.state is not State.DEAD:
        raise _not_dead(entry)
    verb = record.decision.verb if record.decision else None
    if record.serial is not None:
        again = f"sends its {verb} again" if verb else "leaves it pending, for its decision"
        return {"resend": again, "discard": f"rejects serial {record.serial} at Astakos"}
    if record.request is None:
        patience = calls.settings.awaited
        again = f"keeps its {verb} for {patience:g} s more, and waits for its request"
    elif record.marks:
        again = "looks for it at Astakos, and issues it if it is not there"
    else:
        again = "issues it"
    return {"resend": again, "discard": "closes it: nothing is known to be reserved"}


async def _resend(calls: Calls, which: str | int) -> Outcome:
    return await _become(calls, which, lambda now: Revived(now + calls.settings.awaited))


async def _discard(calls: Calls, which: str | int, reason: str) -> Outcome:
    text = arguments.checked_reason(reason)
    return await _become(calls, which, lambda _: Discarded(text))


async def _become(calls: Calls, which: str | int, event: Callable[[float], Event]) -> Outcome:
    key = await calls.decider.key(which)
    return outcome_of(
        (await change(calls.connections, calls.service, key, event, _not_dead)).record
    )


def _not_dead(entry: Entry) -> NotDead:
    record = entry.record
    text = f"commission {shown(record.key)!r} is {record.state}, not dead: nothing was changed"
    return NotDead(record.key, text)


def _shown(record: Record) -> DeadLetter:
    fault: dict[str, Any] = dict(record.error or {})
    reason = f"{fault.get('class', 'unknown')}: {fault.get('message', '')}"
    decision = record.decision.verb if record.decision else None
    return DeadLetter(
        key=shown(record.key),
        which=bare_serial(record.key) if record.bare else record.key,
        since=record.closed or record.created,
        serial=record.serial,
        decision=decision,
        reason=reason,
    )
