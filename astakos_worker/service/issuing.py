"""One key, one commission: writes a new record, or finds that the one there is the same.

Written with its decision in one step, so that a caller who says `accept` with the issue needs
no second call, and none can come in between.
"""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Unpack

from astakos_worker.configuration import names
from astakos_worker.configuration.settings import Settings
from astakos_worker.ledger.contract import FULL, Entry, Write, Written
from astakos_worker.ledger.events import Requested
from astakos_worker.ledger.record import Decision, Moment, Record, State
from astakos_worker.ledger.request import Request, Tag
from astakos_worker.ledger.states import queued, transition
from astakos_worker.service import arguments
from astakos_worker.service.calls import Parts, in_batches, left_for_newer
from astakos_worker.service.errors import (
    CommissionError,
    DecisionConflict,
    KeyConflict,
    LedgerFull,
    Unavailable,
)
from astakos_worker.service.options import How
from astakos_worker.service.outcome import check_verb, current
from astakosclient.errors import BadValue

#: Others may change a record between two looks at it; not so often in a row.
_TRIES = 10


@dataclass(frozen=True, slots=True)
class Enqueuer:
    """Enqueues commissions of one named service."""

    service: str
    settings: Settings
    parts: Parts

    def enqueue(self, request: Request, key: str | None, **options: Unpack[How]) -> Record:
        """Return the commission of this key, which is in the ledger now; see `issue`."""
        [became] = self.enqueue_all([self.order(request, key, **options)])
        if isinstance(became, Exception):
            raise became
        return became

    def order(self, request: Request, key: str | None, **options: Unpack[How]) -> "Order":
        """Return what is to be enqueued; `BadValue` for what cannot be right."""
        key, deadline, moments = self.checked(request, key, **options)
        now = self.parts.ledger.clock.now()
        record = queued(
            key,
            self.service,
            new_incarnation(),
            request,
            now=now,
            decision=Decision("accept", "", now) if options.get("accept") else None,
            deadline=None if deadline is None else now + deadline,
            callback=options.get("callback"),
            moments=moments,
        )
        return Order(record, options.get("reuse", False))

    def enqueue_all(self, orders: Sequence["Order"]) -> list[Record | CommissionError]:
        """Return the commission of each, or its error: one that fails does so alone.

        Raises `Unavailable` if the ledger is away from the start.
        """
        return in_batches([(order.record.key, order) for order in orders], self._enqueue)

    def _enqueue(self, items: Sequence[tuple[str, "Order"]]) -> list[Record | CommissionError]:
        became = self._create([order for _, order in items])
        for (key, _), one in zip(items, became, strict=True):
            if isinstance(one, Written) and one.wakeup:
                version = one.entry.version if one.entry else 0
                self.parts.waker.wake(names.WAKE_ISSUE, self.service, key, version)
        return [
            one if isinstance(one, CommissionError) else _record(key, one)
            for (key, _), one in zip(items, became, strict=True)
        ]

    def checked(
        self,
        request: Request,
        key: str | None,
        *,
        accept: bool = False,
        deadline: float | None = None,
        callback: str | None = None,
        callback_on: Iterable[Moment] = ("closed",),
        reuse: bool = False,
    ) -> tuple[str, float | None, tuple[Moment, ...]]:
        """Return key and deadline, made where there are none, and when to call back; `BadValue`."""
        if not isinstance(reuse, bool):
            raise BadValue(f"reuse must be True or False, not {reuse!r}")
        if not isinstance(accept, bool):
            raise BadValue(f"accept must be True or False, not {accept!r}")
        if deadline is not None:
            deadline = arguments.checked_seconds("deadline", deadline)
        if callback is not None:
            arguments.checked_key(callback)
        moments = arguments.checked_moments(callback_on)
        if key is None:
            key, deadline = secrets.token_hex(12), deadline or self.settings.hold_deadline
        key = arguments.checked_key(key)
        namespace = f"{self.settings.namespace}.{self.service}"
        # Any incarnation and fingerprint will do: all are of the same length.
        arguments.check_name(request, Tag(namespace, key, "0" * 8, "0" * 16))
        return key, deadline, moments

    def _create(self, orders: Sequence["Order"]) -> list[Written | CommissionError]:
        """Write new records, or find those that are there to be the same commissions.

        One round trip where all are new, whatever their number; the same key may be among them
        more than once.
        """
        became: dict[int, Written | CommissionError] = {}
        replays: list[int] = []
        writes = {
            n: Write(order.record, 0, cell=order.record.decision, wakeup=True)
            for n, order in enumerate(orders)
        }
        for _ in range(_TRIES):
            if not writes:
                break
            verdicts = self.parts.ledger.cas(list(writes.values()))
            tried, writes = list(writes), {}
            for n, verdict in zip(tried, verdicts, strict=True):
                if verdict.done or verdict.entry is None:
                    became[n] = verdict
                elif (again := _another(orders[n], verdict.entry)) is not None:
                    writes[n] = again
                elif current(verdict.entry).fingerprint != orders[n].record.fingerprint:
                    became[n] = _conflict(orders[n].record.key, current(verdict.entry))
                else:
                    became[n] = Written(True, verdict.entry)
                    replays.append(n)
        became |= self._decided([(n, orders[n].record) for n in replays])
        return [became.get(n, Written(False, None)) for n in range(len(orders))]

    def _decided(
        self, replays: Sequence[tuple[int, Record]]
    ) -> dict[int, Written | CommissionError]:
        """Decide commissions that were there: a decision that came along is their decision."""
        decisions = {one.key: one.decision for _, one in replays if one.decision is not None}
        if not decisions:
            return {}
        verdicts = self.parts.ledger.decide(self.service, decisions)
        became: dict[int, Written | CommissionError] = {}
        for n, record in replays:
            if record.decision is None:
                continue
            became[n] = verdict = verdicts[record.key]
            try:
                if verdict.entry is not None:
                    check_verb(current(verdict.entry), record.decision.verb)
            except DecisionConflict as error:
                became[n] = error
        return became


@dataclass(frozen=True, slots=True)
class Order:
    """A new commission as it would be written; `reuse` takes the key of one that has ended."""

    record: Record
    reuse: bool


def _another(order: Order, entry: Entry) -> Write | None:
    """Return what to write over a record that is there; None: it stays."""
    there, record = current(entry), order.record
    if there.state is State.AWAITED and record.request is not None:
        came = Requested(
            record.request, record.incarnation, record.deadline, record.callback, record.moments
        )
        return Write(transition(there, came, record.created), entry.version, wakeup=True)
    if order.reuse and not there.is_open:
        return Write(record, entry.version, cell=record.decision, reset=True, wakeup=True)
    return None


def _conflict(key: str, there: Record) -> KeyConflict:
    return KeyConflict(key, f"key {key!r} is in use for another commission ({there.state})")


def _record(key: str, verdict: Written) -> Record | CommissionError:
    """Return the commission, or why it is not in the ledger."""
    if verdict.entry is not None:
        return current(verdict.entry)
    if verdict.newer:
        return left_for_newer(key)
    if verdict.full:
        return LedgerFull(key, FULL)
    return Unavailable(key, f"commission {key!r} changed too often to be enqueued")


def new_incarnation() -> str:
    """Return what tells two uses of a key apart; see the wire name's tag."""
    return secrets.token_hex(4)
