"""Whether the ledger's server has memory left for new commissions (F79).

New commissions are refused before the memory is full. The rest is kept for the serials and the
decisions of existing commissions, and for a broker on the same server.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

#: New commissions are refused when this share of the server's memory is used.
LIMIT = 0.9
#: Seconds between two questions to the server.
_LOOK = 1.0


def used_share(memory: Mapping[str, Any]) -> float:
    """Return the used share of the memory, by the server's own figures; 0 where it has no bound."""
    bound = int(memory.get("maxmemory", 0))
    return int(memory.get("used_memory", 0)) / bound if bound else 0.0


class Capacity:
    """The memory as this process last read it: at most once a second, together with a write."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._look_at = 0.0
        self.is_short = False

    @property
    def wants_a_look(self) -> bool:
        """Return whether the server is to be asked again."""
        return self._monotonic() >= self._look_at

    def saw(self, memory: Mapping[str, Any]) -> None:
        """Take the server's figures of its memory."""
        self.is_short = used_share(memory) >= LIMIT
        self._look_at = self._monotonic() + _LOOK
