"""Dead letters: commissions that cannot go on without a person, who sends them again or not.

Safe by the ledger's rules: what is sent again goes on where its record's facts say that it was,
so what may have reached Astakos is looked for first, and the decision that was taken stands.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from astakos_worker.configuration.settings import Settings
from astakos_worker.ledger.contract import Entry
from astakos_worker.ledger.events import Discarded, Event, Revived
from astakos_worker.ledger.record import Record, State, shown
from astakos_worker.service.changing import change
from astakos_worker.service.connections import Connections
from astakos_worker.service.deciding import Decider, bare_serial
from astakos_worker.service.errors import NotDead
from astakos_worker.service.ledger_calls import ledger_errors, missing
from astakos_worker.service.outcome import Outcome, current, outcome_of


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead commission, as a list shows it. `since` is seconds since the epoch."""

    key: str
    which: str | int  # what the calls take: a serial that was issued elsewhere has no key
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
        """Return the dead commissions, those that will be purged first in front."""
        with ledger_errors("dead letters"):
            keys = self.connections.ledger.dead(self.service, limit)
            entries = self.connections.ledger.get(self.service, keys)
        found = [current(entries[key]) for key in keys if key in entries]
        return [_shown(record) for record in found if record.state is State.DEAD]

    def choices(self, which: str | int) -> dict[str, str]:
        """Return what `resend` and `discard` would do with a dead commission, in words."""
        entry = self._entry(Decider(self.service, self.connections).key(which))
        record = entry.record
        if record.state is not State.DEAD:
            raise _not_dead(entry)
        verb = record.decision.verb if record.decision else None
        if record.serial is not None:
            again = f"sends its {verb} again" if verb else "leaves it pending, for its decision"
            return {"resend": again, "discard": f"rejects serial {record.serial} at Astakos"}
        if record.request is None:
            again = (
                f"keeps its {verb} for {self.settings.awaited:g} s more, until its request comes"
            )
        elif record.marks:
            again = "looks for it at Astakos, and issues it if it is not there"
        else:
            again = "issues it"
        return {"resend": again, "discard": "closes it: nothing is known to be reserved"}

    def resend(self, which: str | int) -> Outcome:
        """Send a dead commission on its way again; return how it stands.

        With a serial, its decision is sent again. Without one it is issued; if an earlier
        request may have reached Astakos, only after a probe. A decision whose request never came
        waits for it once more.

        Raises `NotDead`, `UnknownKey`, `Unavailable`.
        """
        return self._become(which, lambda now: Revived(now + self.settings.awaited))

    def discard(self, which: str | int, reason: str = "") -> Outcome:
        """Give a dead commission up for good; return how it stands.

        If it has a serial that is rejected at Astakos, whatever had been decided: nothing stays
        reserved. Without one it is closed, and one that turns up later is rejected by the sweep.
        Its key stays in use until it is purged.

        Raises as `resend`.
        """
        return self._become(which, lambda _: Discarded(reason))

    def _become(self, which: str | int, event: Callable[[float], Event]) -> Outcome:
        key = Decider(self.service, self.connections).key(which)
        return outcome_of(current(change(self.connections, self.service, key, event, _not_dead)))

    def _entry(self, key: str) -> Entry:
        with ledger_errors(key):
            entry = self.connections.ledger.get(self.service, [key]).get(key)
            if entry is None:
                raise missing(self.connections.ledger, self.service, key)
        return entry


def _not_dead(entry: Entry) -> NotDead:
    record = current(entry)
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
