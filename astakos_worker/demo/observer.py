"""Reads the sandbox's holdings, commissions and journal, and counts of the ledger. Judges nothing.

`proof.py` judges.
"""

import contextlib
from collections.abc import Iterable
from dataclasses import replace

from astakos_worker.demo.plan import Accounts
from astakos_worker.demo.proof import AstakosState, DirectCommission, Event, HoldingName, Usage
from astakos_worker.demo.run_state import Counts
from astakos_worker.ledger.contract import Ledger, LedgerError
from astakos_worker.local.files import COMPONENT
from astakos_worker.sandbox.control_client import AuditReport, ControlClient
from astakos_worker.sandbox.errors import ControlError
from astakos_worker.service.lookups import Lookups

#: The users and projects of the shipped seed that the demonstration uses.
_PLENTY = [f"user{n:02}@example.org" for n in range(1, 21)]
_TINY = [f"tiny{n}@example.org" for n in range(1, 6)]
_SHARED, _CROWDED = "shared.example.org", "crowded.example.org"

#: The name that the sandbox's audit gives to the list that each sweep reads.
_LIST = "commissions.list"


def accounts(lookups: Lookups, control: ControlClient) -> Accounts:
    """Look up the users through the workers, as a service does, and read the projects."""
    uuids = lookups.uuids([*_PLENTY, *_TINY])
    projects = {project["name"]: project for project in control.world()["projects"]}
    return Accounts(
        plenty={name.partition("@")[0]: uuids[name] for name in _PLENTY},
        tiny={name.partition("@")[0]: uuids[name] for name in _TINY},
        shared=projects[_SHARED]["uuid"],
        crowded=projects[_CROWDED]["uuid"],
        crowd=tuple(projects[_CROWDED]["members"]),
    )


class Observer:
    """Reads the sandbox's control interface (which is no part of Astakos) and the ledger."""

    def __init__(self, control: ControlClient, ledger: Ledger, lane: str) -> None:
        self._control = control
        self._ledger = ledger
        self._lane = lane
        self._last = Counts()

    def holdings(self) -> dict[HoldingName, Usage]:
        """Return the usage of every holding."""
        return {
            (row["holder"], row["source"], row["resource"]): Usage(
                row["usage_min"], row["usage_max"]
            )
            for row in self._control.holdings()
        }

    def pending(self) -> dict[int, DirectCommission]:
        """Return the pending commissions of the service's component, by serial."""
        return {
            row["serial"]: DirectCommission(
                row["serial"],
                row["name"],
                {
                    (p["holder"], p["source"], p["resource"]): p["quantity"]
                    for p in row["provisions"]
                },
            )
            for row in self._control.commissions(COMPONENT)
        }

    def astakos_state(self, before: dict[HoldingName, Usage]) -> AstakosState:
        """Return the evidence that Astakos has; `before` are the holdings before the run."""
        journal = [
            Event(row["event"], row["serial"], row["name"]) for row in self._control.journal()
        ]
        forgotten = self._control.audit()["forgotten"]
        return AstakosState(before, self.holdings(), self.pending(), journal, forgotten)

    def lists(self) -> int:
        """Return how many times the list of pending commissions was read."""
        return _count(self._control.audit(), {_LIST})

    def counts(self) -> Counts:
        """Return the present counts. A server that does not answer leaves its last counts."""
        now = replace(self._last, away="")
        try:
            lane = self._ledger.lane(self._lane)
        except LedgerError:
            now = replace(now, away="the ledger is away")
        else:
            away = lane.reason if lane.resting > 0 else ""
            now = replace(
                now,
                due=lane.due,
                open=lane.open,
                with_serial=lane.held,
                awake=lane.awake,
                away=away,
            )
        with contextlib.suppress(ControlError):
            audit = self._control.audit()
            events = audit["events"]
            now = replace(
                now,
                issued=events.get("issued", 0),
                accepted=events.get("accepted", 0),
                rejected=events.get("rejected", 0),
                requests=_count(audit, audit["requests"]),
            )
        self._last = now
        return now


def _count(audit: AuditReport, routes: Iterable[str]) -> int:
    return sum(sum(audit["requests"].get(route, {}).values()) for route in routes)
