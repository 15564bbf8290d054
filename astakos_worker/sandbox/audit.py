"""Counts of requests by route, and the journal of the events of commissions.

The journal is what lets a test say "one request per key, nothing issued twice". It is bounded, so
that a sandbox that runs for weeks does not grow for ever, and says how much it has forgotten.
"""

from collections import Counter, deque
from collections.abc import Iterable
from enum import StrEnum
from typing import Final, NamedTuple

from astakos_worker.sandbox.quota import Commission

LONGEST_JOURNAL: Final = 500_000
MOST_FEEDBACK: Final = 1_000


class CommissionEvent(StrEnum):
    """The events of a commission."""

    ISSUED = "issued"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class JournalEntry(NamedTuple):
    """One event of one commission; `sequence` counts from 1 and never repeats."""

    sequence: int
    event: CommissionEvent
    serial: int
    component: str
    name: str


class Feedback(NamedTuple):
    """One message of a user to the operators."""

    user: str
    message: str
    data: str


class Audit:
    """Counters of requests, the journal of commissions, and the feedback of users."""

    def __init__(self, longest: int = LONGEST_JOURNAL) -> None:
        self.requests: Counter[tuple[str, str]] = Counter()
        self.in_flight: Counter[str] = Counter()
        self.most_in_flight: Counter[str] = Counter()
        self.events: Counter[CommissionEvent] = Counter()
        self.journal: deque[JournalEntry] = deque(maxlen=longest)
        self.last_sequence = 0
        self.feedback: deque[Feedback] = deque(maxlen=MOST_FEEDBACK)

    def add_feedback(self, user: str, message: str, data: str) -> None:
        """Keep the feedback of a user, for a test to read."""
        self.feedback.append(Feedback(user, message, data))

    def enter(self, route: str) -> None:
        """Count a request that has come in."""
        for name in (route, "all"):
            self.in_flight[name] += 1
            self.most_in_flight[name] = max(self.most_in_flight[name], self.in_flight[name])

    def leave(self, route: str, outcome: str) -> None:
        """Count the outcome of a request: its status, or `cut` or `hung`."""
        for name in (route, "all"):
            self.in_flight[name] -= 1
        self.requests[route, outcome] += 1

    def note(self, event: CommissionEvent, commissions: Iterable[Commission]) -> None:
        """Enter one event for each commission."""
        for commission in commissions:
            self.last_sequence += 1
            self.events[event] += 1
            self.journal.append(
                JournalEntry(
                    self.last_sequence,
                    event,
                    commission.serial,
                    commission.component,
                    commission.name,
                )
            )

    def recall(self, entries: Iterable[JournalEntry], last_sequence: int) -> None:
        """Take over the journal of an earlier run."""
        self.journal.clear()
        self.journal.extend(entries)
        self.events = Counter(entry.event for entry in self.journal)
        self.last_sequence = last_sequence

    @property
    def forgotten(self) -> int:
        """The number of events that the journal no longer holds."""
        return self.last_sequence - len(self.journal)
