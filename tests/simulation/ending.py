"""Checks the promises that must hold at the end of a run, after the last fault.

Drive and sweep have nothing left to do. Then nothing of ours is pending in Astakos. Every
commission has ended as it was decided. Callers were told the true outcome. The holdings are exactly
the sum of the accepted commissions.
"""

from collections import Counter

from astakos_worker.ledger.contract import Entry
from astakos_worker.ledger.record import (
    CLOSED,
    Decision,
    Record,
    State,
    Verb,
    bare_key,
    is_bare,
)
from astakos_worker.sandbox.quota import HoldingKey
from tests.simulation.oracle import SETTLED, Oracle, entries_of, key_of, ours

#: Faults after which each send that is recorded has been made, or is taken off the record.
_ORDERLY = {"unauthorized", "batch_refused", "not_sent", "foreign_accept", "foreign_reject"}


def at_rest(oracle: Oracle) -> None:
    """Check what must be true in the end."""
    entries = {e.record.key: e for e in entries_of(oracle.ledger)}
    records = {key: entry.record for key, entry in entries.items()}
    everything = [*records.values(), *oracle.past]
    for key in oracle.enqueued - records.keys():
        oracle.world.note(f"{key!r} was enqueued, and is not in the ledger")
    for key, entry in entries.items():
        _closed(oracle, entry)
        for verb in oracle.told[key]:
            _promised(oracle, key, entry, verb)
    _nothing_pending(oracle, records)
    _exactly(oracle, everything)
    _holdings(oracle, everything)


def _closed(oracle: Oracle, entry: Entry) -> None:
    record = entry.record
    key, state = record.key, record.state
    decision: Decision | None = record.decision
    idle = state is State.PENDING and decision is None and entry.cell is None
    idle = idle and record.deadline is None
    if not idle and (state not in CLOSED or record.is_open):
        oracle.world.note(f"{key!r} is still {state}, due at {record.due}")
    wanted: set[State] = {State.MERGED} if is_bare(key) else set()
    verb = decision.verb if decision else None
    if verb == "accept":
        wanted |= {State.ACCEPTED}
    elif verb == "reject":
        wanted |= {State.REJECTED, State.CANCELLED}
    else:
        wanted |= {State.PENDING}
    # The one of a doubled request may have taken what the other is refused.
    wanted |= {State.REFUSED} if oracle.bounds.refusals or key in oracle.doubled else set()
    wanted |= {State.CONFLICT} if key in oracle.bounds.conflicts else set()
    # A sweep that stood still may decide what has been settled meanwhile: it is looked at first.
    by_sweep = decision is not None and decision.reason
    if is_bare(key) and (oracle.bounds.unknown or by_sweep) and key not in oracle.existed:
        wanted |= {State.UNKNOWN}
    wanted |= {State.DEAD} if oracle.bounds.never_issued and record.request is None else set()
    if key in oracle.touched_keys() or record.serial in oracle.touched:
        wanted |= {State.VANISHED, State.UNKNOWN, State.REFUSED}
    if state not in wanted:
        error = record.error.get("message") if record.error else None
        oracle.world.note(f"{key!r} is {state}, decided {verb}: {error}")
    if record.callback is not None and state in CLOSED and state not in oracle.heard[key]:
        oracle.world.note(f"nobody was told that {key!r} is {state}")
    foreign = oracle.touched.get(record.serial or 0)
    other = state in SETTLED and foreign not in {None, SETTLED[state]}
    # A worker that dies may have recorded a send that it never made: the protocol's limit.
    orderly = {fault.kind for fault in oracle.world.applied.values()} <= _ORDERLY
    only = len(record.sent) <= 1 or (orderly and oracle.sends[record.serial or 0] <= 1)
    if other and only:
        oracle.world.note(f"{key!r} is {state}, and its only send found it {foreign}ed")


def _promised(oracle: Oracle, key: str, entry: Entry, verb: Verb) -> None:
    """Check that what a caller was told to stand does."""
    excused = {State.REFUSED, State.MERGED, State.VANISHED, State.CONFLICT}
    decision = entry.record.decision
    stands = decision is not None and decision.verb == verb
    if not stands and entry.record.state not in excused:
        oracle.world.note(f"a caller was told {verb} of {key!r}, which is not decided so")


def _nothing_pending(oracle: Oracle, records: dict[str, Record]) -> None:
    waiting = {State.PENDING, State.CONFLICT}  # for a decision; or a person has to look
    undecided = {r.serial for r in records.values() if r.state in waiting}
    for serial, one in oracle.book.commissions.items():
        concerns_us = ours(one.name) is not None or bare_key(serial) in records
        if concerns_us and serial not in oracle.foreign and serial not in undecided:
            oracle.world.note(f"serial {serial} of {key_of(one)!r} is still pending in Astakos")
    for serial in oracle.foreign - oracle.book.commissions.keys():
        oracle.world.note(f"serial {serial} is none of ours, and is gone")


def _exactly(oracle: Oracle, records: list[Record]) -> None:
    """Check that Astakos has accepted just what the ledger says."""
    said = {r.serial for r in records if r.state is State.ACCEPTED}
    did = set(oracle.accepted)
    disputed = {r.serial for r in records if r.state is State.CONFLICT}
    for serial in (said ^ did) - disputed:
        if serial not in oracle.touched:
            where = "the ledger" if serial in said else "Astakos"
            oracle.world.note(f"serial {serial} is accepted in {where} only")


def _holdings(oracle: Oracle, records: list[Record]) -> None:
    low: Counter[HoldingKey] = Counter()
    high: Counter[HoldingKey] = Counter()
    bare = {one.serial: one for one in oracle.accepted.values()}
    for record in records:
        by_other = record.serial in oracle.touched
        if record.state is State.ACCEPTED and record.request and not by_other:
            for holder, source, resource, quantity in record.request.provisions:
                low[HoldingKey(holder, source, resource)] += quantity
            bare.pop(record.serial or 0, None)
    for one in bare.values():  # of another's making, or by another's command
        for provision in one.provisions:
            low[provision.key] += provision.quantity
    for one in oracle.book.commissions.values():
        for provision in one.provisions:
            high[provision.key] += provision.quantity
    for key, holding in oracle.book.holdings.items():
        found = (holding.usage_min, holding.usage_max)
        if found != (low[key], low[key] + high[key]):
            oracle.world.note(f"{key} is used {found}, should be {low[key], high[key]}")
