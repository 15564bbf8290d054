"""Reading a TOML file that a person wrote: every complaint names its line and its remedy.

`tomllib` forgets where a value stood, so the line of a table is found by counting its headers.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from astakos_worker.sandbox.errors import SandboxError

T = TypeVar("T")

_KINDS: Final = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "a table",
    datetime: "a date with time and zone",
}


class Document:
    """A TOML text and the name to call it by in complaints."""

    def __init__(self, text: str, source: str, error: type[SandboxError]) -> None:
        self.source = source
        self.error = error
        self._lines = text.splitlines()
        try:
            self._content = tomllib.loads(text)
        except tomllib.TOMLDecodeError as cause:
            raise error(f"{source} is not valid TOML: {cause}") from cause

    def only(self, *names: str) -> None:
        """Complain of a top-level table that is none of these."""
        for name in self._content:
            if name not in names:
                line = self._line_of(rf"\s*(\[+\s*)?{re.escape(name)}\b")
                raise self.error(
                    f"{self.source}, line {line}: {name!r} is unknown{_suggestion(name, names)}"
                )

    def value(self, name: str, kind: type[T], default: T) -> T:
        """A value outside all tables."""
        return Table(self, self._content, "the top", 1).get(name, kind, default)

    def tables(self, name: str) -> Iterator[Table]:
        """The tables of an array of tables."""
        array = self._content.get(name, [])
        if not isinstance(array, list):
            line = self._header(name, 1)
            raise self.error(
                f"{self.source}, line {line}: write [[{name}]], with two brackets: "
                f"there may be several of them"
            )
        for number, values in enumerate(array, 1):
            where = f"[[{name}]] number {number}"
            yield Table(self, values, where, self._header(name, number))

    def _header(self, name: str, number: int) -> int:
        return self._line_of(rf"\s*\[+\s*{re.escape(name)}\s*\]", number)

    def _line_of(self, pattern: str, number: int = 1) -> int:
        for index, line in enumerate(self._lines, 1):
            if re.match(pattern, line):
                number -= 1
                if not number:
                    return index
        return 1


class Table:
    """One table, read key by key; `finish` complains of the keys that nobody read."""

    def __init__(
        self, document: Document, values: Mapping[str, object], where: str, line: int
    ) -> None:
        self._document = document
        self._values = values
        self._where = where
        self._line = line
        self._read: list[str] = []
        if not isinstance(values, dict):
            raise self.complaint("", "must be a table")

    def complaint(self, key: str, text: str) -> SandboxError:
        """An error about one key of this table, for the caller to raise."""
        name = f", key {key!r}" if key else ""
        return self._document.error(
            f"{self._document.source}, line {self._line} ({self._where}){name}: {text}"
        )

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def required(self, key: str, kind: type[T]) -> T:
        """The value of a key that must be there."""
        if key not in self._values:
            raise self.complaint(key, f"is missing; give it {_KINDS[kind]}")
        return self.optional(key, kind, None)  # type: ignore[return-value] # it is there

    def optional(self, key: str, kind: type[T], default: T | None) -> T | None:
        """The value of a key, or the default."""
        self._read.append(key)
        if key not in self._values:
            return default
        value = self._values[key]
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        # To Python a boolean is an integer; to whoever wrote the file it is not.
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.complaint(key, f"must be {_KINDS[kind]}, not {value!r}")
        return value

    def get(self, key: str, kind: type[T], default: T) -> T:
        """The value of a key, or a default that is not None."""
        value = self.optional(key, kind, default)
        return default if value is None else value

    def names(self) -> list[str]:
        """All keys, for tables whose keys are names and not settings."""
        self._read.extend(self._values)
        return list(self._values)

    def contents(self) -> dict[str, object]:
        """All of it as it is, for somebody else to judge."""
        self._read.extend(self._values)
        return dict(self._values)

    def inner(self, key: str) -> Table:
        """A table inside this one, empty if it is not there."""
        values = self.get(key, dict, {})
        return Table(self._document, values, f"{self._where}, {key}", self._line)

    def inners(self, key: str) -> Iterator[Table]:
        """The tables of a list inside this one."""
        for number, values in enumerate(self.get(key, list, []), 1):
            where = f"{self._where}, {key} number {number}"
            yield Table(self._document, values, where, self._line)

    def finish(self) -> None:
        """Complain of a key that means nothing here."""
        for key in self._values:
            if key not in self._read:
                raise self.complaint(key, f"is unknown{_suggestion(key, self._read)}")


def _suggestion(name: str, known: list[str] | tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; take it out, or use one of: {', '.join(sorted(known))}"
