"""Values that a person wrote, in a TOML file or a JSON body: read key by key, and checked.

Each error names the place and the remedy. `tomllib` forgets where a value stood, so the line of a
TOML table is found by counting the headers of the file.
"""

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final, Self, TypeVar, get_type_hints

import msgspec

from astakos_worker.sandbox.errors import SandboxError
from astakos_worker.sandbox.quota import INT64_MAX

T = TypeVar("T")
Choice = TypeVar("Choice", bound=StrEnum)

_KINDS: Final[dict[type, str]] = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "a table",
    datetime: "a date with time and zone",
}

_UNITS: Final = {"": 0, "KiB": 10, "MiB": 20, "GiB": 30, "TiB": 40, "PiB": 50, "EiB": 60}
# At most 19 digits, as many as the largest quantity has: longer numbers are slow to read.
_QUANTITY: Final = re.compile(r"(\d{1,19}) ?([KMGTPE]iB)?", re.ASCII)


def parse_quantity(text: str) -> int | None:
    """Return the number that a text such as `7`, `20 GiB` or `unlimited` means, or None.

    The number may need more than 64 bits.
    """
    if text in {"unlimited", "inf"}:
        return INT64_MAX
    match = _QUANTITY.fullmatch(text)
    return None if match is None else int(match[1]) << _UNITS[match[2] or ""]


def read_dataclass(
    kind: type[T], values: Mapping[str, object], error: type[SandboxError], what: str
) -> T:
    """Return a dataclass of these values, checked by the types of its fields.

    `what` names the thing in errors, such as "a cost model".
    """
    known = list(get_type_hints(kind))
    for name in values:
        if name not in known:
            raise error(f"{what} has no {name!r}{_suggestion(name, known)}")
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as cause:
        reason, _, name = str(cause).rstrip("`").partition(" - at `$.")
        raise error(f"{what}: {name} cannot be {values.get(name)!r} ({reason})") from cause


class Table:
    """One table or JSON object; `finish` raises an error for keys that nobody read."""

    def __init__(
        self, values: Mapping[str, object], error: type[SandboxError], place: str = ""
    ) -> None:
        self._values = values
        self._error = error
        self._place = place
        self._read: list[str] = []
        if not isinstance(values, dict):
            raise self.error("", "must be a table")

    def error(self, key: str, text: str) -> SandboxError:
        """Return an error about one key of this table, for the caller to raise."""
        if not self._place:
            return self._error(f"{key} {text}".strip())
        name = f", key {key!r}" if key else ""
        return self._error(f"{self._place}{name}: {text}")

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def required(self, key: str, kind: type[T]) -> T:
        """Return the value of a key that must be there; a string must not be empty."""
        value = self.optional(key, kind, None)
        if value is None or value == "":
            raise self.error(key, f"is missing; give it {_KINDS[kind]}")
        return value

    def optional(self, key: str, kind: type[T], default: T | None) -> T | None:
        """Return the value of a key, or the default if the key is not there."""
        self._read.append(key)
        if key not in self._values:
            return default
        value = self._values[key]
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        # In Python a boolean is an integer. In a file it is not.
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.error(key, f"must be {_KINDS[kind]}, not {value!r}")
        return value

    def get(self, key: str, kind: type[T], default: T) -> T:
        """Return the value of a key, or a default that is not None."""
        value = self.optional(key, kind, default)
        return default if value is None else value

    def strings(self, key: str) -> tuple[str, ...]:
        """Return a list of strings, empty if the key is not there."""
        values = self.get(key, list, [])
        if not all(isinstance(value, str) for value in values):
            raise self.error(key, "must be a list of strings")
        return tuple(values)

    def choice(self, key: str, default: Choice) -> Choice:
        """Return one value of an enumeration."""
        return self._one_of(key, type(default), self.get(key, str, str(default)))

    def choices(self, key: str, kind: type[Choice]) -> frozenset[Choice]:
        """Return a list of values of an enumeration, as a set."""
        return frozenset(self._one_of(key, kind, text) for text in self.strings(key))

    def quantity(self, key: str, default: int | None = None) -> int:
        """Return a quantity between 0 and 2**63 - 1: a number, or a text with a binary unit.

        Without a default the key must be there.
        """
        self._read.append(key)
        value = self._values.get(key, default)
        if isinstance(value, str):
            parsed = parse_quantity(value)
            if parsed is None:
                text = f'{value!r} is no quantity; write 7, "20 GiB" or "unlimited"'
                raise self.error(key, text)
            value = parsed
        elif value is None or type(value) is not int:
            self.required(key, int)
        if not isinstance(value, int) or not 0 <= value <= INT64_MAX:
            raise self.error(key, "must be between 0 and 2**63 - 1")
        return value

    def seconds(self, key: str = "seconds", default: float | None = None) -> float:
        """Return a number of seconds, 0 or more; it may be given as a text."""
        value = self._values.get(key, default)
        if isinstance(value, str):
            try:
                value = float(value)
            except ValueError:
                raise self.error(key, "is a number, 0 or more") from None
        try:
            found = Table({key: value}, self._error, self._place).required(key, float)
        except OverflowError:
            raise self.error(key, "is a number, 0 or more") from None
        self._read.append(key)
        if not 0 <= found < float("inf"):
            raise self.error(key, "is a number, 0 or more")
        return found

    def moment(self, key: str, default: datetime) -> datetime:
        """Return a date with a time and a time zone."""
        moment = self.get(key, datetime, default)
        if moment.tzinfo is None:
            raise self.error(key, "lacks a time zone; add a Z, or +02:00")
        return moment

    def names(self) -> list[str]:
        """Return all keys, for tables whose keys are names and not settings."""
        self._read.extend(self._values)
        return list(self._values)

    def contents(self) -> dict[str, object]:
        """Return all values unchecked."""
        self._read.extend(self._values)
        return dict(self._values)

    def inner(self, key: str) -> Self:
        """Return a table inside this one, empty if it is not there."""
        return self._inside(self.get(key, dict, {}), key)

    def inners(self, key: str) -> Iterator[Self]:
        """Return the tables of a list inside this one."""
        for number, values in enumerate(self.get(key, list, []), 1):
            yield self._inside(values, f"{key} number {number}")

    def finish(self) -> None:
        """Raise an error for a key that means nothing here."""
        for key in self._values:
            if key not in self._read:
                raise self.error(key, f"is unknown{_suggestion(key, self._read)}")

    def _inside(self, values: Mapping[str, object], name: str) -> Self:
        return type(self)(values, self._error, self._place and f"{self._place[:-1]}, {name})")

    def _one_of(self, key: str, kind: type[Choice], text: str) -> Choice:
        if text not in set(kind):
            raise self.error(key, f"must be one of: {', '.join(kind)}")
        return kind(text)


class Document:
    """A TOML text with its tables; `source` names the text in errors."""

    def __init__(self, text: str, source: str, error: type[SandboxError]) -> None:
        self._source = source
        self._error = error
        self._lines = text.splitlines()
        try:
            self._content = tomllib.loads(text)
        except tomllib.TOMLDecodeError as cause:
            raise error(f"{source} is not valid TOML: {cause}") from cause

    def only(self, *names: str) -> None:
        """Raise an error if a key at the top is none of these names."""
        for name in self._content:
            if name not in names:
                line = self._line_of(rf"\s*(\[+\s*)?{re.escape(name)}\b")
                raise self._error(
                    f"{self._source}, line {line}: {name!r} is unknown{_suggestion(name, names)}"
                )

    @property
    def top(self) -> Table:
        """The values outside all tables."""
        return Table(self._content, self._error, f"{self._source}, line 1 (the top)")

    def tables(self, name: str) -> Iterator[Table]:
        """The tables of an array of tables."""
        array = self._content.get(name, [])
        if not isinstance(array, list):
            raise self._error(
                f"{self._source}, line {self._header(name, 1)}: write [[{name}]], with two "
                f"brackets: there may be several of them"
            )
        for number, values in enumerate(array, 1):
            line = self._header(name, number)
            place = f"{self._source}, line {line} ([[{name}]] number {number})"
            yield Table(values, self._error, place)

    def _header(self, name: str, number: int) -> int:
        return self._line_of(rf"\s*\[+\s*{re.escape(name)}\s*\]", number)

    def _line_of(self, pattern: str, number: int = 1) -> int:
        for index, line in enumerate(self._lines, 1):
            if re.match(pattern, line):
                number -= 1
                if not number:
                    return index
        return 1


def _suggestion(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, known := list(known), n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; take it out, or use one of: {', '.join(sorted(known))}"
