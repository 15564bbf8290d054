"""A clock that stands still until it is moved, so that no test waits."""


class StandingClock:
    """Seconds since the epoch, from a fixed start: no test depends on the day of its run."""

    def __init__(self, start: float = 1_900_000_000.0) -> None:
        self._at = start

    def now(self) -> float:
        """Return seconds since the epoch."""
        return self._at

    def move(self, to: float) -> None:
        """Set the time; an earlier time than now changes nothing."""
        self._at = max(self._at, to)
