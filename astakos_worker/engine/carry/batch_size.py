"""How many decisions one request may carry: fewer for a while when a proxy finds that too many."""

from dataclasses import dataclass

#: Seconds that a smaller size, forced by a proxy, is kept.
REMEMBERED = 60.0


@dataclass(slots=True)
class BatchSize:
    """One service's, for all carriers of a process: no lock, the last word counts (F29)."""

    _size: int = 0
    _until: float = 0.0

    def at(self, now: float, most: int) -> int:
        """Return how many to send together."""
        return min(self._size, most) if now < self._until else most

    def found_too_large(self, size: int, now: float) -> None:
        """Keep to half of what was too large."""
        self._size, self._until = max(1, size // 2), now + REMEMBERED
