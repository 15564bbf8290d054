"""One key, one commission: writes a new record, or finds that the same commission is there.

A decision that comes with the issue is written in the same step. So a caller that says `accept`
needs no second call, and no other decision can come in between.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Unpack

from astakos_worker.configuration import names
from astakos_worker.configuration.settings import Settings
from astakos_worker.ledger.contract import FULL, Entry, Write, Written
from astakos_worker.ledger.overtaken import retrying_overtaken
from astakos_worker.ledger.record import Record
from astakos_worker.ledger.request import Request
from astakos_worker.service import drafts as rules
from astakos_worker.service.connections import AwaitedConnections
from astakos_worker.service.drafts import Checked, Draft
from astakos_worker.service.errors import (
    CommissionError,
    DecisionConflict,
    KeyConflict,
    LedgerFull,
    Unavailable,
)
from astakos_worker.service.ledger_calls import in_batches, left_for_newer
from astakos_worker.service.options import Handling
from astakos_worker.service.outcome import check_verb

#: Other writers may overtake a write; not so many times in a row.
_TRIES = 10


@dataclass(frozen=True, slots=True)
class Issuer:
    """Issues commissions of one named service."""

    service: str
    settings: Settings
    connections: AwaitedConnections

    async def issue(self, request: Request, key: str | None, **options: Unpack[Handling]) -> Record:
        """Return the record of a commission, which is in the ledger now; see `Commissions.issue`.

        Raises as `Commissions.issue`.
        """
        return await self.issue_one(self.draft(request, key, **options))

    def check(self, request: Request, key: str | None, **options: Unpack[Handling]) -> Checked:
        """Return the options of a new commission; `BadValue` for one that cannot be right."""
        return rules.check(self.service, self.settings, request, key, **options)

    def draft(self, request: Request, key: str | None, **options: Unpack[Handling]) -> Draft:
        """Return a new commission as `issue_all` takes it; `BadValue` as `check`."""
        return self.draft_of(request, self.check(request, key, **options))

    def draft_of(self, request: Request, checked: Checked) -> Draft:
        """Return a new commission with these options, as of now."""
        return checked.draft(self.service, request, self.connections.ledger.clock.now())

    async def issue_one(self, draft: Draft) -> Record:
        """Return the record of one draft; raise its error."""
        [result] = await self.issue_all([draft])
        if isinstance(result, Exception):
            raise result
        return result

    async def issue_all(self, drafts: Sequence[Draft]) -> list[Record | CommissionError]:
        """Return the record of each draft, or its error: an error of one concerns it alone.

        Raises `Unavailable` if the ledger does not answer the first batch.
        """
        items = [(draft.record.key, draft) for draft in drafts]
        return await in_batches(
            items, self._issue_batch, self.connections.together, lambda draft: draft.token
        )

    async def _issue_batch(self, items: list[tuple[str, Draft]]) -> list[Record | CommissionError]:
        results = await self._create(items)
        for (key, _), one in zip(items, results, strict=True):
            if isinstance(one, Written) and one.wakeup:
                version = one.entry.version if one.entry else 0
                self.connections.waker.wake(names.WAKE_ISSUE, self.service, key, version)
        return [
            one if isinstance(one, CommissionError) else _record(draft, one)
            for (_, draft), one in zip(items, results, strict=True)
        ]

    async def _create(self, items: list[tuple[str, Draft]]) -> list[Written | CommissionError]:
        """Write new records, or find those that are there to be the same commissions.

        One round trip if all keys are free, for any number of them; one more if a call may reuse
        its key. A key may be among the items more than once. A draft is replaced in `items` before
        each write, so that its token tells what the write replaces.
        """
        results: dict[int, Written | CommissionError] = {}
        found: dict[int, Entry] = {}

        def write(n: int, entry: Entry | None) -> Write | None:
            key, draft = items[n]
            draft, step = rules.step(draft, entry)
            items[n] = key, draft
            if isinstance(step, Write):
                return step
            if isinstance(step, KeyConflict):
                results[n] = step
            else:
                found[n] = step
            return None

        ledger = self.connections.ledger
        writes = {n: write(n, entry) for n, entry in enumerate(await self._entries(items))}
        first = {n: one for n, one in writes.items() if one is not None}
        made = await ledger.cas(list(first.values())) if first else []
        answers = dict(zip(first, made, strict=True))
        answers = await retrying_overtaken(ledger, answers, write, tries=_TRIES)
        for n, one in answers.items():
            if n not in results and n not in found:
                results[n] = _made(one, items[n][1])
        results |= await self._decide({n: (items[n][1], entry) for n, entry in found.items()})
        return [results[n] for n in range(len(items))]

    async def _entries(self, items: Sequence[tuple[str, Draft]]) -> list[Entry | None]:
        """Read the records of the keys that may be reused; None for all others."""
        keys = {key for key, draft in items if draft.reuse}
        entries = await self.connections.ledger.get(self.service, keys) if keys else {}
        return [entries.get(key) if draft.reuse else None for key, draft in items]

    async def _decide(
        self, found: Mapping[int, tuple[Draft, Entry]]
    ) -> dict[int, Written | CommissionError]:
        """Decide commissions that were there before, where a decision came with the issue."""
        results: dict[int, Written | CommissionError] = {
            n: Written(True, entry) for n, (_, entry) in found.items()
        }
        decisions = {
            draft.record.key: draft.record.decision
            for draft, _ in found.values()
            if draft.record.decision is not None
        }
        if not decisions:
            return results
        incarnations = {
            draft.record.key: entry.record.incarnation for draft, entry in found.values()
        }
        named = {key: incarnations[key] for key in decisions}
        written = await self.connections.ledger.decide(self.service, decisions, named)
        for n, (draft, _) in found.items():
            if draft.record.decision is not None:
                results[n] = _decided(written[draft.record.key], draft.record)
        return results


def _made(written: Written, draft: Draft) -> Written | CommissionError:
    """Return what was written, or the error if it is not the commission of the draft.

    The ledger finds the commission of a repeated call: other contents under its token conflict. And
    a decision by name may have come before the request: if it is the other one, it stands.
    """
    if draft.repeated and written.entry is not None:
        conflict = rules.conflict(draft, written.entry.record)
        if conflict is not None:
            return conflict
    return _decided(written, draft.record)


def _decided(written: Written, record: Record) -> Written | CommissionError:
    """Return what was written, or the error if the decision of a new record does not stand."""
    if written.superseded:
        text = f"key {record.key!r} was used by another call in the meantime"
        return KeyConflict(record.key, text)
    try:
        if written.entry is not None and record.decision is not None:
            check_verb(written.entry.record, record.decision.verb)
    except DecisionConflict as error:
        return error
    return written


def _record(draft: Draft, written: Written) -> Record | CommissionError:
    """Return the commission, or why it is not in the ledger."""
    key = draft.record.key
    if written.entry is not None:
        return written.entry.record
    if written.newer:
        return left_for_newer(key)
    if written.full:
        return LedgerFull(key, FULL)
    text = f"commission {key!r} changed too often to be issued: call again"
    return Unavailable(key, text, draft.token)
