"""Calls of the ledger: its errors as a service knows them, and large calls in batches."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from astakos_worker.ledger.contract import Entry, FullError, Ledger, LedgerError
from astakos_worker.ledger.record import shown
from astakos_worker.service.connections import Connections
from astakos_worker.service.errors import (
    CommissionError,
    LedgerFull,
    NewerRecord,
    Unavailable,
    UnknownKey,
)

#: Commissions in one round trip. They take about 20 ms of the ledger's server, which serves other
#: callers between two round trips.
TOGETHER = 250

T = TypeVar("T")
R = TypeVar("R")


@contextmanager
def ledger_errors(*keys: str) -> Iterator[None]:
    """Turn an error of the ledger into the error that a service's call about these keys raises."""
    try:
        yield
    except FullError as error:
        raise LedgerFull(keys[0], str(error)) from error
    except LedgerError as error:  # no answer, or it cannot write (its disk is full, ...)
        more = f" and {len(keys) - 1} others" if len(keys) > 1 else ""
        raise _unavailable(keys[0], error, more) from error


def in_batches(
    items: Sequence[tuple[str, T]], do: Callable[[Sequence[tuple[str, T]]], Sequence[R]]
) -> list[R | Unavailable]:
    """Call `do` with `TOGETHER` items at a time; return its results, one for each item.

    An item is a key and what belongs to it. If the ledger does not answer the first batch, raise
    `Unavailable`. If it stops answering later, stop: each item from there on has an `Unavailable`
    as its result, since it may or may not be recorded.
    """
    results: list[R | Unavailable] = []
    for start in range(0, len(items), TOGETHER):
        batch = items[start : start + TOGETHER]
        try:
            with ledger_errors(*(key for key, _ in batch)):
                results += do(batch)
        except Unavailable as error:
            if start == 0:
                raise
            return results + [_unavailable(key, error.__cause__) for key, _ in items[start:]]
    return results


def _unavailable(key: str, cause: object, more: str = "") -> Unavailable:
    which = f"commission {shown(key)!r}{more}"
    return Unavailable(key, f"{cause}; {which} may or may not be recorded: call again")


def read(connections: Connections, service: str, key: str) -> Entry:
    """Return the record of a key. Raises `UnknownKey`, `NewerRecord`, `Unavailable`."""
    with ledger_errors(key):
        entry = connections.ledger.get(service, [key]).get(key)
        if entry is None:
            raise missing(connections.ledger, service, key)
    return entry


def missing(ledger: Ledger, lane: str, key: str) -> CommissionError:
    """Return why a key has no record that can be read: nobody issued it, or a newer version did.

    A record of a newer version is left alone (F78).
    """
    if ledger.newer(lane, [key]):
        return left_for_newer(key)
    return UnknownKey(key, f"service {lane!r} has no commission {shown(key)!r}")


def left_for_newer(key: str) -> NewerRecord:
    """Return the error about a record that a newer version has written (F78)."""
    text = f"commission {shown(key)!r} was written by a newer version: upgrade, and call again"
    return NewerRecord(key, text)
