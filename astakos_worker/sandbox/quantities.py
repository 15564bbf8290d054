"""Quantities as people write them: `7`, `"20 GiB"`, and a word for no limit at all."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from astakos_worker.sandbox.errors import SeedError
from astakos_worker.sandbox.quota import INT64_MAX

if TYPE_CHECKING:
    from astakos_worker.sandbox.toml_table import Table

_UNITS: Final = {"": 0, "KiB": 10, "MiB": 20, "GiB": 30, "TiB": 40, "PiB": 50, "EiB": 60}
# More digits than the largest quantity has are no quantity, and slow to read.
_QUANTITY: Final = re.compile(r"(\d{1,19}) ?([KMGTPE]iB)?", re.ASCII)
_UNLIMITED: Final = frozenset({"unlimited", "inf"})


def parse_quantity(text: str) -> int | None:
    """The number that a text means, or None; it may be more than 64 bits hold."""
    if text in _UNLIMITED:
        return INT64_MAX
    match = _QUANTITY.fullmatch(text)
    return None if match is None else int(match[1]) << _UNITS[match[2] or ""]


def quantity_in(table: Table, key: str, default: int) -> int:
    """A quantity in a table of a seed; complains of one that makes no sense."""
    if key not in table:
        table.optional(key, int, None)
        return default
    try:
        text = table.required(key, str)
    except SeedError:
        quantity = table.required(key, int)
    else:
        found = parse_quantity(text)
        if found is None:
            raise table.complaint(key, f'{text!r} is no quantity; write 7, "20 GiB" or "unlimited"')
        quantity = found
    if not 0 <= quantity <= INT64_MAX:
        raise table.complaint(key, "must be between 0 and 2**63 - 1")
    return quantity
