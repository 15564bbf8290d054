"""Draws two timetables of faults from a seed. Pure.

One has faults of the machine: processes are killed and paused, servers are swapped, the broker's
data is lost. The other has faults of Astakos: it cuts connections, hangs, answers with errors, and
restarts. Both run at the same time, so their faults meet in every combination. Each timetable goes
through all its kinds of faults, then again in a new order, so every kind happens in a run.
"""

import random
from typing import NamedTuple

from astakos_worker.sandbox.faults import Kind

#: Processes of the stack that are killed with -9; the stack starts them again.
KILLED = ("commissions-1", "commissions-2", "lookups-1", "sweep-1", "beat", "broker")
#: Processes that are paused, for how many seconds: shorter and longer than a lease of eight.
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
    # Every request, for a good part of the run: for one or two minutes of ten.
    "500 storm": {"kind": Kind.ERROR_BEFORE, "probability": 1.0, "status": 500},
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
#: Seconds by which the servers' clock is set, back and forth.
CLOCK_STEPS = (-60, 3600)

LASTING = (0.8, 2.5)
#: A storm comes once, and lasts such a part of the whole run.
STORM = "500 storm"
STORM_LASTS = (0.1, 0.2)

_MACHINE = (
    *(f"kill {name}" for name in KILLED),
    *(f"pause {name}" for name in PAUSED),
    "broker forgets",
    "fail-over",
    *(f"clock {step:+d}" for step in CLOCK_STEPS),
)
_ASTAKOS = (*FAULTS, "outage", "kill sandbox", "orphans", "twins", "serials")

#: Seconds between two faults: a process that was killed comes up meanwhile.
_REST = (0.5, 2.0)


class ScheduledFault(NamedTuple):
    """One thing that goes wrong, so many seconds after the first call."""

    at: float
    what: str
    seconds: float = 0.0


def machine(seed: int, seconds: float) -> list[ScheduledFault]:
    """Return the faults of the stack's processes and servers."""
    return _timetable(random.Random(f"machine {seed}"), _MACHINE, seconds)


def astakos(seed: int, seconds: float) -> list[ScheduledFault]:
    """Return the faults of Astakos, and what happens behind the service's back."""
    return _timetable(random.Random(f"astakos {seed}"), _ASTAKOS, seconds)


def _timetable(rng: random.Random, kinds: tuple[str, ...], seconds: float) -> list[ScheduledFault]:
    """Go through all kinds, in a new order each time, until the time is over; once at least."""
    scheduled: list[ScheduledFault] = []
    at = 0.0
    while not scheduled or at < seconds:
        again = kinds if not scheduled else [kind for kind in kinds if kind != STORM]
        for what in rng.sample(again, len(again)):
            at += rng.uniform(*_REST)
            fault = ScheduledFault(round(at, 2), what, round(_lasting(rng, what, seconds), 2))
            scheduled.append(fault)
            at += fault.seconds
    if at > seconds and len(scheduled) == len(kinds):  # every kind once: closer together
        return [ScheduledFault(round(b.at * seconds / at, 2), b.what, b.seconds) for b in scheduled]
    return [fault for fault in scheduled if fault.at < seconds]


def _lasting(rng: random.Random, what: str, seconds: float) -> float:
    verb, _, whom = what.partition(" ")
    if verb == "pause":
        return rng.uniform(*PAUSED[whom])
    if what == STORM:
        return rng.uniform(*STORM_LASTS) * seconds
    if what in FAULTS or what == "outage":
        return rng.uniform(*LASTING)
    return 0.0
