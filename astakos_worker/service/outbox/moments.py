"""The moments of a row's way at which a test may stop the world; else they do nothing."""

from collections.abc import Callable
from typing import Literal, get_args

OutboxMoment = Literal[
    "before the row",
    "after the row",
    "rows taken",
    "rows in the ledger",
    "rows deleted",
    "rows committed",
]

MOMENTS: tuple[OutboxMoment, ...] = get_args(OutboxMoment)


def _nothing(moment: OutboxMoment) -> None:
    """Go on."""


#: Called at each moment; a test replaces it.
reached: Callable[[OutboxMoment], None] = _nothing
