"""Finds records by what is in them, for operators. Each call looks at a part of the ledger.

A server with a million records serves its other callers meanwhile: one call takes it a few
milliseconds. Open records are found in the order of their
index: by deadline, and then by key. Ended ones are found as SCAN meets them, so in no order, and a
record that is written meanwhile may be met twice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import redis

from astakos_worker.ledger.contract import Entry, LedgerError, UnavailableError
from astakos_worker.ledger.record import OPEN, State
from astakos_worker.ledger.redis.scripts import Scripts

#: Entries that one call looks at, at most: by their keys alone, and in their texts.
_KEYS: Final = 2000
_TEXTS: Final = 500
#: States that a reader may see of a record that is stored in another one.
_CHANGED: Final = OPEN | {State.CANCELLED}

#: Keys, each with its entry; None: its record cannot be read.
Found = list[tuple[str, Entry | None]]

#: Where to look: `open` records by their index, or `all` by SCAN.
Place = Literal["open", "all"]


@dataclass(frozen=True, slots=True)
class Sought:
    """What a record must have: a part of its key, all `texts` and `fields`, one of `states`.

    Without states any will do. `latest`: it was made then or before. The server finds what may fit;
    a caller says what does.
    """

    part: str = ""
    texts: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    latest: float | None = None
    states: frozenset[State] = frozenset()

    def groups(self) -> Iterator[Sequence[str]]:
        """Yield groups of texts: a record that fits has one text of each group in its JSON."""
        # A text that JSON escapes, or may escape, cannot be sought as it is.
        yield from ([each] for each in self.texts if each.isascii() and _is_plain(each))
        yield from ([f'"{name}":'] for name in self.fields)
        if self.states:
            # A claim or a decision that is beside the record changes some states: see marks.py.
            stored = {*self.states, *(OPEN if self.states & _CHANGED else ())}
            yield [f'"state":"{state}"' for state in sorted(stored)]


class RecordSearch:
    """Looks for records of one namespace."""

    def __init__(self, server: "redis.Redis", namespace: str) -> None:
        self._namespace = namespace
        self._script = server.register_script(Path(__file__).with_name("search.lua").read_text())

    def look(
        self, lane: str, place: Place, sought: Sought, start: str = "", *, most: int
    ) -> tuple[str, Found]:
        """Look at the next records; return where to go on ("" at the end), and what fits.

        `start`: where an earlier look said to go on; "": at the beginning. No more than `most` are
        found; of all records it may be some more.
        """
        groups = list(sought.groups())
        in_texts = bool(groups) or sought.latest is not None
        size = _TEXTS if in_texts or not sought.part else _KEYS
        if place == "all" and not (in_texts or sought.part):
            size = min(size, most)  # all fit
        latest = "" if sought.latest is None else sought.latest
        words: list[Any] = [place, start or "0", size, most, sought.part, latest]
        for group in groups:
            words += [*group, ""]
        try:
            after, *rows = self._script(keys=[f"astakos:{self._namespace}:{lane}:"], args=words)
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise UnavailableError(f"the ledger does not answer: {error}") from error
        except redis.RedisError as error:
            raise LedgerError(f"the ledger refused: {error}") from error
        return after, [(key, Scripts._entry(row)) for key, *row in rows]  # noqa: SLF001  # of this folder


def _is_plain(text: str) -> bool:
    return text.isprintable() and not {'"', "\\"} & set(text)
