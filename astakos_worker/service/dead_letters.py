"""Dead letters: commissions that cannot go on until a person resends or discards them.

Both are safe. A commission that is resent goes on from what its record says: if a request may have
reached Astakos, a worker looks for it first. A decision that was recorded stands.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from astakos_worker.configuration.settings import Settings
from astakos_worker.ledger.contract import Entry
from astakos_worker.ledger.events import Discarded, Event, Revived
from astakos_worker.ledger.record import Record, State, shown
from astakos_worker.service import arguments
from astakos_worker.service.changing import change
from astakos_worker.service.connections import Connections
from astakos_worker.service.deciding import Decider, bare_serial
from astakos_worker.service.errors import NotDead
from astakos_worker.service.ledger_calls import ledger_errors, read
from astakos_worker.service.outcome import Outcome, outcome_of


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


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """The dead commissions of one named service; see `Commissions.dead`."""

    service: str
    settings: Settings
    connections: Connections

    def list(self, limit: int = 500) -> "list[DeadLetter]":
        """Return at most `limit` dead commissions; the first is the one that is purged first.

        Raises `Unavailable`.
        """
        limit = arguments.checked_count("limit", limit)
        with ledger_errors("dead letters", reads=True):
            keys = self.connections.ledger.dead(self.service, limit)
            entries = self.connections.ledger.get(self.service, keys)
        found = [entries[key].record for key in keys if key in entries]
        return [_shown(record) for record in found if record.state is State.DEAD]

    def choices(self, which: str | int) -> dict[str, str]:
        """Return `{"resend": ..., "discard": ...}`: in words, what each would do.

        `which` is a key, or as an integer a serial. Raises as `resend`.
        """
        entry = read(
            self.connections, self.service, Decider(self.service, self.connections).key(which)
        )
        record = entry.record
        if record.state is not State.DEAD:
            raise _not_dead(entry)
        verb = record.decision.verb if record.decision else None
        if record.serial is not None:
            again = f"sends its {verb} again" if verb else "leaves it pending, for its decision"
            return {"resend": again, "discard": f"rejects serial {record.serial} at Astakos"}
        if record.request is None:
            again = (
                f"keeps its {verb} for {self.settings.awaited:g} s more, and waits for its request"
            )
        elif record.marks:
            again = "looks for it at Astakos, and issues it if it is not there"
        else:
            again = "issues it"
        return {"resend": again, "discard": "closes it: nothing is known to be reserved"}

    def resend(self, which: str | int) -> Outcome:
        """Let the workers go on with a dead commission; return its outcome.

        `which` is a key, or as an integer a serial. If it has a serial, its decision is sent
        again. If it has none, it is issued; if an earlier request may have reached Astakos, the
        worker looks for that request first. A decision whose request never came waits for it
        again.

        Raises `NotDead`, `UnknownKey`, `BadValue`, `Unavailable`.
        """
        return self._become(which, lambda now: Revived(now + self.settings.awaited))

    def discard(self, which: str | int, reason: str = "") -> Outcome:
        """Give up a dead commission; return its outcome.

        `which` is a key, or as an integer a serial; `reason` is a text for operators. If it has a
        serial, that is rejected at Astakos, whatever was decided: nothing stays reserved. If it
        has none, it is closed; if a serial of it appears later, the sweep rejects it. The key
        stays in use until the record is purged.

        Raises as `resend`.
        """
        text = arguments.checked_reason(reason)
        return self._become(which, lambda _: Discarded(text))

    def _become(self, which: str | int, event: Callable[[float], Event]) -> Outcome:
        key = Decider(self.service, self.connections).key(which)
        return outcome_of(change(self.connections, self.service, key, event, _not_dead).record)


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
