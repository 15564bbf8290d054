"""Whether the ledger's server has room for new commissions.

They are refused while there is still some: serials and decisions of those that there are must be
written in any case, and a broker on the same server needs memory too (F79).
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

#: New commissions are refused from this share of the server's memory on.
LIMIT = 0.9
#: Seconds that a look counts.
_LOOK = 1.0


def used_share(memory: Mapping[str, Any]) -> float:
    """Return the used share by the server's own figures; 0 where there is no bound."""
    bound = int(memory.get("maxmemory", 0))
    return int(memory.get("used_memory", 0)) / bound if bound else 0.0


class Capacity:
    """What a process last saw of it, while it enqueues: one look a second, with a write."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._look_at = 0.0
        self.is_short = False

    @property
    def wants_a_look(self) -> bool:
        """Return whether the last look is too long ago."""
        return self._monotonic() >= self._look_at

    def saw(self, memory: Mapping[str, Any]) -> None:
        """Take what the server says of its memory."""
        self.is_short = used_share(memory) >= LIMIT
        self._look_at = self._monotonic() + _LOOK
