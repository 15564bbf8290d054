"""Writes one event into one record, again if another writer was faster."""

from collections.abc import Callable

from astakos_worker.configuration import names
from astakos_worker.ledger.contract import Entry, Write
from astakos_worker.ledger.events import Event, Extended, NotNow
from astakos_worker.ledger.overtaken import retrying_overtaken
from astakos_worker.ledger.record import shown
from astakos_worker.ledger.states import transition
from astakos_worker.service.connections import AwaitedConnections
from astakos_worker.service.errors import CommissionError, DecisionConflict, Unavailable
from astakos_worker.service.ledger_calls import (
    is_of,
    ledger_errors,
    left_for_newer,
    read,
    reused,
)
from astakos_worker.service.outcome import or_error, outcome_of
from astakosclient.errors import AstakosClientException

#: Other writers may overtake a write; not so many times in a row.
_TRIES = 10


async def change(
    connections: AwaitedConnections,
    service: str,
    key: str,
    event: Callable[[float], Event],
    refused: Callable[[Entry], Exception],
    *,
    incarnation: str | None = None,
) -> Entry:
    """Apply an event to a record and write it; wake the workers if the ledger wants it.

    `event` makes the event, given the time. If the record's state does not allow that event, raise
    the error that `refused` returns. Raises also `UnknownKey`, `NewerRecord`, `Unavailable`.
    """
    ledger = connections.ledger

    def write(_: str, entry: Entry) -> Write:
        if not is_of(entry, incarnation):
            raise reused(key, incarnation)
        now = ledger.clock.now()
        try:
            record = transition(entry.record, event(now), now)
        except NotNow:
            raise refused(entry) from None
        return Write(record, entry.version, wakeup=True)

    entry = await read(connections, service, key)
    with ledger_errors(key):
        [first] = await ledger.cas([write(key, entry)])
        last = await retrying_overtaken(ledger, {key: first}, write, tries=_TRIES)
    written = last[key]
    if written.newer:
        raise left_for_newer(key)
    if written.entry is None:
        await read(connections, service, key)  # raises if the record is gone
        raise Unavailable(key, f"commission {shown(key)!r} changed too often: call again")
    if written.wakeup:
        connections.waker.wake(names.WAKE_ISSUE, service, key, written.entry.version)
    return written.entry


async def extend(
    connections: AwaitedConnections,
    service: str,
    key: str,
    seconds: float,
    incarnation: str | None = None,
) -> Entry:
    """Set a deadline `seconds` from now; `DecisionConflict` if the commission has been decided."""
    return await change(
        connections,
        service,
        key,
        lambda now: Extended(now + seconds),
        _not_extended,
        incarnation=incarnation,
    )


def _not_extended(entry: Entry) -> Exception:
    """Return the error of a commission whose deadline cannot be changed any more."""
    record = entry.record
    decision = record.decision
    if decision is None:
        try:
            or_error(outcome_of(record))
        except (AstakosClientException, CommissionError) as error:
            return error
        return DecisionConflict(record.key, f"commission {shown(record.key)!r} is {record.state}")
    why = f" ({decision.reason})" if decision.reason else ""
    text = f"commission {shown(record.key)!r} has been decided: {decision.verb}{why}"
    return DecisionConflict(record.key, text)
