"""Brings rows of the outbox into the ledger, and says what became of each.

A row may be delivered again after its process died: the ledger then finds its commission by the
row's incarnation, or its decision. A row that can never succeed fails, and only the newer rows of
its key wait for a person.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from astakos_worker.configuration.settings import Settings
from astakos_worker.ledger.awaited import at_once
from astakos_worker.ledger.record import Record, shown
from astakos_worker.service.changing import extend
from astakos_worker.service.connections import Connections, awaiting
from astakos_worker.service.deciding import Decider
from astakos_worker.service.drafts import Draft
from astakos_worker.service.errors import (
    CommissionError,
    DecisionConflict,
    KeyConflict,
    LedgerFull,
    Unavailable,
    UnknownKey,
)
from astakos_worker.service.issuing import Issuer
from astakos_worker.service.ledger_calls import ledger_errors
from astakos_worker.service.outbox.plan import Issue, Run, runs
from astakos_worker.service.outbox.rows import SCHEMA, OutboxDecision, Row, alone, holder_of, read
from astakosclient.errors import AstakosClientException, BadValue

#: Errors that the same row meets each time it is sent.
_FOR_GOOD = (KeyConflict, DecisionConflict, UnknownKey, BadValue)


@dataclass(slots=True)
class Delivered:
    """What became of rows: ids of those that the ledger has, and the errors of those that failed.

    `left`: rows that are sent later. `away`: the ledger does not answer, or takes no commissions.
    """

    done: list[int] = field(default_factory=list)
    failed: dict[int, str] = field(default_factory=dict)
    left: int = 0
    away: Exception | None = None


def deliver(
    rows: Sequence[Row], settings: Settings, connections: Callable[[str], Connections]
) -> Delivered:
    """Deliver rows, oldest first for each project; stop when the ledger does not answer.

    `connections` returns those of a named service.
    """
    out = Delivered()
    by_service: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_service[row.service].append(row)
    for service, of_service in by_service.items():
        if isinstance(out.away, Unavailable):
            break
        _Delivery(service, settings, connections(service), out).deliver(of_service)
    out.left = len(rows) - len(out.done) - len(out.failed)
    return out


def holders(service: str, keys: Sequence[str], connections: Connections) -> Mapping[str, str]:
    """Return for each key of a decision whose order it is a part of, as the ledger knows it."""
    with ledger_errors(*keys):
        entries = connections.ledger.get(service, keys)
    found = {key: one.record.request for key, one in entries.items()}
    return {key: holder_of(it) if (it := found.get(key)) else alone(key) for key in keys}


class _Delivery:
    """The delivery of one service's rows."""

    def __init__(
        self, service: str, settings: Settings, connections: Connections, out: Delivered
    ) -> None:
        self._service = service
        self._settings = settings
        self._connections = connections
        self._issuer = Issuer(service, settings, awaiting(connections))
        self._decider = Decider(service, awaiting(connections))
        self._out = out
        self._blocked: set[str] = set()  # keys with a row that is not in the ledger

    def deliver(self, rows: Sequence[Row]) -> None:
        try:
            queues = self._planned(rows)
            while queues:
                self._round([queue.pop(0) for queue in queues])
                queues = [queue for queue in queues if queue]
        except Unavailable as error:
            self._out.away = error

    def _planned(self, rows: Sequence[Row]) -> list[list[Run]]:
        """Read the rows; return the runs of each project."""
        with ledger_errors(*(row.key for row in rows)):
            now = self._connections.ledger.clock.now()
        said: dict[str, list[tuple[Row, Draft | OutboxDecision]]] = defaultdict(list)
        for row in rows:
            if row.key in self._blocked:
                continue
            if row.schema > SCHEMA:  # for a newer relay
                self._blocked.add(row.key)
                continue
            try:
                said[row.holder].append((row, self._read(row, now)))
            except (ValueError, TypeError, KeyError, AttributeError, BadValue) as error:
                self._failed(row, error)
        return [made for one in said.values() if (made := runs(one))]

    def _read(self, row: Row, now: float) -> Draft | OutboxDecision:
        if row.age > self._settings.retention:
            days = self._settings.retention / 86400
            raise BadValue(
                f"it has waited longer than the ledger remembers ended commissions ({days:g} days) "
                "and may have been sent before: see what became of it, then retry or drop it"
            )
        return read(row, self._settings, now)

    def _round(self, together: Sequence[Run]) -> None:
        """Deliver one run of each project."""
        issues = [one for run in together for one in run.issues.values()]
        if free := [one for one in issues if one.row.key not in self._blocked]:
            self._issue(free)
        for kind in ("decide", "extend"):
            listed = [two for run in together if run.kind == kind for two in run.decisions.values()]
            free_ones = [(row, one) for row, one in listed if row.key not in self._blocked]
            if free_ones and kind == "decide":
                self._decide(free_ones)
            elif free_ones:
                self._extend(free_ones)

    # --- Issuing ------------------------------------------------------------------------------

    def _issue(self, issues: Sequence[Issue]) -> None:
        became = at_once(self._issuer.issue_all([one.draft for one in issues]))
        for issue, result in zip(issues, became, strict=True):
            rows = [issue.row, *([issue.accept] if issue.accept else [])]
            if isinstance(result, Record):
                self._out.done += [row.id for row in rows]
            elif isinstance(result, LedgerFull | Unavailable):
                self._left(issue.row, result)
            elif isinstance(result, DecisionConflict) and issue.accept:
                self._out.done.append(issue.row.id)  # the commission is there: see its decision
                self._failed(issue.accept, result)
            else:
                self._failed(issue.row, result)

    # --- Deciding -----------------------------------------------------------------------------

    def _decide(self, decisions: Sequence[tuple[Row, OutboxDecision]]) -> None:
        """Record decisions; those that say nothing but their verb in one round trip."""
        patience = self._settings.awaited
        plain = [(row, one) for row, one in decisions if one.plain]
        resolve = self._decider.resolve_or_await(
            [one.which for _, one in plain if one.kind == "accept"],
            [one.which for _, one in plain if one.kind == "reject"],
            patience=patience,
        )
        became = at_once(resolve)
        for row, one in plain:
            self._judge(row, became[one.which])
        for row, one in decisions:
            if not one.plain and one.kind != "extend":
                decide = partial(self._decider.decide_or_await, one.which, one.kind, one.reason)
                self._try(row, partial(decide, patience=patience, incarnation=one.incarnation))

    def _extend(self, extensions: Sequence[tuple[Row, OutboxDecision]]) -> None:
        for row, one in extensions:
            self._try(row, partial(self._extend_one, one, one.deadline - row.age))

    async def _extend_one(self, one: OutboxDecision, seconds: float) -> Record:
        key, where = await self._decider.key(one.which), awaiting(self._connections)
        return (await extend(where, self._service, key, seconds, one.incarnation)).record

    def _try(self, row: Row, call: Callable[[], Coroutine[Any, Any, Record]]) -> None:
        try:
            self._judge(row, at_once(call()))
        except (AstakosClientException, CommissionError) as error:
            self._judge(row, error)

    def _judge(self, row: Row, became: Record | Exception) -> None:
        """Note what became of a decision: an error of the commission itself is told elsewhere."""
        if isinstance(became, Unavailable):
            self._left(row, became)
        elif isinstance(became, _FOR_GOOD):
            self._failed(row, became)
        else:
            self._out.done.append(row.id)

    # --- What becomes of a row ----------------------------------------------------------------

    def _failed(self, row: Row, error: Exception) -> None:
        said = f"{shown(row.key)}: {error}" if isinstance(error, BadValue) else str(error)
        self._out.failed[row.id] = json.dumps({"class": type(error).__name__, "message": said})
        self._blocked.add(row.key)

    def _left(self, row: Row, error: Exception) -> None:
        self._out.away = error
        self._blocked.add(row.key)
