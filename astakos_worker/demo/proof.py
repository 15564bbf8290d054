"""The proof: compares Astakos' own figures with the outcomes that the service was told. Pure.

The service's decisions and the outcomes that it was told say what must be. The sandbox's holdings,
pending commissions and journal say what is. Nothing is read from the ledger.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from astakos_worker.ledger.request import Tag, read_tag

#: Holder, source and resource: they name one counter of Astakos.
HoldingName = tuple[str, str | None, str]
#: The quantity that a commission takes (> 0) or gives back (< 0) of each holding.
Charges = Mapping[HoldingName, int]


def charges(user: str, project: str, provisions: Mapping[str, int]) -> dict[HoldingName, int]:
    """Return the charges of provisions, `{resource: quantity}`, for a user in a project."""
    out: dict[HoldingName, int] = {}
    for resource, quantity in provisions.items():
        out[f"user:{user}", f"project:{project}", resource] = quantity
        out[f"project:{project}", None, resource] = quantity
    return out


class Check(StrEnum):
    """The kinds of discrepancies."""

    TOLD = "told"
    USAGE = "usage"
    PENDING = "pending"
    TWICE = "twice"
    ORPHAN = "orphan"
    FOREIGN = "foreign"


class Discrepancy(NamedTuple):
    """One difference between what must be and what is."""

    kind: Check
    text: str


class Usage(NamedTuple):
    """One counter: `least` is confirmed; `most` is confirmed or reserved by pending commissions."""

    least: int = 0
    most: int = 0


class Event(NamedTuple):
    """One line of Astakos' journal: `issued`, `accepted` or `rejected`."""

    event: str
    serial: int
    name: str


@dataclass(frozen=True, slots=True)
class CallerView:
    """One commission as its caller sees it: its charges, and the end that the caller was told."""

    key: str
    charges: Charges
    #: The ends that the caller's decision allows.
    ends: frozenset[str]
    end: str | None = None  # None: the caller was told no end
    serial: int | None = None
    note: str = ""
    #: Issued by the service's own client and decided here by its serial: its name has no tag.
    bare: bool = False


@dataclass(frozen=True, slots=True)
class DirectCommission:
    """A commission that was made directly in Astakos, and of which the service does not know."""

    serial: int
    name: str
    charges: Charges = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AstakosState:
    """Astakos' own figures at the end of the run; `before` are the holdings before it."""

    before: Mapping[HoldingName, Usage]
    after: Mapping[HoldingName, Usage]
    pending: Mapping[int, DirectCommission]
    journal: Sequence[Event]
    forgotten: int = 0  # events that the journal has lost


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that the proof compares."""

    views: Sequence[CallerView]
    foreign: Sequence[DirectCommission]
    orphans: Sequence[DirectCommission]  # with a tag of ours; the service never wanted them
    astakos: AstakosState
    namespace: str  # of our tags

    def tag(self, name: str) -> Tag | None:
        """Return the tag at the end of a name, if it is one of our namespace."""
        tag = read_tag(name)
        return tag if tag is not None and tag.namespace == self.namespace else None


def prove(evidence: Evidence) -> list[Discrepancy]:
    """Return all discrepancies; the run is proven if there are none."""
    return [
        *_wrong_ends(evidence),
        *_wrong_usage(evidence),
        *_left_pending(evidence),
        *_issued_twice(evidence),
        *_orphans_alive(evidence),
        *_foreign_touched(evidence),
    ]


def expected(evidence: Evidence) -> dict[HoldingName, Usage]:
    """Return the usage that each holding must have: as before the run, plus what was accepted.

    Foreign commissions are still pending, so their quantities are still reserved.
    """
    least = Counter({holding: usage.least for holding, usage in evidence.astakos.before.items()})
    most = Counter({holding: usage.most for holding, usage in evidence.astakos.before.items()})
    for view in evidence.views:
        if view.end == "accepted":
            _add(least, view.charges)
            _add(most, view.charges)
    for foreign in evidence.foreign:
        _add(most, {holding: n for holding, n in foreign.charges.items() if n > 0})
        _add(least, {holding: n for holding, n in foreign.charges.items() if n < 0})
    return {holding: Usage(least[holding], most[holding]) for holding in (*least, *most)}


def _add(sums: Counter[HoldingName], more: Charges) -> None:
    for holding, quantity in more.items():
        sums[holding] += quantity


def _wrong_ends(evidence: Evidence) -> Iterator[Discrepancy]:
    for view in evidence.views:
        note = f" ({view.note})" if view.note else ""
        if view.end is None:
            yield Discrepancy(Check.TOLD, f"{view.key} has no end{note}")
        elif view.end not in view.ends:
            wanted = " or ".join(sorted(view.ends))
            yield Discrepancy(Check.TOLD, f"{view.key} is {view.end} and must be {wanted}{note}")


def _wrong_usage(evidence: Evidence) -> Iterator[Discrepancy]:
    wanted = expected(evidence)
    for holding in sorted({*wanted, *evidence.astakos.after}, key=str):
        must, found = wanted.get(holding, Usage()), evidence.astakos.after.get(holding, Usage())
        if must != found:
            holder, source, resource = holding
            where = f"{resource} of {holder}" + (f" from {source}" if source else "")
            yield Discrepancy(
                Check.USAGE,
                f"{where}: {_shown(found)} in Astakos, {_shown(must)} by what was accepted",
            )


def _shown(usage: Usage) -> str:
    least, most = usage
    return f"{least}" if least == most else f"{least} ({most} with what is reserved)"


def _left_pending(evidence: Evidence) -> Iterator[Discrepancy]:
    for serial, made in evidence.astakos.pending.items():
        if (tag := evidence.tag(made.name)) is not None:
            yield Discrepancy(Check.PENDING, f"serial {serial}, of {tag.key}, is still pending")


def _issued_twice(evidence: Evidence) -> Iterator[Discrepancy]:
    if evidence.astakos.forgotten:
        yield Discrepancy(Check.TWICE, f"the journal has lost {evidence.astakos.forgotten} events")
    accepted = _accepted(evidence)
    for view in evidence.views:
        serials = accepted.pop(view.key, [])
        if len(serials) > 1:
            yield Discrepancy(Check.TWICE, f"{view.key} was accepted as {_listed(serials)}")
        elif view.end == "accepted" and serials != [view.serial]:
            yield Discrepancy(
                Check.TWICE,
                f"the service was told that {view.key} is accepted as {view.serial}; "
                f"Astakos accepted {_listed(serials)}",
            )
        elif view.end != "accepted" and serials:
            yield Discrepancy(
                Check.TWICE, f"{view.key} is {view.end}, and Astakos accepted {_listed(serials)}"
            )
    for key, serials in accepted.items():
        yield Discrepancy(
            Check.TWICE, f"nobody issued {key}, and Astakos accepted {_listed(serials)}"
        )


def _accepted(evidence: Evidence) -> dict[str, list[int]]:
    """Return the accepted serials of each key of ours."""
    out: defaultdict[str, list[int]] = defaultdict(list)
    bare = {view.serial: view.key for view in evidence.views if view.bare}
    for event in evidence.astakos.journal:
        if event.event != "accepted":
            continue
        if event.serial in bare:
            out[bare[event.serial]].append(event.serial)
        elif (tag := evidence.tag(event.name)) is not None:
            out[tag.key].append(event.serial)
    return dict(out)


def _listed(serials: Iterable[int]) -> str:
    return "serial " + " and ".join(str(serial) for serial in serials) if serials else "none"


def _orphans_alive(evidence: Evidence) -> Iterator[Discrepancy]:
    ends = {event.serial: event.event for event in evidence.astakos.journal}
    surviving = {view.serial for view in evidence.views if view.end == "accepted"}
    for orphan in evidence.orphans:
        # A worker that looks for a lost answer may find the twin first, and adopts it. Then the
        # service's own commission is the twin, and is rejected.
        if ends.get(orphan.serial) != "rejected" and orphan.serial not in surviving:
            what = ends.get(orphan.serial, "unknown")
            yield Discrepancy(Check.ORPHAN, f"orphan {orphan.serial} is {what}, not rejected")


def _foreign_touched(evidence: Evidence) -> Iterator[Discrepancy]:
    ours = {made.serial for made in evidence.foreign}
    ends = {event.serial: event.event for event in evidence.astakos.journal}
    for made in evidence.foreign:
        there = evidence.astakos.pending.get(made.serial)
        if there is None:
            what = ends.get(made.serial, "unknown")
            yield Discrepancy(Check.FOREIGN, f"foreign {made.serial} is {what}, not pending")
        elif there != made:
            yield Discrepancy(
                Check.FOREIGN, f"foreign {made.serial} was changed; its name is now {there.name}"
            )
    for serial, made in evidence.astakos.pending.items():
        if serial not in ours and evidence.tag(made.name) is None:
            yield Discrepancy(Check.FOREIGN, f"serial {serial} is pending, and nobody made it")
