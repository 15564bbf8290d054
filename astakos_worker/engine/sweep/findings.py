"""The values of a sweep: what it finds, and its report.

A `SweepFinding` is one commission, what is to be done about it, and why. A `Report` counts the
findings and keeps some of each kind for a person to read. The ledger keeps the last report.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, Self, get_args

#: What a sweep does about a commission, or why it does nothing.
SweepAction = Literal[
    "adopt",  # its answer was lost: the record gets its serial
    "twin",  # a second serial of one key: rejected; the serial of the record stands
    "reject",  # ours without a record, of an earlier use of its key, or foreign by the policy
    "accept",  # the owner says so
    "expired",  # undecided past its deadline: rejected
    "resettle",  # settled by us, and pending again: settled again
    "conflict",  # its serial belongs to another commission now: a person has to look
    "vanished",  # undecided by us, and gone: a person has to look
    "foreign",  # not of this ledger: left alone
    "wait",  # ours without a record: left alone for now
    "leave",  # a worker has claimed it, the owner says so, or a brake holds it: left alone
]

#: Findings for which nothing is to be done.
AT_REST: Final[frozenset[SweepAction]] = frozenset({"foreign", "wait", "leave"})

#: Why a sweep stops until an operator says that it may go on.
StopReason = Literal["list", "brake"]

#: Called with how many commissions have been looked at, and how many there are.
OnProgress = Callable[[int, int], None]

#: Rows that a report keeps for each kind of finding. The counts are of all findings.
_ROWS = 25

_WHATS: Final[tuple[str, ...]] = get_args(SweepAction)


class SweepFinding(NamedTuple):
    """One commission, what is to be done about it, and why.

    `key` is that of the record or of the tag; `shown()` makes it readable. `age` is in seconds.
    `reason` is a stable word if something is rejected. `done` is False in a dry run, and where a
    sweep stopped.
    """

    action: SweepAction
    serial: int | None
    key: str | None
    why: str
    age: float = 0.0
    reason: str = ""
    done: bool = False

    @property
    def at_rest(self) -> bool:
        """Return whether there is nothing to do."""
        return self.action in AT_REST


@dataclass(frozen=True, slots=True)
class Selection:
    """Which commissions a sweep looks at; by default all of them. `older_than` is in seconds."""

    keys: frozenset[str] = frozenset()
    serials: frozenset[int] = frozenset()
    older_than: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.keys or self.serials or self.older_than)

    def takes(self, key: str | None, serials: Iterable[int | None], age: float) -> bool:
        """Return whether a commission is among them; `age` is in seconds."""
        named = not (self.keys or self.serials) or key in self.keys
        return (named or any(n in self.serials for n in serials)) and age >= self.older_than


@dataclass(slots=True)
class Report:
    """What a sweep saw and did. Times are of the ledger's clock; ages are in seconds.

    While `ended` is None the sweep runs, or its worker has died. `looked` says how far it got.
    """

    service: str
    fix: bool = True
    started: float = 0.0
    ended: float | None = None
    listed: int = 0  # pending in Astakos
    looked: int = 0  # of these, looked at
    counts: Counter[str] = field(default_factory=Counter)
    undone: Counter[str] = field(default_factory=Counter)  # of the counts: to do, and not done
    rejected: Counter[str] = field(default_factory=Counter)  # by reason, done
    oldest_undecided: float = 0.0
    oldest_unexplained: float = 0.0  # carries our tag, and no record explains it
    stopped: str = ""  # why the sweep ended early
    distrusted: bool = False  # the ledger has lost writes: nothing was rejected, nothing expired
    alarms: dict[str, str] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(self, finding: SweepFinding, shown: str | None) -> None:
        """Count a finding, and keep a row unless there are many of its kind; `shown`: its key."""
        what = finding.action
        self.counts[what] += 1
        if finding.done and finding.reason:
            self.rejected[finding.reason] += 1
        if not finding.done and not finding.at_rest:
            self.undone[what] += 1
        if self.counts[what] <= _ROWS:
            self.rows.append(
                {
                    "action": what,
                    "serial": finding.serial,
                    "key": shown,
                    "why": finding.why,
                    "age": round(finding.age, 1),
                    "done": finding.done,
                }
            )

    @property
    def done(self) -> Counter[str]:
        """Return how many findings of each kind were acted on."""
        return Counter({w: n for w, n in (self.counts - self.undone).items() if w not in AT_REST})

    @property
    def left(self) -> int:
        """Return how many findings call for something that was not done."""
        return self.undone.total()

    @property
    def seconds(self) -> float:
        """Return how many seconds the sweep took; 0 while it runs."""
        return 0.0 if self.ended is None else self.ended - self.started

    def to_dict(self) -> dict[str, Any]:
        """Return the report as a dict that JSON can hold, readable in Flower."""
        out: dict[str, Any] = {"service": self.service, "listed": self.listed, **self.counts}
        if self.stopped:
            out["stopped"] = self.stopped
        if self.distrusted:
            out["distrusted"] = True
        return {
            **out,
            "looked": self.looked,
            "fix": self.fix,
            "started": round(self.started, 3),
            "ended": None if self.ended is None else round(self.ended, 3),
            "rejected": dict(self.rejected),
            "undone": dict(self.undone),
            "oldest_undecided": round(self.oldest_undecided, 1),
            "oldest_unexplained": round(self.oldest_unexplained, 1),
            "alarms": dict(self.alarms),
            "rows": self.rows,
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Self:
        """Return the report that `to_dict` described."""
        return cls(
            raw["service"],
            fix=raw["fix"],
            started=raw["started"],
            ended=raw["ended"],
            listed=raw["listed"],
            looked=raw["looked"],
            counts=Counter({what: raw[what] for what in _WHATS if what in raw}),
            undone=Counter(raw["undone"]),
            rejected=Counter(raw["rejected"]),
            oldest_undecided=raw["oldest_undecided"],
            oldest_unexplained=raw["oldest_unexplained"],
            stopped=raw.get("stopped", ""),
            distrusted=raw.get("distrusted", False),
            alarms=dict(raw["alarms"]),
            rows=list(raw["rows"]),
        )
