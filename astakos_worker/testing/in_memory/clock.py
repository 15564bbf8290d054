"""Time that stands still until somebody moves it, so that a test waits for nothing."""


class StandingClock:
    """Seconds since the epoch, from a fixed beginning: no test depends on its day."""

    def __init__(self, start: float = 1_900_000_000.0) -> None:
        self._at = start

    def now(self) -> float:
        """Return seconds since the epoch."""
        return self._at

    def move(self, to: float) -> None:
        """Let it be so late; never earlier than it is."""
        self._at = max(self._at, to)
