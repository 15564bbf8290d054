"""Bare serials: a caller names a serial, and the ledger has no record of how it was issued.

Before a decision for a bare serial is sent, the commission is read from Astakos. Its name says
whose commission it is:

- Ours, by the tag in its name. The record of that key gets the serial and the decision, and
  nothing is sent for the bare serial. If both records sent the decision, the first would succeed,
  and the second would get "not found".
- Not ours: a service's own client issued it, for example. It is settled as the caller decided.
- Not pending any more, or never there: `unknown`. Nothing was sent for it. This is believed only
  with proof that the token is the right component's (`token_proof.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from astakos_worker.configuration.event_log import EventLog
from astakos_worker.engine.carry.context import CarryContext
from astakos_worker.engine.carry.token_proof import UNPROVEN, is_token_proven
from astakos_worker.engine.journal import EventWrite
from astakos_worker.engine.listed import identity_of, read_info
from astakos_worker.engine.replies import fault_of, plain_fault
from astakos_worker.ledger.contract import Entry
from astakos_worker.ledger.events import (
    Conflicted,
    Event,
    Issued,
    Merged,
    NotThere,
    Postponed,
    Recognised,
)
from astakos_worker.ledger.record import Record, is_bare
from astakos_worker.ledger.request import read_tag
from astakosclient.errors import AstakosClientException

log = EventLog(__name__)


def needs_check(record: Record) -> bool:
    """Return whether a record is a decided bare serial for which nothing has been sent."""
    return record.bare and record.decision is not None and not record.sent


@dataclass(frozen=True, slots=True)
class BareSerialChecker:
    """Asks Astakos about bare serials before their decisions are sent."""

    context: CarryContext

    def run(self, entries: Sequence[Entry]) -> list[Entry]:
        """Return the records whose decisions are to be sent; record the events of the others."""
        context = self.context
        until = context.clock.now() + context.limits.carry_seconds
        known: list[EventWrite] = []
        unknown: list[Entry] = []
        asked = 0
        for entry in entries:
            if context.breaker.open or context.clock.now() >= until:
                context.record(entry, None)
                continue
            try:
                info = read_info(context.astakos, _serial(entry))
            except AstakosClientException as error:
                context.breaker.failed(error, entry.record, "settle")
                due = context.retry_at(entry.record)
                context.record(entry, Postponed(due, fault_of(error)))
                continue
            asked += 1
            if info is None:
                unknown.append(entry)
            else:
                known += self._pending(entry, info)
        if unknown:
            self._not_found(unknown, proven=len(unknown) < asked)
        return [entry for entry in context.journal.write(known) if entry is not None]

    def _pending(self, entry: Entry, info: Mapping[str, Any]) -> list[EventWrite]:
        """Return what is to be written before the decision of a pending serial is sent."""
        context, record = self.context, entry.record
        name, identity = str(info["name"]), identity_of(info)
        tag = read_tag(name)
        if tag is not None and tag.namespace == context.limits.tag_namespace(record.service):
            owner = context.ledger.get(record.service, [tag.key]).get(tag.key)
            if owner is None and context.ledger.newer(record.service, [tag.key]):
                # A newer worker can read the record of that key, and will merge this one (F78).
                context.record(entry, Postponed(context.retry_at(record)))
                return []
            if owner is not None and owner.record.incarnation == tag.incarnation:
                adopted = Issued(_serial(entry), "adopted")
                context.journal.write([EventWrite(owner, adopted, holder=False)])
                context.record(entry, self._merged(entry, tag.key))
                return []
        if record.seen not in {None, identity}:  # F44
            context.record(entry, self._conflict(entry, "it is another commission's now"))
            return []
        return [EventWrite(entry, Recognised(identity, name), lease=context.limits.lease)]

    def _not_found(self, entries: Sequence[Entry], *, proven: bool) -> None:
        """Record what it means that Astakos does not know these serials.

        The ledger is read after Astakos: a record that settled one of them in between has the
        serial by now. `proven`: Astakos knew another serial that a caller named, so that the
        token is the right component's.
        """
        context = self.context
        owners = context.ledger.find(context.lane, [_serial(entry) for entry in entries])
        rest = []
        for entry in entries:
            key = owners.get(_serial(entry))
            if key is None or is_bare(key):
                rest.append(entry)
            else:
                context.record(entry, self._merged(entry, key))
        if not rest:
            return
        try:
            proven = proven or is_token_proven(context, [_serial(entry) for entry in rest])
        except AstakosClientException as error:
            context.breaker.failed(error)
        for entry in rest:
            stays = Postponed(context.retry_at(entry.record), UNPROVEN)
            context.record(entry, NotThere() if proven else stays)

    def _merged(self, bare: Entry, key: str) -> Event:
        """Hand a bare serial's decision to the record of a key; return the bare one's event."""
        record = bare.record
        decision = record.decision
        if decision is None:
            raise ValueError(f"{record.key!r} is not decided")
        answer = self.context.ledger.decide(record.service, {key: decision})[key]
        held = answer.entry.cell if answer.entry else None
        if held is not None and held.verb != decision.verb:
            return self._conflict(bare, f"it is {key!r}, for which {held.verb} was decided")
        return Merged(key)

    def _conflict(self, bare: Entry, why: str) -> Event:
        lane, serial = bare.record.service, _serial(bare)
        log.error("conflict", lane=lane, serial=serial, reason=why)
        text = f"serial {serial}: {why}"
        self.context.ledger.alarm(lane, "conflict", text)
        return Conflicted(plain_fault("Conflict", text))


def _serial(entry: Entry) -> int:
    if entry.record.serial is None:
        raise ValueError(f"{entry.record.key!r} is not a bare serial")
    return entry.record.serial
