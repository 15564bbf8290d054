"""What is sent to the control interface: a JSON object, read value by value."""

from __future__ import annotations

from collections.abc import Mapping

from astakos_worker.sandbox.errors import ControlError

Body = Mapping[str, object]


def text(body: Body, name: str) -> str:
    """A string that must be there."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise ControlError(f"{name} is missing; give it a string")
    return value


def number(body: Body, name: str, default: int | None = None) -> int:
    """A whole number; in a query it comes as text."""
    value = body.get(name, default)
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if type(value) is not int:
        raise ControlError(f"{name} is missing; give it a whole number")
    return value
