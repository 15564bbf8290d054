"""What is sent to the control interface: a JSON object, read value by value."""

from __future__ import annotations

import math
from collections.abc import Mapping

from astakos_worker.sandbox.errors import ControlError

Body = Mapping[str, object]


def text(body: Body, name: str) -> str:
    """A string that must be there."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise ControlError(f"{name} is missing; give it a string")
    return value


def flag(body: Body, name: str, *, default: bool = False) -> bool:
    """True or false."""
    value = body.get(name, default)
    if not isinstance(value, bool):
        raise ControlError(f"{name} is true or false")
    return value


def seconds(body: Body, default: float | None = None) -> float:
    """A number of seconds, 0 or more; in a query it comes as text."""
    value = body.get("seconds", default)
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ControlError("seconds is missing; give it a number")
        found = float(value)
    except (ValueError, OverflowError) as cause:
        raise ControlError("seconds is a number, 0 or more") from cause
    if not 0 <= found < math.inf:
        raise ControlError("seconds is a number, 0 or more")
    return found


def number(body: Body, name: str, default: int | None = None) -> int:
    """A whole number; in a query it comes as text."""
    value = body.get(name, default)
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if type(value) is not int:
        raise ControlError(f"{name} is missing; give it a whole number")
    return value
