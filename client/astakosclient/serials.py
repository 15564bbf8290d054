"""Serials of commissions: which are sent, and which are believed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from astakosclient.errors import BadValue

#: No serial is this large. A script in Redis keeps numbers as floats, and would round it.
SERIALS_END = 2**53


def is_serial(said: object) -> bool:
    """Return whether a value of a reply can be a serial: an integer from 1 to 2**53 - 1."""
    return type(said) is int and 0 < said < SERIALS_END


def serials(given: object, what: str) -> list[int]:
    """Return the serials to send, each once, in order.

    Raises `BadValue` for a boolean or a text: Astakos reads `true` as 1, and would resolve the
    commission of somebody else.
    """
    if given is None or isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        raise BadValue(f"{what} must be a list of serials, not {given!r}")
    listed = list(given)
    for one in listed:
        if isinstance(one, str):
            raise BadValue(f"{what} must hold integers, not the text {one!r}")
    return list(dict.fromkeys(serial(one) for one in listed))


def serial(given: object) -> int:
    """Return a serial as an integer. A text of digits is accepted, as in the old client."""
    if isinstance(given, str) and given.isascii() and given.isdigit() and len(given) < 20:
        given = int(given)
    good = isinstance(given, int) and not isinstance(given, bool) and is_serial(int(given))
    if not good:
        raise BadValue(f"a serial must be an integer from 1 to 2**53 - 1, not {given!r}")
    return cast("int", given)
