"""Whether a service's own usage and Astakos' usage agree, holding by holding. Pure.

Both sides are read at different times, so a commission on its way looks like drift. To repair that
would make drift (the protocol, section 5.3, item 9). So a holding differs only if Astakos said the
same before and after the service was asked, with nothing pending and nothing waiting in the
ledger. And a difference is repaired only after two comparisons have found it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

_INT64 = 2**63


class Holding(NamedTuple):
    """A user's holding in a project; `user` None: the holding of the project, for all its users."""

    user: str | None
    project: str
    resource: str


class Figure(NamedTuple):
    """What Astakos says of a holding. What is pending is counted in the usage."""

    usage: int
    pending: int
    limit: int


Own = Mapping[Holding, int]
FiguresByHolding = Mapping[Holding, Figure]


class BadUsageError(ValueError):
    """Raised when the rows that a service's function returned cannot be right."""


class Agreement(StrEnum):
    """What a comparison says of one holding."""

    EQUAL = "equal"
    DIFFERS = "differs"
    BUSY = "busy"  # it is changing: compare it later
    UNKNOWN = "unknown"  # Astakos has no such holding, so nothing can be repaired


@dataclass(frozen=True, slots=True)
class UsageSnapshot:
    """Both sides: the service's usage, and Astakos' before and after it was read."""

    own: Own
    before: FiguresByHolding
    after: FiguresByHolding
    #: Holdings of commissions in the ledger that Astakos has not received yet.
    awaited: frozenset[Holding] = frozenset()
    resources: frozenset[str] = field(default_factory=frozenset)

    def holdings(self) -> list[Holding]:
        """Return the holdings to compare: those of all resources that the service counts."""
        both = self.own.keys() | self.before.keys() | self.after.keys()
        return sorted((h for h in both if h.resource in self.resources), key=_order)


@dataclass(frozen=True, slots=True)
class DriftFinding:
    """One holding as a comparison found it; `own` is the service's figure, `usage` Astakos'."""

    holding: Holding
    agreement: Agreement
    why: str
    own: int
    usage: int = 0
    limit: int = 0

    @property
    def missing(self) -> int:
        """The amount that is missing from Astakos' usage; negative: Astakos counts too much."""
        return self.own - self.usage

    @property
    def over_limit(self) -> bool:
        """Whether the repair needs `force`, because it goes over the limit."""
        return self.missing > 0 and self.own > self.limit


def tally(rows: Iterable[object]) -> dict[Holding, int]:
    """Return a service's usage by holding, from rows `(user, project, resource, quantity)`.

    Rows of one holding are summed. A row whose user is None is the holding of a project. For a
    resource without such a row, a project's holding is the sum of its members' holdings. Raises
    `BadUsageError`.
    """
    own: dict[Holding, int] = {}
    for row in rows:
        holding, quantity = _checked(row)
        own[holding] = own.get(holding, 0) + quantity
    with_own_rows = {holding.resource for holding in own if holding.user is None}
    for (user, project, resource), quantity in list(own.items()):
        if user is not None and resource not in with_own_rows:
            both = Holding(None, project, resource)
            own[both] = own.get(both, 0) + quantity
    for holding, quantity in own.items():
        if quantity >= _INT64:
            raise BadUsageError(f"{quantity} of {_said(holding)} does not fit into 64 bits")
    return own


def compare_holding(holding: Holding, snapshot: UsageSnapshot, ours: int = 0) -> DriftFinding:
    """Compare one holding; `ours` is the quantity of a repair of it that is pending in Astakos."""
    own = snapshot.own.get(holding, 0)
    before, after = snapshot.before.get(holding), snapshot.after.get(holding)
    if before is None and after is None:
        if own == 0:
            return DriftFinding(holding, Agreement.EQUAL, "", 0)
        return DriftFinding(holding, Agreement.UNKNOWN, "Astakos has no such holding", own)
    if before is None or after is None:  # a synchronisation of quotas makes the holdings anew
        return DriftFinding(holding, Agreement.BUSY, "Astakos is making the holding anew", own)
    usage = after.usage - max(ours, 0)
    if after.pending > abs(ours):
        agreement, why = Agreement.BUSY, f"{after.pending - abs(ours)} pending in Astakos"
    elif after.pending < abs(ours):
        agreement, why = Agreement.BUSY, "the repair is not pending in Astakos any more"
    elif holding in snapshot.awaited:
        agreement, why = Agreement.BUSY, "a commission in the ledger is about to change it"
    elif before[:2] != after[:2]:
        agreement, why = Agreement.BUSY, "it changed while it was looked at"
    elif own == usage:
        agreement, why = Agreement.EQUAL, ""
    else:
        agreement, why = (
            Agreement.DIFFERS,
            "more than it uses" if own < usage else "less than it uses",
        )
        why = f"Astakos counts {abs(own - usage)} {why}"
    return DriftFinding(holding, agreement, why, own, usage, after.limit)


def compare(snapshot: UsageSnapshot) -> list[DriftFinding]:
    """Return the holdings that are not equal."""
    found = (compare_holding(holding, snapshot) for holding in snapshot.holdings())
    return [each for each in found if not _equal(each)]


def again(first: Iterable[DriftFinding], snapshot: UsageSnapshot) -> list[DriftFinding]:
    """Return the holdings that still differ. One with other figures than before is busy."""
    out = []
    for seen in first:
        now = compare_holding(seen.holding, snapshot)
        if now.agreement is Agreement.DIFFERS and (now.own, now.usage) != (seen.own, seen.usage):
            changed = f"it was {seen.own} here and {seen.usage} there a moment ago"
            now = DriftFinding(now.holding, Agreement.BUSY, changed, now.own, now.usage, now.limit)
        if now.agreement is not Agreement.EQUAL:
            out.append(now)
    return out


def stands(repaired: DriftFinding, snapshot: UsageSnapshot) -> str:
    """Return why a pending repair must not be accepted; an empty text if it may be."""
    now = compare_holding(repaired.holding, snapshot, repaired.missing)
    if now.agreement is Agreement.DIFFERS and (now.own, now.usage) == (
        repaired.own,
        repaired.usage,
    ):
        return ""
    if now.agreement in {Agreement.BUSY, Agreement.UNKNOWN}:
        return now.why
    return (
        f"its usage changed meanwhile, from {repaired.own} here and {repaired.usage} there "
        f"to {now.own} and {now.usage}"
    )


def too_many(differing: int, compared: int, *, floor: int, share: float) -> bool:
    """Return whether so many differ that the service's own figures are probably wrong."""
    return differing > max(floor, int(compared * share))


def _equal(finding: DriftFinding) -> bool:
    # A busy holding with equal figures needs nobody's attention.
    return finding.agreement is Agreement.EQUAL or (
        finding.agreement is Agreement.BUSY and finding.missing == 0
    )


def _checked(row: object) -> tuple[Holding, int]:
    if not isinstance(row, tuple | list) or len(row) != 4:
        raise BadUsageError(f"a row must be (user, project, resource, quantity), not {row!r:.200}")
    user, project, resource, quantity = row
    for label, value in (("project", project), ("resource", resource), ("user", user)):
        if (not isinstance(value, str) or not value) and not (label == "user" and value is None):
            raise BadUsageError(f"{label} must be a string in the row {row!r:.200}")
    if isinstance(quantity, bool) or not isinstance(quantity, int):
        raise BadUsageError(f"quantity must be an integer in the row {row!r:.200}")
    if quantity < 0:
        raise BadUsageError(f"nobody uses less than nothing: {row!r:.200}")
    return Holding(user, project, resource), quantity


def _order(holding: Holding) -> tuple[str, str, str]:
    return holding.project, holding.resource, holding.user or ""


def _said(holding: Holding) -> str:
    user, project, resource = holding
    return f"{resource} of " + (f"user {user} from project {project}" if user else project)
