"""Repeats a write whose record has changed since it was read, from the record as it is now."""

import itertools
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

from astakos_worker.ledger.awaited import AwaitedRecords, at_once, awaited
from astakos_worker.ledger.contract import Entry, Ledger, Write, Written

WriteName = TypeVar("WriteName", bound=Hashable)


def retry_overtaken(
    ledger: Ledger,
    answers: Mapping[WriteName, Written],
    again: Callable[[WriteName, Entry], Write | None],
    *,
    tries: int | None = None,
) -> dict[WriteName, Written]:
    """Repeat the writes that another process overtook; return the last answer to each.

    `answers` are the answers to the first writes, under any names. For each write that was not
    done, `again` is called with its name and the record as it is now. It returns the new write,
    or None to leave the record as it is: then the answer keeps `done=False` and the record.

    All writes of one round travel in one round trip. `tries` bounds the rounds; None: no bound.
    A write that was overtaken in every round is answered with `done=False` and no record.
    Raises what `ledger.cas` and `again` raise.
    """
    return at_once(retrying_overtaken(awaited(ledger), answers, again, tries=tries))


async def retrying_overtaken(
    ledger: AwaitedRecords,
    answers: Mapping[WriteName, Written],
    again: Callable[[WriteName, Entry], Write | None],
    *,
    tries: int | None = None,
) -> dict[WriteName, Written]:
    """Do what `retry_overtaken` does, as a coroutine."""
    last = dict(answers)
    overtaken = [name for name, answer in last.items() if not answer.done]
    for _ in itertools.count() if tries is None else range(tries):
        writes: dict[WriteName, Write] = {}
        for name in overtaken:
            entry = last[name].entry
            write = None if entry is None else again(name, entry)
            if write is not None:
                writes[name] = write
        if not writes:
            return last
        last.update(zip(writes, await ledger.cas(list(writes.values())), strict=True))
        overtaken = [name for name in writes if not last[name].done]
    return last | dict.fromkeys(overtaken, Written(False, None))
