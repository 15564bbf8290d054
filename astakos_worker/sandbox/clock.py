"""The sandbox's own time, which tests can move forward."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class Clock:
    """Wall-clock time in UTC, plus however far it has been advanced."""

    def __init__(self, ahead: float = 0.0) -> None:
        self._ahead = timedelta(seconds=ahead)

    @property
    def ahead(self) -> float:
        """How many seconds it has been advanced by."""
        return self._ahead.total_seconds()

    def now(self) -> datetime:
        """The time that Astakos believes it is."""
        return datetime.now(UTC) + self._ahead

    def advance(self, seconds: float) -> None:
        """Move the clock; tokens may expire by it. OverflowError beyond the year 9999."""
        ahead = self._ahead + timedelta(seconds=seconds)
        # So far that there would be no time any more, even for what expires a little later.
        datetime.now(UTC) + ahead + timedelta(days=366)
        self._ahead = ahead
