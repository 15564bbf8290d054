"""Whose a serial is that a caller named by itself: asked before anything is sent for it.

Its name in Astakos tells. One that belongs to a commission of ours gets that commission its
serial and its decision, and nothing is sent for the bare one: with two records at work for one
serial, the success of one would be the other's "not found". One of somebody else's making is
settled as its caller decided. One that Astakos does not know is `unknown`: of it nothing was
sent, whatever was about to be.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from astakos_worker.engine.breaker import CircuitBreaker
from astakos_worker.engine.journal import EventWrite, Journal
from astakos_worker.engine.listed import identity_of, read_info
from astakos_worker.engine.ports import Astakos, Draw, Limits
from astakos_worker.engine.replies import fault_of, plain_fault
from astakos_worker.ledger.contract import Clock, Entry, Ledger
from astakos_worker.ledger.events import (
    Conflicted,
    Issued,
    Merged,
    NotThere,
    Postponed,
    Recognised,
)
from astakos_worker.ledger.record import Record, is_bare
from astakos_worker.ledger.request import read_tag
from astakosclient.errors import AstakosClientException

log = structlog.get_logger(__name__)

#: So many of which not one is known belong to another token (F25).
ALL_UNKNOWN = 5


def needs_check(record: Record) -> bool:
    """Return whether a record is of a bare serial for which nothing has been sent."""
    return record.bare and record.decision is not None and not record.sent


@dataclass(frozen=True, slots=True)
class BareSerialChecker:
    """Looks at bare serials before their decisions are sent."""

    astakos: Astakos
    ledger: Ledger
    journal: Journal
    clock: Clock
    limits: Limits
    draw: Draw

    def run(
        self, entries: Sequence[Entry], breaker: CircuitBreaker, out: list[EventWrite]
    ) -> list[Entry]:
        """Return those to be settled; append what is to be recorded of the others to `out`."""
        until = self.clock.now() + self.limits.carry_seconds
        seen: list[EventWrite] = []
        gone: list[Entry] = []
        for entry in entries:
            now = self.clock.now()
            if breaker.open or now >= until:
                out.append(EventWrite(entry, None))
                continue
            try:
                info = read_info(self.astakos, _serial(entry))
            except AstakosClientException as error:
                breaker.failed(error)
                later = now + self.limits.backoff(entry.record.attempts, self.draw)
                out.append(EventWrite(entry, Postponed(later, fault_of(error))))
                continue
            breaker.answered()
            if info is None:
                gone.append(entry)
            else:
                seen += self._seen(entry, info, out)
        if gone:
            self._gone(gone, breaker, out, alone=len(gone) == len(entries))
        return [entry for entry in self.journal.write(seen) if entry is not None]

    def _seen(
        self, entry: Entry, info: Mapping[str, Any], out: list[EventWrite]
    ) -> list[EventWrite]:
        """Judge one that is pending."""
        name, record = str(info["name"]), entry.record
        tag, print_ = read_tag(name), identity_of(info)
        if tag is not None and tag.namespace == self.limits.tag_namespace(record.service):
            owner = self.ledger.get(record.service, [tag.key]).get(tag.key)
            if owner is None and self.ledger.newer(record.service, [tag.key]):
                later = self.clock.now() + self.limits.backoff(record.attempts, self.draw)
                out.append(
                    EventWrite(entry, Postponed(later))
                )  # whose it is, the newer ones know (F78)
                return []
            if owner is not None and owner.record.incarnation == tag.incarnation:
                adopted = Issued(_serial(entry), "adopted")
                self.journal.write([EventWrite(owner, adopted, holder=False)])
                out.append(self._merged(entry, tag.key))
                return []
        if record.seen not in {None, print_}:  # F44
            out.append(self._conflict(entry, "it is another commission's now"))
            return []
        return [EventWrite(entry, Recognised(print_, name), lease=self.limits.lease)]

    def _gone(
        self,
        entries: Sequence[Entry],
        breaker: CircuitBreaker,
        out: list[EventWrite],
        *,
        alone: bool,
    ) -> None:
        """Judge those that Astakos does not hold: settled by the record that has them, or never.

        The ledger is read after Astakos: who settled one in between has said so before.
        """
        lane = entries[0].record.service
        owners = self.ledger.find(lane, [_serial(entry) for entry in entries])
        owned = [entry for entry in entries if not is_bare(owners.get(_serial(entry), "\x1f"))]
        out.extend(self._merged(entry, owners[_serial(entry)]) for entry in owned)
        rest = [entry for entry in entries if entry not in owned]
        if alone and len(rest) >= ALL_UNKNOWN:
            breaker.rest_for_unknown_serials(len(rest))
            out.extend(EventWrite(entry, None) for entry in rest)
            return
        out.extend(EventWrite(entry, NotThere()) for entry in rest)

    def _merged(self, bare: Entry, key: str) -> EventWrite:
        """Hand a decision over to the commission of a key; the one that it has had stands."""
        record = bare.record
        decision = record.decision
        if decision is None:
            raise ValueError(f"{record.key!r} is not decided")
        verdict = self.ledger.decide(record.service, {key: decision})[key]
        held = verdict.entry.cell if verdict.entry else None
        if held is not None and held.verb != decision.verb:
            return self._conflict(bare, f"it is {key!r}, for which {held.verb} was decided")
        return EventWrite(bare, Merged(key))

    def _conflict(self, bare: Entry, why: str) -> EventWrite:
        text = f"serial {_serial(bare)}: {why}"
        log.error("conflict", lane=bare.record.service, serial=_serial(bare), reason=why)
        self.ledger.alarm(bare.record.service, "conflict", text)
        return EventWrite(bare, Conflicted(plain_fault("Conflict", text)))


def _serial(entry: Entry) -> int:
    if entry.record.serial is None:
        raise ValueError(f"{entry.record.key!r} is no bare serial")
    return entry.record.serial
