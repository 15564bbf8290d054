"""Calls of the ledger: its errors as a service knows them, and large calls in batches."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from astakos_worker.ledger.awaited import AwaitedRecords
from astakos_worker.ledger.contract import Entry, FullError, LedgerError
from astakos_worker.ledger.record import shown
from astakos_worker.service.connections import AwaitedConnections
from astakos_worker.service.errors import (
    CommissionError,
    KeyReused,
    LedgerFull,
    NewerRecord,
    Unavailable,
    UnknownKey,
)

T = TypeVar("T")
R = TypeVar("R")


@contextmanager
def ledger_errors(*keys: str, reads: bool = False) -> Iterator[None]:
    """Turn an error of the ledger into the error that a service's call about these keys raises.

    `reads`: the call only reads, so nothing of it can have been recorded.
    """
    try:
        yield
    except FullError as error:
        raise LedgerFull(keys[0], str(error)) from error
    except LedgerError as error:  # no answer, or it cannot write (its disk is full, ...)
        more = f" and {len(keys) - 1} others" if len(keys) > 1 else ""
        raise _unavailable(keys[0], error, more, reads=reads) from error


async def in_batches(
    items: Sequence[tuple[str, T]],
    do: Callable[[list[tuple[str, T]]], Awaitable[Sequence[R]]],
    together: int,
    token: Callable[[T], str | None] = lambda _: None,
) -> list[R | Unavailable]:
    """Call `do` with `together` items at a time; return its results, one for each item.

    An item is a key and what belongs to it; `token` returns its token for a repeated call. `do` may
    replace the items of its list by what it has found out about them.

    If the ledger does not answer the first batch, raise `Unavailable`. If it stops answering later,
    stop: each item from there on has an `Unavailable` as its result, since it may or may not be
    recorded.
    """
    results: list[R | Unavailable] = []
    for start in range(0, len(items), together):
        batch = list(items[start : start + together])
        try:
            with ledger_errors(*(key for key, _ in batch)):
                results += await do(batch)
        except Unavailable as error:
            rest = [*batch, *items[start + together :]]
            tokens = [token(item) for _, item in rest]
            if start == 0:
                raise Unavailable(error.key, str(error), tokens[0], tokens) from error.__cause__
            return results + [
                _unavailable(key, error.__cause__, token=one)
                for (key, _), one in zip(rest, tokens, strict=True)
            ]
    return results


def _unavailable(
    key: str, cause: object, more: str = "", *, reads: bool = False, token: str | None = None
) -> Unavailable:
    which = f"commission {shown(key)!r}{more}"
    what = "was not read" if reads else "may or may not be recorded"
    return Unavailable(key, f"{cause}; {which} {what}: call again", token)


async def read(
    connections: AwaitedConnections, service: str, key: str, incarnation: str | None = None
) -> Entry:
    """Return the record of a key, of this incarnation if one is given.

    Raises `UnknownKey`, `KeyReused`, `NewerRecord`, `Unavailable`.
    """
    with ledger_errors(key, reads=True):
        entry = (await connections.ledger.get(service, [key])).get(key)
        if entry is None:
            raise await missing(connections.ledger, service, key)
    if not is_of(entry, incarnation):
        raise reused(key, incarnation)
    return entry


def is_of(entry: Entry, incarnation: str | None) -> bool:
    """Return whether a record is of this incarnation; None: any will do."""
    return incarnation is None or entry.record.incarnation == incarnation


def reused(key: str, incarnation: str | None) -> KeyReused:
    """Return the error about a commission whose key has been used again (F82)."""
    text = f"key {shown(key)!r} was used again: commission {incarnation} is gone"
    return KeyReused(key, text)


async def missing(ledger: AwaitedRecords, lane: str, key: str) -> CommissionError:
    """Return why a key has no record that can be read: nobody issued it, or a newer version did.

    A record of a newer version is left alone (F78).
    """
    if await ledger.newer(lane, [key]):
        return left_for_newer(key)
    return UnknownKey(key, f"service {lane!r} has no commission {shown(key)!r}")


def left_for_newer(key: str) -> NewerRecord:
    """Return the error about a record that this version cannot read (F78, F86)."""
    text = (
        f"commission {shown(key)!r} was written by a newer version, or cannot be read at all: "
        "upgrade and call again, or see `astakos-worker ledger unreadable`"
    )
    return NewerRecord(key, text)
