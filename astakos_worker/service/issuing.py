"""One key, one commission: writes a new record, or finds that the same commission is there.

A decision that comes with the issue is written in the same step. So a caller that says `accept`
needs no second call, and no other decision can come in between.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Unpack

from astakos_worker.configuration import names
from astakos_worker.configuration.settings import Settings
from astakos_worker.ledger.contract import FULL, Write, Written
from astakos_worker.ledger.record import Record
from astakos_worker.ledger.request import Request
from astakos_worker.service import drafts as rules
from astakos_worker.service.connections import Connections
from astakos_worker.service.drafts import Checked, Draft
from astakos_worker.service.errors import (
    CommissionError,
    DecisionConflict,
    LedgerFull,
    Unavailable,
)
from astakos_worker.service.ledger_calls import in_batches, left_for_newer
from astakos_worker.service.options import Handling
from astakos_worker.service.outcome import check_verb

#: Other writers may change a record between a read and a write; not so many times in a row.
_TRIES = 10


@dataclass(frozen=True, slots=True)
class Issuer:
    """Issues commissions of one named service."""

    service: str
    settings: Settings
    connections: Connections

    def issue(self, request: Request, key: str | None, **options: Unpack[Handling]) -> Record:
        """Return the record of a commission, which is in the ledger now; see `Commissions.issue`.

        Raises as `Commissions.issue`.
        """
        return self.issue_one(self.draft(request, key, **options))

    def check(self, request: Request, key: str | None, **options: Unpack[Handling]) -> Checked:
        """Return the options of a new commission; `BadValue` for one that cannot be right."""
        return rules.check(self.service, self.settings, request, key, **options)

    def draft(self, request: Request, key: str | None, **options: Unpack[Handling]) -> Draft:
        """Return a new commission as `issue_all` takes it; `BadValue` as `check`."""
        return self.draft_of(request, self.check(request, key, **options))

    def draft_of(self, request: Request, checked: Checked) -> Draft:
        """Return a new commission with these options, as of now."""
        return checked.draft(self.service, request, self.connections.ledger.clock.now())

    def issue_one(self, draft: Draft) -> Record:
        """Return the record of one draft; raise its error."""
        [result] = self.issue_all([draft])
        if isinstance(result, Exception):
            raise result
        return result

    def issue_all(self, drafts: Sequence[Draft]) -> list[Record | CommissionError]:
        """Return the record of each draft, or its error: an error of one concerns it alone.

        Raises `Unavailable` if the ledger does not answer the first batch.
        """
        return in_batches([(draft.record.key, draft) for draft in drafts], self._issue_batch)

    def _issue_batch(self, items: Sequence[tuple[str, Draft]]) -> list[Record | CommissionError]:
        results = self._create([draft for _, draft in items])
        for (key, _), one in zip(items, results, strict=True):
            if isinstance(one, Written) and one.wakeup:
                version = one.entry.version if one.entry else 0
                self.connections.waker.wake(names.WAKE_ISSUE, self.service, key, version)
        return [
            one if isinstance(one, CommissionError) else _record(key, one)
            for (key, _), one in zip(items, results, strict=True)
        ]

    def _create(self, drafts: Sequence[Draft]) -> list[Written | CommissionError]:
        """Write new records, or find those that are there to be the same commissions.

        One round trip where all keys are free, whatever their number. A key may be among the
        drafts more than once.
        """
        results: dict[int, Written | CommissionError] = {}
        replays: list[int] = []
        writes = {
            n: Write(draft.record, 0, cell=draft.record.decision, wakeup=True)
            for n, draft in enumerate(drafts)
        }
        for _ in range(_TRIES):
            if not writes:
                break
            verdicts = self.connections.ledger.cas(list(writes.values()))
            tried, writes = list(writes), {}
            for n, verdict in zip(tried, verdicts, strict=True):
                if verdict.done or verdict.entry is None:
                    results[n] = verdict
                elif (again := rules.over(drafts[n], verdict.entry)) is not None:
                    writes[n] = again
                elif (conflict := rules.conflict(drafts[n], verdict.entry)) is not None:
                    results[n] = conflict
                else:
                    results[n] = Written(True, verdict.entry)
                    replays.append(n)
        results |= self._decide([(n, drafts[n].record) for n in replays])
        return [results.get(n, Written(False, None)) for n in range(len(drafts))]

    def _decide(
        self, replays: Sequence[tuple[int, Record]]
    ) -> dict[int, Written | CommissionError]:
        """Decide commissions that were there before, where a decision came with the issue."""
        decisions = {one.key: one.decision for _, one in replays if one.decision is not None}
        if not decisions:
            return {}
        verdicts = self.connections.ledger.decide(self.service, decisions)
        results: dict[int, Written | CommissionError] = {}
        for n, record in replays:
            if record.decision is None:
                continue
            results[n] = verdict = verdicts[record.key]
            try:
                if verdict.entry is not None:
                    check_verb(verdict.entry.record, record.decision.verb)
            except DecisionConflict as error:
                results[n] = error
        return results


def _record(key: str, verdict: Written) -> Record | CommissionError:
    """Return the commission, or why it is not in the ledger."""
    if verdict.entry is not None:
        return verdict.entry.record
    if verdict.newer:
        return left_for_newer(key)
    if verdict.full:
        return LedgerFull(key, FULL)
    return Unavailable(key, f"commission {key!r} changed too often to be issued: call again")
