"""What a worker process remembers of a lane from one carry to the next.

It may be lost, for example by a restart. That costs some requests and no more. All carriers of a
process share it without a lock: the last write counts.
"""

from dataclasses import dataclass, field
from typing import Literal

#: Seconds for which a smaller size of batches, forced by a proxy, is kept.
REMEMBERED = 60.0

#: What a request asks Astakos for.
RequestKind = Literal["issue", "settle"]


@dataclass(slots=True)
class BatchSize:
    """How many decisions one request may carry: fewer for a while after a proxy refused (F29)."""

    _size: int = 0
    _until: float = 0.0

    def at(self, now: float, most: int) -> int:
        """Return how many decisions to send together, `most` at most."""
        return min(self._size, most) if now < self._until else most

    def found_too_large(self, size: int, now: float) -> None:
        """Send at most half as many as the batch that was too large, for a minute."""
        self._size, self._until = max(1, size // 2), now + REMEMBERED


@dataclass(slots=True)
class LaneMemory:
    """One lane's size of batches, and when Astakos last did what was asked."""

    batch_size: BatchSize = field(default_factory=BatchSize)
    #: The time of the last success of each kind, by the store's clock.
    succeeded: dict[RequestKind, float] = field(default_factory=dict)
    #: When Astakos was last asked which name of a commission it does not know.
    explained: float = 0.0

    def succeeded_since(self, kind: RequestKind, at: float) -> bool:
        """Return whether a request of this kind has succeeded at or after a time."""
        return self.succeeded.get(kind, 0.0) >= at
