"""The faults that are possible at a step, and the schedules that choose among them.

A schedule is written as `12:crash 30:pause=61 44:delay=40`: the number of a step, and the fault at
this step. A schedule is an explicit list, or it is drawn from a seed. After a run, a drawn schedule
is known in this form too, and can be repeated exactly.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol


class Fault(NamedTuple):
    """One fault; `amount` is in seconds, for faults that take time."""

    kind: str
    amount: float = 0.0

    def __str__(self) -> str:
        return f"{self.kind}={self.amount:g}" if self.amount else self.kind


# Of a process, at any step.
CRASH = Fault("crash")  # its host dies here; its memory is gone
LEASE_OVER = Fault("pause", 61)  # its host stands still for longer than a lease
HORIZON_OVER = Fault("pause", 200)  # and for longer than the quiet horizon
ASIDE = Fault("aside")  # another process goes on first
SWEEP = Fault("sweep")  # a sweep goes first
DRIVE = Fault("drive")  # the drive goes first
FOREIGN_ACCEPT = Fault("foreign_accept")  # somebody's command accepts all that is pending
FOREIGN_REJECT = Fault("foreign_reject")

# Of a call of the ledger.
AWAY = Fault("away")  # not executed
ANSWER_LOST = Fault("answer_lost")  # executed, and nobody hears of it
TWICE = Fault("twice")  # the connection was lost, and the call repeated
TWICE_LATER = Fault("twice_later", 5)  # the same, when others have gone on in between
UNREADABLE = Fault("unreadable", 100)  # of a claim: a record is spoilt, and set aside for a while

# Of a request to Astakos, before its work.
NOT_SENT = Fault("not_sent")
REQUEST_LOST = Fault("request_lost")
FAILS = Fault("fails")  # 500, nothing done
UNAUTHORIZED = Fault("unauthorized")  # 401
BATCH_REFUSED = Fault("batch_refused")  # 400 of a settle, nothing done
DOUBLED = Fault("doubled")  # somebody on the way sends an issue twice: the first answer is lost
NO_HOLDING = Fault("no_holding")  # 404 of an issue, while quotas are synchronised
DELAYS = (
    Fault("delay", 5),  # slow, within the request's deadline
    Fault("delay", 40),  # a ghost: the caller has given up
    Fault("delay", 74),  # at the very end of the quiet horizon
    Fault("delay", 100),  # beyond what the horizon covers: twins may be made, and are healed
    Fault("delay", 200),
)

#: From now on every such request gets a 500 and nothing is done, for longer than the window in
#: which a commission that fails dies.
STORM = Fault("storm", 400)  # every request
ISSUE_STORM = Fault("issue_storm", 600)  # every issue, while lists and settles are answered
SETTLE_STORM = Fault("settle_storm", 400)

# After its work; and `ANSWER_LOST`.
SLOW = Fault("slow", 12)  # the answer takes its time, and is old when it comes

# Of a wake-up.
LOST = Fault("lost")
TWO = Fault("two")
LATE = Fault("late", 30)


#: Returns the faults that are possible at a step. Called only if a fault is wanted there.
Options = Callable[[], Sequence[Fault]]


class Schedule(Protocol):
    """Says what goes wrong at a step, if anything."""

    def pick(self, step: int, options: Options) -> Fault | None:
        """Return one of the options, or None for no fault."""


@dataclass(frozen=True, slots=True)
class Explicit:
    """These faults at these steps; one that is not possible there is left out."""

    faults: Mapping[int, Fault] = field(default_factory=dict)

    def pick(self, step: int, options: Options) -> Fault | None:
        """Return what is listed for the step."""
        fault = self.faults.get(step)
        return fault if fault is not None and fault in options() else None

    def __str__(self) -> str:
        return " ".join(f"{step}:{fault}" for step, fault in sorted(self.faults.items()))


def parse(text: str) -> Explicit:
    """Return the schedule that was written so."""
    faults: dict[int, Fault] = {}
    for word in text.split():
        step, _, fault = word.partition(":")
        kind, _, amount = fault.partition("=")
        faults[int(step)] = Fault(kind, float(amount or 0))
    return Explicit(faults)


class Seeded:
    """Faults drawn at random, the same for the same seed; some runs have few, some many."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._rate = self._random.choice((0.02, 0.05, 0.1, 0.2))
        self._left = self._random.choice((2, 3, 5, 8, 15))

    def pick(self, step: int, options: Options) -> Fault | None:
        """Draw."""
        if not self._left or self._random.random() >= self._rate:
            return None
        self._left -= 1
        # By kind first: there are more ways of being late than of crashing.
        possible = options()
        kind = self._random.choice(sorted({fault.kind for fault in possible}))
        return self._random.choice([fault for fault in possible if fault.kind == kind])
