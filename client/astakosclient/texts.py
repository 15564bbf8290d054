"""Texts of a caller, checked, as parts of paths, queries and forms. Pure.

A text that cannot be sent raises `BadValue` here, before anything is sent.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote, urlencode

from astakosclient.errors import BadValue


def text(what: str, value: object, *, shown: bool = True) -> str:
    """Return a text that UTF-8 can express. `shown` is False for a secret, which no error shows."""
    if not isinstance(value, str):
        raise BadValue(f"{what} must be a string{f', not {value!r}' if shown else ''}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadValue(f"{what} has a lone surrogate, which cannot be sent") from None
    return value


def texts(what: str, values: object) -> list[str]:
    """Return the texts of a list, a tuple or another iterable, each checked."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise BadValue(f"{what} must be a list of strings, not {values!r}")
    return [text(f"each of {what}", value) for value in values]


def part(what: str, given: str | int) -> str:
    """Return an id, a text or a number, quoted as a part of a path."""
    if type(given) is int:
        return str(given)
    if not text(what, given):
        raise BadValue(f"{what} must not be empty")
    return quote(str(given), safe="")


def query(**filters: str | Iterable[str] | None) -> str | None:
    """Return a query string with comma-joined lists, or None if a list is empty."""
    parts = []
    for name, value in filters.items():
        if value is None:
            continue
        values = [text(name, value)] if isinstance(value, str) else texts(name, value)
        if not values:
            return None
        parts.append(f"{name}={quote(','.join(values), safe='')}")
    return f"?{'&'.join(parts)}" if parts else ""


def form(**fields: str) -> bytes:
    """Return the fields of a form, encoded. Errors name a field, and do not show its value."""
    return urlencode(
        {name: text(name, value, shown=False) for name, value in fields.items()}
    ).encode()
