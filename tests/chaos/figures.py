"""Counts the events of a run in the workers' logs, the ledger's records and Astakos' audit.

The figures are for readers; the proof does not use them. A killed worker loses its unwritten log
lines, so a count from logs may be too low.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from astakos_worker.demo.proof import Evidence
from astakos_worker.ledger.contract import Ledger
from astakos_worker.sandbox.control_client import AuditReport

_EVENT = re.compile(r"\bevent='(\w+)'")
_COUNT = re.compile(r"\b(\w+)=(\d+)\b")
_CHUNK = 500

#: What a sweep says that it did, and how it is called here.
_SWEPT = {
    "adopt": "adopted by the sweep",
    "twin": "twins found by the sweep",
    "reject": "orphans rejected",
    "expired": "expired",
    "resettle": "settled again",
}


@dataclass(slots=True)
class Figures:
    """Counts, each under its name."""

    faults: dict[str, int] = field(default_factory=dict)
    restarts: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    peaks: dict[str, int] = field(default_factory=dict)
    quiescence: float = 0.0  # seconds from the last fault until nothing was left to do

    def to_dict(self) -> dict[str, Any]:
        """Return them for programs."""
        return {
            "faults": self.faults,
            "restarts": self.restarts,
            **self.counts,
            "most_requests_at_once": self.peaks,
            "seconds_to_quiescence": round(self.quiescence, 1),
        }


class Peaks:
    """The most requests that Astakos had at once; it forgets them when it is killed."""

    def __init__(self) -> None:
        self.most: Counter[str] = Counter()

    def look(self, audit: AuditReport) -> None:
        """Remember what is higher than before."""
        for route, count in audit["most_in_flight"].items():
            self.most[route] = max(self.most[route], count)


def logged(directory: Path) -> dict[str, int]:
    """Return how often the workers' logs tell of what."""
    counts: Counter[str] = Counter()
    for path in directory.glob("*.log"):
        with path.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if (event := _EVENT.search(line)) is not None:
                    _add(counts, event[1], line)
    return dict(counts)


def _add(counts: Counter[str], event: str, line: str) -> None:
    values = {name: int(number) for name, number in _COUNT.findall(line)}
    match event:
        case "redelivered":
            counts["redeliveries"] += 1
        case "lane_rests":
            counts["rests of the lane"] += 1
        case "probe":
            counts["probes"] += 1
            counts["adopted by a probe"] += values.get("found", 0)
        case "sweep":
            counts["sweeps"] += 1
            for name, shown in _SWEPT.items():
                counts[shown] += values.get(name, 0)


def recorded(ledger: Ledger, lane: str, keys: Iterable[str]) -> dict[str, int]:
    """Return what the records of these keys tell."""
    counts: Counter[str] = Counter({"twins": 0, "issues announced again": 0})
    listed = list(keys)
    for at in range(0, len(listed), _CHUNK):
        for entry in ledger.get(lane, listed[at : at + _CHUNK]).values():
            counts["twins"] += len(entry.record.twins)
            counts["issues announced again"] += max(0, entry.record.marks - 1)
    return dict(counts)


def issued(evidence: Evidence) -> dict[str, int]:
    """Return what Astakos' journal tells."""
    events = Counter(event.event for event in evidence.astakos.journal)
    return {f"{name} by Astakos": events[name] for name in ("issued", "accepted", "rejected")}


def died(restarts: Mapping[str, int], faults: Mapping[str, int]) -> dict[str, int]:
    """Return how often a process ended that nobody had killed."""
    by_itself = {name: count - faults.get(f"kill {name}", 0) for name, count in restarts.items()}
    return {name: count for name, count in by_itself.items() if count > 0}
