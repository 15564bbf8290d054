"""The proof: what Astakos' books say against what the service was told. Pure.

Nothing here knows the ledger's insides. The truth is what the service decided and was told; the
evidence is the sandbox's own holdings, its pending commissions and its journal.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from astakos_worker.ledger.request import Tag, read_tag

#: Holder, source and resource: what one counter of Astakos is known by.
Holding = tuple[str, str | None, str]
#: What a commission takes (> 0) or gives back (< 0) of each holding.
Charges = Mapping[Holding, int]


def charges(user: str, project: str, provisions: Mapping[str, int]) -> dict[Holding, int]:
    """Return what `{resource: quantity}` takes: of the member's holding and of the project's."""
    out: dict[Holding, int] = {}
    for resource, quantity in provisions.items():
        out[f"user:{user}", f"project:{project}", resource] = quantity
        out[f"project:{project}", None, resource] = quantity
    return out


class Check(StrEnum):
    """What a finding is about."""

    TOLD = "told"
    USAGE = "usage"
    PENDING = "pending"
    TWICE = "twice"
    ORPHAN = "orphan"
    FOREIGN = "foreign"


class Discrepancy(NamedTuple):
    """One thing that is not as it must be."""

    kind: Check
    text: str


class Usage(NamedTuple):
    """One counter: what is confirmed, and what is confirmed or reserved."""

    least: int = 0
    most: int = 0


class Event(NamedTuple):
    """One line of Astakos' journal: `issued`, `accepted` or `rejected`."""

    event: str
    serial: int
    name: str


@dataclass(frozen=True, slots=True)
class CallerView:
    """One commission of the service: what it wanted, and what it was told came of it."""

    key: str
    charges: Charges
    #: The ends that its decision allows.
    ends: frozenset[str]
    end: str | None = None  # None: it was never told
    serial: int | None = None
    note: str = ""
    #: Issued by the service's own client and handed over by its serial: no tag is in its name.
    bare: bool = False


@dataclass(frozen=True, slots=True)
class DirectCommission:
    """A commission that was made behind the service's back, directly in Astakos."""

    serial: int
    name: str
    charges: Charges = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AstakosState:
    """What Astakos itself says, at the end; `before` is of the beginning."""

    before: Mapping[Holding, Usage]
    after: Mapping[Holding, Usage]
    pending: Mapping[int, DirectCommission]
    journal: Sequence[Event]
    forgotten: int = 0  # events that the journal has lost


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that the verdict rests on."""

    told: Sequence[CallerView]
    foreign: Sequence[DirectCommission]
    orphans: Sequence[DirectCommission]  # with a tag of ours, and never wanted by the service
    astakos: AstakosState
    namespace: str  # of our tags

    def tag(self, name: str) -> Tag | None:
        """Return the tag of ours that a name ends with."""
        tag = read_tag(name)
        return tag if tag is not None and tag.namespace == self.namespace else None


def prove(evidence: Evidence) -> list[Discrepancy]:
    """Return everything that is not as it must be; nothing: it is proven."""
    return [
        *_told_wrongly(evidence),
        *_wrong_usage(evidence),
        *_left_pending(evidence),
        *_issued_twice(evidence),
        *_orphans_alive(evidence),
        *_foreign_touched(evidence),
    ]


def expected(evidence: Evidence) -> dict[Holding, Usage]:
    """Return what each counter must be: as before, with what was accepted added up.

    What foreign commissions have reserved is reserved still.
    """
    least = Counter({holding: usage.least for holding, usage in evidence.astakos.before.items()})
    most = Counter({holding: usage.most for holding, usage in evidence.astakos.before.items()})
    for told in evidence.told:
        if told.end == "accepted":
            _add(least, told.charges)
            _add(most, told.charges)
    for foreign in evidence.foreign:
        _add(most, {holding: n for holding, n in foreign.charges.items() if n > 0})
        _add(least, {holding: n for holding, n in foreign.charges.items() if n < 0})
    return {holding: Usage(least[holding], most[holding]) for holding in (*least, *most)}


def _add(sums: Counter[Holding], more: Charges) -> None:
    for holding, quantity in more.items():
        sums[holding] += quantity


def _told_wrongly(evidence: Evidence) -> Iterator[Discrepancy]:
    for told in evidence.told:
        note = f" ({told.note})" if told.note else ""
        if told.end is None:
            yield Discrepancy(Check.TOLD, f"{told.key} has no end{note}")
        elif told.end not in told.ends:
            wanted = " or ".join(sorted(told.ends))
            yield Discrepancy(Check.TOLD, f"{told.key} is {told.end} and must be {wanted}{note}")


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
    for told in evidence.told:
        serials = accepted.pop(told.key, [])
        if len(serials) > 1:
            yield Discrepancy(Check.TWICE, f"{told.key} was accepted as {_listed(serials)}")
        elif told.end == "accepted" and serials != [told.serial]:
            yield Discrepancy(
                Check.TWICE,
                f"{told.key} was told to be accepted as {told.serial}; "
                f"Astakos accepted {_listed(serials)}",
            )
        elif told.end != "accepted" and serials:
            yield Discrepancy(
                Check.TWICE, f"{told.key} is {told.end}, and Astakos accepted {_listed(serials)}"
            )
    for key, serials in accepted.items():
        yield Discrepancy(Check.TWICE, f"{key}, which nobody asked for, is {_listed(serials)}")


def _accepted(evidence: Evidence) -> dict[str, list[int]]:
    """Return the serials that were accepted under each key of ours."""
    out: defaultdict[str, list[int]] = defaultdict(list)
    bare = {told.serial: told.key for told in evidence.told if told.bare}
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
    surviving = {told.serial for told in evidence.told if told.end == "accepted"}
    for orphan in evidence.orphans:
        # A worker that finds a twin before its own answer takes it; then the other is the twin.
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
                Check.FOREIGN, f"foreign {made.serial} is not what it was: {there.name}"
            )
    for serial, made in evidence.astakos.pending.items():
        if serial not in ours and evidence.tag(made.name) is None:
            yield Discrepancy(Check.FOREIGN, f"serial {serial} is pending, and nobody made it")
