"""What goes wrong, and when: two timetables of blows, drawn from a seed. Pure.

One is of the machine (processes are killed and paused, the broker forgets), the other of Astakos
(it cuts, hangs, errs, restarts), so that the two meet in every combination. Each deals whole decks
of its kinds in a new order: what a run is long enough for happens in it at least once.
"""

import random
from typing import NamedTuple

from astakos_worker.sandbox.faults import Kind

#: Processes of the stack that are killed with -9; the stack starts them again.
KILLED = ("commissions-1", "commissions-2", "lookups-1", "sweep-1", "beat", "broker")
#: Those that stand still for a while: shorter and longer than a lease of eight seconds.
PAUSED = {"broker": (0.5, 3.0), "commissions-1": (0.5, 4.0), "commissions-2": (8.5, 10.0)}

#: Seconds after which a late ghost works: with demo times a request may be sent for two seconds,
#: and five later Astakos is trusted to have done or forgotten it.
LATE = 8.0

#: Faults of the sandbox, and for how many seconds they last.
FAULTS: dict[str, dict[str, object]] = {
    "cut before": {"kind": Kind.CUT_BEFORE, "probability": 0.4},
    "cut after": {"kind": Kind.CUT_AFTER, "probability": 0.4},
    "hang before": {"kind": Kind.HANG_BEFORE, "probability": 0.2},
    "hang after": {"kind": Kind.HANG, "probability": 0.2},
    "500 before": {"kind": Kind.ERROR_BEFORE, "probability": 0.4},
    "503 before": {"kind": Kind.ERROR_BEFORE, "probability": 1.0, "status": 503},
    "500 after": {"kind": Kind.ERROR_AFTER, "probability": 0.4},
    "no holding": {"kind": Kind.NO_HOLDING, "probability": 0.5},
    "quota sync": {"kind": Kind.QUOTA_SYNC, "probability": 0.5},
    "ghost": {"kind": Kind.GHOST, "probability": 0.3, "seconds": 1.0},
    # Makes twins, which the sweep heals.
    "late ghost": {"kind": Kind.GHOST, "probability": 0.1, "seconds": LATE},
    "proxy's page": {"kind": Kind.PROXY_PAGE, "probability": 0.3},
    "empty list": {"kind": Kind.EMPTY_LIST, "probability": 0.5},
    "cut short": {"kind": Kind.TRUNCATE, "probability": 0.3},
    "slow": {"kind": Kind.DELAY_AFTER, "probability": 0.3, "seconds": 0.5, "spread": 2.0},
    "token refused": {"kind": Kind.TOKEN_REVOKED},
}
LASTING = (0.8, 2.5)

_MACHINE = (
    *(f"kill {name}" for name in KILLED),
    *(f"pause {name}" for name in PAUSED),
    "broker forgets",
)
_ASTAKOS = (*FAULTS, "outage", "kill sandbox", "orphans", "twins", "serials")

#: Seconds between two blows to the machine, at least: what was killed comes up meanwhile.
_REST = (0.5, 2.0)


class ScheduledFault(NamedTuple):
    """One thing that goes wrong, so many seconds after the first call."""

    at: float
    what: str
    seconds: float = 0.0


def machine(seed: int, seconds: float) -> list[ScheduledFault]:
    """Return the blows to the stack's processes."""
    return _timetable(random.Random(f"machine {seed}"), _MACHINE, seconds)


def astakos(seed: int, seconds: float) -> list[ScheduledFault]:
    """Return the blows to Astakos, and what goes on behind the service's back."""
    return _timetable(random.Random(f"astakos {seed}"), _ASTAKOS, seconds)


def _timetable(rng: random.Random, kinds: tuple[str, ...], seconds: float) -> list[ScheduledFault]:
    """Deal decks until the time is over; a deck at least."""
    scheduled: list[ScheduledFault] = []
    at = 0.0
    while not scheduled or at < seconds:
        for what in rng.sample(kinds, len(kinds)):
            at += rng.uniform(*_REST)
            fault = ScheduledFault(round(at, 2), what, round(_lasting(rng, what), 2))
            scheduled.append(fault)
            at += fault.seconds
    if at > seconds and len(scheduled) == len(kinds):  # one deck only: closer together
        return [ScheduledFault(round(b.at * seconds / at, 2), b.what, b.seconds) for b in scheduled]
    return [fault for fault in scheduled if fault.at < seconds]


def _lasting(rng: random.Random, what: str) -> float:
    verb, _, whom = what.partition(" ")
    if verb == "pause":
        return rng.uniform(*PAUSED[whom])
    if what in FAULTS or what == "outage":
        return rng.uniform(*LASTING)
    return 0.0
