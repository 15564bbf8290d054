"""Bugs that the simulation must find. Each breaks one rule of the engine, ledger or client.

Each bug is a function that patches the code under test. The test that uses it removes the patch.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from astakos_worker.engine import journal, listed, replies
from astakos_worker.engine.carry import bare_serials, issue, settle, token_proof
from astakos_worker.engine.carry.bare_serials import BareSerialChecker
from astakos_worker.engine.carry.carrier import Carrier
from astakos_worker.engine.carry.context import CarryContext
from astakos_worker.engine.carry.issue import PostSender
from astakos_worker.engine.journal import EventWrite, Journal
from astakos_worker.engine.sweep import sweep, unrecorded
from astakos_worker.ledger import marks
from astakos_worker.ledger.contract import Asked, Claim, Entry, Write, Written
from astakos_worker.ledger.events import (
    Absent,
    Event,
    Issued,
    Marked,
    Refused,
    Settled,
    SettleFailed,
    SettleMarked,
    SettleNotFound,
    Unsent,
)
from astakos_worker.ledger.memory.rows import MemoryRow
from astakos_worker.ledger.memory.store import MemoryLedger
from astakos_worker.ledger.record import Decision, Record, State, Twin
from astakos_worker.ledger.request import Tag, read_tag
from astakos_worker.ledger.states import transition
from astakosclient.errors import Unauthorized
from tests.simulation.oracle import NAMESPACE
from tests.simulation.simulated_astakos import SimulatedAstakos

Patch = pytest.MonkeyPatch


def _transitions(patch: Patch, changed: Callable[[Record, Event, float], Record]) -> None:
    for module in (journal, marks):
        patch.setattr(module, "transition", changed)


def no_probe(patch: Patch) -> None:
    """What may have been done is done again at once (rule 7)."""

    def probe(self: PostSender, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self.context.record(entry, Unsent(entry.record.marks, self.context.clock.now()))

    patch.setattr(PostSender, "probe", probe)


def probe_believed_too_early(patch: Patch) -> None:
    """An absence is believed before the quiet horizon has passed (rule 7)."""

    def changed(record: Record, event: Event, now: float) -> Record:
        if isinstance(event, Marked):
            event = replace(event, quiet_at=now)
        return transition(record, event, now)

    _transitions(patch, changed)


def verdict_after_doubt_trusted(patch: Patch) -> None:
    """A 413 after an ambiguous attempt is taken for the last word (F13)."""

    def changed(record: Record, event: Event, now: float) -> Record:
        if isinstance(event, Refused):
            record = structs.replace(record, doubts=0)
        return transition(record, event, now)

    _transitions(patch, changed)


def first_not_found_is_success(patch: Patch) -> None:
    """The first "not found" of a decision counts as done (rule 3, F25)."""

    def changed(record: Record, event: Event, now: float) -> Record:
        return transition(record, Settled() if isinstance(event, SettleNotFound) else event, now)

    _transitions(patch, changed)


def marked_again(patch: Patch) -> None:
    """Who claims what another may have sent sends it too (rule 7)."""
    mark = MemoryLedger._mark

    def changed(self: MemoryLedger, asked: Asked, row: MemoryRow, now: float) -> bool:
        if row.record.state is State.QUEUED:
            row.mark = None
        return mark(self, asked, row, now)

    patch.setattr(MemoryLedger, "_mark", changed)


def late_serial_rejected_on_sight(patch: Patch) -> None:
    """A serial that comes when the record has moved on is a twin, the same one too (F17)."""

    def changed(record: Record, event: Event, now: float) -> Record:
        if isinstance(event, Issued) and record.state is State.PENDING:
            return structs.replace(record, twins=(*record.twins, Twin(event.serial)), due=now)
        return transition(record, event, now)

    _transitions(patch, changed)


def sent_before_recorded(patch: Patch) -> None:
    """The message goes before the ledger knows: a claim that leaves no mark (rule 1)."""
    claim = MemoryLedger._claim

    def changed(self: MemoryLedger, asked: Asked) -> Claim:
        done = claim(self, asked)
        for entry in done.entries:
            row = self._row(asked.lane, entry.record.key)
            if row is not None:
                row.mark = None
        return done

    patch.setattr(MemoryLedger, "_claim", changed)


def decision_sent_before_recorded(patch: Patch) -> None:
    """That a decision is about to be sent is not recorded (rule 3)."""

    def changed(record: Record, event: Event, now: float) -> Record:
        after = transition(record, event, now)
        return structs.replace(after, sent=(1,)) if isinstance(event, SettleMarked) else after

    _transitions(patch, changed)


def decided_twice(patch: Patch) -> None:
    """The last decision counts instead of the first (rule 2, F23)."""
    decide = MemoryLedger._decide

    def changed(
        self: MemoryLedger, lane: str, key: str, decision: Decision, incarnation: str | None = None
    ) -> Written:
        row = self._row(lane, key)
        if row is not None and row.record.is_open:
            row.cell = None
        return decide(self, lane, key, decision, incarnation)

    patch.setattr(MemoryLedger, "_decide", changed)


def versions_not_compared(patch: Patch) -> None:
    """A write replaces whatever is there (the contract of `cas`)."""
    cas = MemoryLedger._cas

    def changed(self: MemoryLedger, write: Write) -> Written:
        row = self._row(write.record.service, write.record.key)
        return cas(self, replace(write, version=row.version if row else 0))

    patch.setattr(MemoryLedger, "_cas", changed)


def foreign_taken_for_ours(patch: Patch) -> None:
    """A pending commission without a tag is one of ours that was lost (rule 9, F34)."""

    def read(name: str) -> Tag:
        return read_tag(name) or Tag(NAMESPACE, "lost", "0" * 8, "0" * 16)

    for module in (listed, unrecorded):
        patch.setattr(module, "read_tag", read)


def namespace_ignored(patch: Patch) -> None:
    """A tag of another ledger is taken for one of ours (F70)."""
    all_strangers = listed.unrecorded_serials

    def changed(infos: Any, ledger: Any, lane: str, serials: Any, namespace: str) -> Any:
        yield from all_strangers(infos, ledger, lane, serials, "other.svc")
        yield from all_strangers(infos, ledger, lane, serials, namespace)

    patch.setattr(unrecorded, "unrecorded_serials", changed)


def auto_accept_sent(patch: Patch) -> None:
    """A commission that is decided already is issued with `auto_accept` (rule 5, F16)."""
    issue_provisions = SimulatedAstakos.issue_provisions

    def changed(self: SimulatedAstakos, provisions: Any, name: str, force: bool, **_: Any) -> int:
        return issue_provisions(self, provisions, name, force, auto_accept=True)

    patch.setattr(SimulatedAstakos, "issue_provisions", changed)


def twin_forgotten(patch: Patch) -> None:
    """A second serial of a key is overlooked, and stays pending for ever (rule 2, F7)."""

    def changed(record: Record, event: Event, now: float) -> Record:
        if isinstance(event, Issued) and record.serial is not None:
            return record
        return transition(record, event, now)

    _transitions(patch, changed)


def row_of_answer_not_read(patch: Patch) -> None:
    """A batch that was answered is done, whatever its rows say (F26)."""

    def rows(reply: Mapping[str, Any]) -> dict[int, str]:
        failed = [serial for serial, _ in reply["failed"]]
        return dict.fromkeys(reply["accepted"] + failed, "accepted") | dict.fromkeys(
            reply["rejected"], "rejected"
        )

    patch.setattr(settle, "_rows", rows)


def ambiguity_not_seen(patch: Patch) -> None:
    """A lost answer is taken for a request that was never sent (F5)."""

    def changed(error: Any, record: Record, now: float, *more: Any, **others: bool) -> Event:
        event = issue_failed(error, record, now, *more, **others)
        if isinstance(event, Absent | Refused) or not hasattr(event, "fault"):
            return event
        return Unsent(record.marks, now + 1, event.fault)

    issue_failed = replies.issue_failed
    patch.setattr(issue, "issue_failed", changed)


def issued_although_rejected(patch: Patch) -> None:
    """A commission rejected before it was issued is issued all the same (F18, F19)."""
    mark = MemoryLedger._mark

    def changed(self: MemoryLedger, asked: Asked, row: MemoryRow, now: float) -> bool:
        cell, row.cell = row.cell, None
        fresh = row.record.state is State.QUEUED and mark(self, asked, row, now)
        row.cell = cell
        return fresh or mark(self, asked, row, now)

    patch.setattr(MemoryLedger, "_mark", changed)


def expiry_forgotten(patch: Patch) -> None:
    """Nobody decides for a caller that is gone (F37, F80)."""
    patch.setattr(sweep, "expire_undecided", lambda _sweep: iter(()))


def bare_serial_not_looked_at(patch: Patch) -> None:
    """A serial that a caller named is settled beside the commission whose it is (F25)."""

    def run(_self: BareSerialChecker, entries: Sequence[Entry]) -> list[Entry]:
        return list(entries)

    patch.setattr(BareSerialChecker, "run", run)


def reused_serial_believed(patch: Patch) -> None:
    """What has a serial of ours is ours, whatever its name says (F44)."""
    patch.setattr(unrecorded, "_is_still", lambda *_: True)


def restored_twin_overlooked(patch: Patch) -> None:
    """A twin that was rejected is never looked at again (F43)."""
    closed_before = unrecorded._closed_before

    def changed(record: Record, serial: int, begun: float) -> bool:
        return record.serial == serial and closed_before(record, serial, begun)

    patch.setattr(unrecorded, "_closed_before", changed)


def incarnation_ignored(patch: Patch) -> None:
    """What a former commission of a key comes to is written to its successor (rule 4, F71)."""
    prepare = Journal._prepare

    def changed(self: Journal, step: EventWrite, entry: Entry) -> Write | None:
        mine = structs.replace(step.entry.record, incarnation=entry.record.incarnation)
        return prepare(self, replace(step, entry=replace(step.entry, record=mine)), entry)

    patch.setattr(Journal, "_prepare", changed)


def not_found_believed_without_proof(patch: Patch) -> None:
    """What another component's token does not know is taken for gone (F25, F87)."""
    for module in (settle, bare_serials):
        patch.setattr(module, "is_token_proven", lambda *_: True)


def any_list_proves_the_token(patch: Patch) -> None:
    """A list that holds anything at all is taken for the list of our own component (F25)."""
    patch.setattr(token_proof, "lists_ours", lambda _ledger, _lane, listed, _suspects: bool(listed))


def storm_kills_decided(patch: Patch) -> None:
    """An error of every settle is taken for the fault of each commission (F85)."""

    def changed(*args: Any, others: bool) -> Event:
        del others
        return settle_failed(*args, others=True)

    settle_failed = replies.settle_failed
    patch.setattr(settle, "settle_failed", changed)


def storm_kills_queued(patch: Patch) -> None:
    """An error of every issue is taken for the fault of each commission (F85)."""

    def changed(*args: Any, others: bool) -> Event:
        del others
        return issue_failed(*args, others=True)

    issue_failed = replies.issue_failed
    patch.setattr(issue, "issue_failed", changed)


def refused_token_counts_as_a_send(patch: Patch) -> None:
    """A settle that Astakos refused for its token counts as one that may have been done (F25)."""

    def changed(error: Any, record: Record, now: float, *more: Any, **others: bool) -> Event:
        if isinstance(error, Unauthorized):
            return SettleFailed(now + 1, replies.fault_of(error))
        return settle_failed(error, record, now, *more, **others)

    settle_failed = replies.settle_failed
    patch.setattr(settle, "settle_failed", changed)


def mark_lost_after_a_callback(patch: Patch) -> None:
    """A record whose call-back was sent is announced a second time before its settle (F25)."""
    call_back = Carrier._call_back

    def changed(self: Carrier, context: CarryContext, entries: Sequence[Entry]) -> list[Entry]:
        return [replace(entry, marked=False) for entry in call_back(self, context, entries)]

    patch.setattr(Carrier, "_call_back", changed)


def repeated_call_resets_its_own_commission(patch: Patch) -> None:
    """A call with `reuse` that the connection repeats begins the key's next life again (F81)."""
    cas = MemoryLedger._cas

    def changed(self: MemoryLedger, write: Write) -> Written:
        service, key = write.record.service, write.record.key
        row = self._row(service, key)
        mine = row is not None and row.record.incarnation == write.record.incarnation
        if row is not None and mine and write.reset and not row.record.is_open:
            self._at(service).purge(key)
            write = replace(write, version=0, reset=False)
        return cas(self, write)

    patch.setattr(MemoryLedger, "_cas", changed)
