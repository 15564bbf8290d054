"""The moments of a row's way at which a test may stop the world; else they do nothing."""

from collections.abc import Callable
from typing import Literal, get_args

Moment = Literal[
    "before the row",
    "after the row",
    "rows taken",
    "rows in the ledger",
    "rows deleted",
    "rows committed",
]

MOMENTS: tuple[Moment, ...] = get_args(Moment)


def _nothing(moment: Moment) -> None:
    """Go on."""


#: Called at each moment; a test replaces it.
reached: Callable[[Moment], None] = _nothing
