"""Dataclasses as JSON and back, by the types of their fields: nothing to forget when one is added.

Only what rows are made of: text, numbers, times, enumerations, tuples, dicts and other rows.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Hashable

Row = TypeVar("Row")


def pack(value: Any) -> Any:
    """What JSON can say of a value."""
    if isinstance(value, datetime):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: pack(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {str(key): pack(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [pack(inner) for inner in value]
    return value


def unpack(kind: type[Row], values: dict[str, Any]) -> Row:
    """The row of which `pack` said these values; a field that is not there keeps its default."""
    key: Any = kind
    hints = _hints(key)
    return kind(**{name: _revived(hints[name], value) for name, value in values.items()})


@cache
def _hints(kind: Hashable) -> dict[str, Any]:
    return get_type_hints(kind)


def _revived(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    if get_origin(hint) is not None:
        return _filled(hint, value)
    if is_dataclass(hint):
        kind: Any = hint
        return unpack(kind, value)
    if hint is datetime:
        return datetime.fromisoformat(value)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return hint(value)
    return value


def _filled(hint: Any, value: Any) -> Any:
    """A type with types in it: `X | None`, a tuple, a dict."""
    inner = get_args(hint)
    if get_origin(hint) is tuple:
        return tuple(_revived(inner[0], element) for element in value)
    if get_origin(hint) is dict:
        return {_revived(inner[0], key): _revived(inner[1], each) for key, each in value.items()}
    return _revived(inner[0], value)
