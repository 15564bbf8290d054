"""Settling: decisions are sent to Astakos, many in one request, and each gets its own answer.

Before a decision is sent, the ledger holds the decision, and a mark that it is about to be sent. So
the meaning of "not found" is known. Two examples, for a commission whose accept is decided:

- The accept was sent before, and the answer was lost. Now Astakos says "not found". The earlier
  send did it: the commission is accepted (F24).
- The accept is sent for the first time, and Astakos says "not found". Somebody else settled the
  commission: it has *vanished*, which is an alarm (F25). This is believed only with proof that
  the token is the right component's: another serial of the batch was settled, or Astakos lists
  a commission of ours (`token_proof.py`).

If a batch fails as a whole, one commission may be why. The batch is halved, and the halves are
sent one after the other, until the one that fails is alone (F27).
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from astakos_worker.engine.carry.bare_serials import BareSerialChecker, needs_check
from astakos_worker.engine.carry.context import CarryContext
from astakos_worker.engine.carry.token_proof import UNPROVEN, is_token_proven, settled_ours
from astakos_worker.engine.journal import EventWrite
from astakos_worker.engine.replies import is_poison, is_too_large, plain_fault, settle_failed
from astakos_worker.ledger.contract import Entry
from astakos_worker.ledger.events import (
    Died,
    Event,
    Postponed,
    Settled,
    SettleFailed,
    SettleMarked,
    SettleNotFound,
    SettleUnsent,
    TwinSettled,
)
from astakos_worker.ledger.record import Record, State
from astakosclient.errors import AstakosClientException, Outcome

#: If Astakos knows none of a batch of at least this many serials, the lane rests (F25).
ALL_UNKNOWN = 5


@dataclass(slots=True)
class Settler:
    """Sends decisions in batches."""

    context: CarryContext
    checker: BareSerialChecker

    def run(self, entries: Sequence[Entry], *, fresh: bool) -> None:
        """Send the decisions of these records.

        `fresh`: they were claimed a moment ago, so no other worker can have claimed them since.
        """
        context = self.context
        size = context.memory.batch_size.at(context.clock.now(), context.limits.settle_batch)
        unchecked = [entry for entry in entries if needs_check(entry.record)]
        if unchecked:
            fresh = False
            rest = [entry for entry in entries if not needs_check(entry.record)]
            entries = [*rest, *self.checker.run(unchecked)]
        waiting = deque(_batches(entries, size))
        while waiting:
            batch = waiting.popleft()
            if context.breaker.open:
                for entry in batch:
                    # The marked send did not happen. An earlier send stays recorded.
                    event = _not_sent(entry.record, context.clock.now()) if entry.marked else None
                    context.record(entry, event)
                continue
            marked = self._marked(batch, fresh=fresh)
            fresh = False
            # The halves come last. With one bad commission among many good ones, a request that
            # succeeds then follows soon, and the breaker does not take it for an outage.
            waiting.extend(self._send(marked))

    def _marked(self, entries: Sequence[Entry], *, fresh: bool) -> list[Entry]:
        """Return the records for which the ledger has this worker's mark that it is about to send.

        The claim has marked most of them. A record that was claimed a moment ago keeps its
        mark. For an older one the claim is renewed first: another worker may have claimed it
        since, and then it is left out.
        """
        going = [replace(e, marked=False) for e in entries if fresh and e.marked]
        renewed = self._mark(
            (entry, None if entry.marked or not _settles(entry.record) else SettleMarked())
            for entry in entries
            if not (fresh and entry.marked)
        )
        # A record that was claimed only for its twin may have been decided since.
        late = [e for e in renewed if _settles(e.record) and not e.record.sent]
        others = [entry for entry in renewed if entry not in late]
        return going + others + self._mark((entry, SettleMarked()) for entry in late)

    def _mark(self, pairs: Iterable[tuple[Entry, Event | None]]) -> list[Entry]:
        lease = self.context.limits.lease
        writes = [EventWrite(entry, event, fenced=True, lease=lease) for entry, event in pairs]
        if not writes:
            return []
        return [entry for entry in self.context.journal.write(writes) if entry is not None]

    def _send(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        """Send one batch; return the halves that are to be sent on their own."""
        context = self.context
        batch, apart = _distinct(entries)
        for entry in apart:
            context.record(entry, _not_sent(entry.record, context.clock.now()))
        if not batch:
            return []
        accept = [e.record.serial for e in batch if _verb(e.record) == "accept"]
        reject = [e.record.serial for e in batch if _verb(e.record) == "reject"]
        reject += [t.serial for e in batch for t in e.record.twins if not t.done]
        try:
            reply = context.astakos.resolve_commissions(
                [n for n in accept if n is not None], [n for n in reject if n is not None]
            )
        except AstakosClientException as error:
            return self._failed(error, batch)
        rows = _rows(reply)
        if set(rows.values()) == {"unknown"} and not self._are_unknown_believed(batch, rows):
            return []
        records = [entry.record for entry in batch]
        context.breaker.succeeded("settle", records)
        if {"accepted", "rejected"} & set(rows.values()):
            settled_ours(context, records)
        for entry in batch:
            self._record_answers(entry, rows)
        return []

    # --- Not found ----------------------------------------------------------------------------

    def _are_unknown_believed(self, batch: Sequence[Entry], rows: Mapping[int, str]) -> bool:
        """Return whether to believe that Astakos knows none of these serials.

        If not, all of them stay open. If they are five or more, the lane rests: with another
        component's token no request can succeed.
        """
        context = self.context
        first = self._first_sends(batch)
        if not first:
            return True
        suspects = {e.record.serial for e in first if e.record.serial is not None}
        try:
            if is_token_proven(context, suspects):
                return True
        except AstakosClientException as error:
            context.breaker.failed(error)
        if len(rows) >= ALL_UNKNOWN or context.breaker.on_trial:
            text = f"Astakos knows none of {len(rows)} serials; is the token another component's?"
            context.breaker.rest("token", text)
        for entry in batch:
            due = context.retry_at(entry.record)
            # The request did nothing, so it is not an earlier send for the next "not found".
            event = SettleUnsent(entry.record.settles, due, UNPROVEN)
            context.record(entry, event if _settles(entry.record) else Postponed(due))
        return False

    def _first_sends(self, batch: Sequence[Entry]) -> list[Entry]:
        """Read the records again; return those that are still being settled by their first send.

        Another worker may have settled them while this process was halted. Then "not found" proves
        nothing against the token.
        """
        first = [e for e in batch if _settles(e.record) and len(e.record.sent) == 1]
        if not first:
            return []
        context = self.context
        now = context.ledger.get(context.lane, [entry.record.key for entry in first])
        return [
            entry
            for entry in now.values()
            if entry.record.state is State.SETTLING and len(entry.record.sent) == 1
        ]

    # --- Answers ------------------------------------------------------------------------------

    def _record_answers(self, entry: Entry, rows: Mapping[int, str]) -> None:
        """Record what Astakos answered for one commission and its twins."""
        context, record = self.context, entry.record
        done = [
            TwinSettled(twin.serial)
            for twin in record.twins
            if not twin.done and rows.get(twin.serial) in {"rejected", "unknown"}
        ]
        for event in done:
            context.record(entry, event)
        if record.serial is None or not _settles(record):
            if not done:
                self._later(entry, "no answer for its twin")
            return
        row = rows.get(record.serial)
        if row == ("accepted" if _verb(record) == "accept" else "rejected"):
            context.record(entry, Settled())
        elif row == "unknown":
            context.record(entry, SettleNotFound())
        else:
            why = f"Astakos answered {row or 'nothing'} for it"
            self._later(entry, why, refused=row is not None)

    def _later(self, entry: Entry, why: str, *, refused: bool = False) -> None:
        due = self.context.retry_at(entry.record)
        fault = plain_fault("NotSettled", why)
        if not _settles(entry.record):
            self.context.record(entry, Postponed(due, fault))
        elif refused:  # this send did nothing, so it does not count as an earlier one (F25)
            self.context.record(entry, SettleUnsent(entry.record.settles, due, fault))
        else:
            self.context.record(entry, SettleFailed(due, fault))

    # --- Failures -----------------------------------------------------------------------------

    def _failed(self, error: AstakosClientException, batch: list[Entry]) -> list[list[Entry]]:
        """Record that a batch failed as a whole; return the halves to be sent on their own."""
        context = self.context
        now = context.clock.now()
        if is_too_large(error):
            context.memory.batch_size.found_too_large(len(batch), now)
        else:
            alone = batch[0].record if len(batch) == 1 else None
            context.breaker.failed(error, alone, "settle")
        if len(batch) > 1 and (is_poison(error) or is_too_large(error)):
            if error.outcome is Outcome.REFUSED:
                batch = self._nothing_sent(batch, now)
            # Otherwise the request may have been executed, so the send stays recorded.
            half = len(batch) // 2
            return [batch[:half], batch[half:]]
        for entry in batch:
            event = self._failure(error, entry.record, now)
            if isinstance(event, Died):
                context.breaker.end_request_alarms()
            context.record(entry, event)
        return []

    def _nothing_sent(self, batch: Sequence[Entry], now: float) -> list[Entry]:
        """Remove a send that Astakos refused from the records; return the records as written."""
        lease = self.context.limits.lease
        twins = [entry for entry in batch if not _settles(entry.record)]
        unsent = [
            EventWrite(entry, SettleUnsent(entry.record.settles, now), lease=lease)
            for entry in batch
            if _settles(entry.record)
        ]
        return [e for e in self.context.journal.write(unsent) if e is not None] + twins

    def _failure(self, error: AstakosClientException, record: Record, now: float) -> Event:
        context = self.context
        if not _settles(record):
            return Postponed(context.retry_at(record))
        since = record.failing_since
        others = since is not None and context.memory.succeeded_since("settle", since)
        return settle_failed(error, record, now, context.limits, context.draw, others=others)


def _batches(entries: Sequence[Entry], size: int) -> Iterator[Sequence[Entry]]:
    """Yield batches of at most `size`: first of records that have not failed, then of the others.

    So a commission that fails each time is not halved out of a batch of others at each try.
    """
    ordered = sorted(entries, key=lambda entry: entry.record.settles_with)
    for failing in (False, True):
        alike = [e for e in ordered if (e.record.failing_since is not None) is failing]
        yield from (alike[i : i + size] for i in range(0, len(alike), size))


def _settles(record: Record) -> bool:
    """Return whether its own serial is to be settled, and not only a twin of it."""
    return record.decision is not None and record.state in {State.PENDING, State.SETTLING}


def _not_sent(record: Record, now: float) -> Event:
    return SettleUnsent(record.settles, now) if _settles(record) else Postponed(now)


def _verb(record: Record) -> str | None:
    return record.decision.verb if record.decision and _settles(record) else None


def _distinct(entries: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Split the entries so that no serial is named twice in one request (F23, F28)."""
    seen: set[int] = set()
    together, apart = [], []
    for entry in entries:
        record = entry.record
        serials = {t.serial for t in record.twins if not t.done}
        if record.serial is not None and _settles(record):
            serials.add(record.serial)
        if serials & seen:
            apart.append(entry)
        else:
            seen |= serials
            together.append(entry)
    return together, apart


def _rows(reply: Mapping[str, Any]) -> dict[int, str]:
    """Return "accepted", "rejected", "unknown" or "failed" by serial; leave out malformed rows."""
    rows: dict[int, str] = {}
    for name in ("accepted", "rejected"):
        rows.update({n: name for n in reply.get(name) or () if type(n) is int})
    for pair in reply.get("failed") or ():
        match pair:
            case [int(serial), {**fault}]:
                rows[serial] = "unknown" if "itemNotFound" in fault else "failed"
    return rows
