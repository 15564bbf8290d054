"""The oracle: checks the promises that must hold at every step.

It sees each write of the ledger and each request that Astakos executes, at the moment of the step.
It knows what callers were told. It never asks the engine. `ending.py` checks the promises that must
hold at the end of a run.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from astakos_worker.ledger.contract import Entry
from astakos_worker.ledger.memory.store import MemoryLedger
from astakos_worker.ledger.record import Record, State, Verb, bare_key
from astakos_worker.ledger.request import Tag, read_tag
from astakos_worker.sandbox.quota import Commission, QuotaBook
from tests.simulation.world import World

LANE = "svc"
NAMESPACE = f"sim.{LANE}"

SETTLED = {State.ACCEPTED: "accept", State.REJECTED: "reject"}


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a script allows to end otherwise than the other scripts."""

    refusals: bool = False  # there is not enough quota for all
    conflicts: frozenset[str] = frozenset()  # keys of which it makes two truths itself
    never_issued: bool = False  # a decision may come by name, and its request never
    unknown: bool = False  # a serial may be named before there is one, or when it is gone


@dataclass(slots=True)
class _Known:
    """What was once written of a record, and stands."""

    record: Record
    serial: int | None = None
    decision: str | None = None
    cell: str | None = None
    state: State = State.QUEUED


@dataclass(slots=True)
class Oracle:
    """Watches one run."""

    world: World
    ledger: MemoryLedger
    book: QuotaBook
    quiet_horizon: float
    bounds: Bounds = field(default_factory=Bounds)
    foreign: set[int] = field(default_factory=set)  # none of ours: to be left alone
    unheard: set[str] = field(default_factory=set)  # keys with twins from the start
    told: defaultdict[str, set[Verb]] = field(default_factory=lambda: defaultdict(set))
    enqueued: set[str] = field(default_factory=set)  # keys whose caller was told so
    existed: set[str] = field(default_factory=set)  # bare serials that were pending when decided
    touched: dict[int, str] = field(default_factory=dict)  # by somebody's command: verb
    posts: Counter[Tag] = field(default_factory=Counter)
    past: list[Record] = field(default_factory=list)  # whose keys are in use again
    heard: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    accepted: dict[int, Commission] = field(default_factory=dict)
    rejected: dict[int, Commission] = field(default_factory=dict)
    #: Requests to settle a serial of which it is not certain that they did nothing.
    sends: Counter[int] = field(default_factory=Counter)
    late: set[str] = field(default_factory=set)  # keys of ghosts beyond the quiet horizon
    doubling: bool = False  # what is executed now is executed twice
    doubled: set[str] = field(default_factory=set)  # keys of what was
    changes: int = 0
    _issues: int = 0
    _touched_keys: set[str] = field(default_factory=set)
    _known: dict[str, _Known] = field(default_factory=dict)

    # --- The ledger ---------------------------------------------------------------------------

    def wrote(self, entry: Entry | None, *, reset: bool = False) -> None:
        """Check a record that has been written: what was written once does not change."""
        if entry is None:
            return
        self.changes += 1
        record = entry.record
        key = record.key
        known = self._known.get(key)
        if known is None and record.serial in self.book.commissions:
            self.existed.add(key)
        if known is not None and reset and known.record.incarnation != record.incarnation:
            self.past.append(known.record)
        if known is None or reset or known.state is State.AWAITED:
            known = self._known[key] = _Known(record)
        known.record = record
        self._once(key, "serial", known.serial, record.serial)
        cell = entry.cell.verb if entry.cell else None
        # A record that ended in the same moment, by somebody else's command, has it in the cell.
        decision = record.decision.verb if record.decision else cell
        self._once(key, "decision", known.decision, decision)
        self._once(key, "cell", known.cell, cell)
        if decision and cell and decision != cell and State.CONFLICT is not record.state:
            self.world.violate(f"{key!r} says {decision}, and its cell {cell}")
        if known.state in SETTLED and record.state not in {
            known.state,
            State.SETTLING,
            State.CONFLICT,
            State.MERGED,
        }:
            self.world.violate(f"{key!r} was {known.state}, and is {record.state}")
        known.serial, known.decision = record.serial, decision
        known.cell, known.state = cell, record.state

    def claimed(self, entries: Sequence[Entry]) -> None:
        """Check records that a carrier has been given, with what was announced by that."""
        for entry in entries:
            self.wrote(entry)
            rejected = entry.cell is not None and entry.cell.verb == "reject"
            if entry.marked and rejected and entry.record.state is State.ISSUING:
                self.world.violate(f"{entry.record.key!r} is announced, and was rejected before")

    def _once(self, key: str, what: str, before: object, after: object) -> None:
        if before is not None and after != before:
            self.world.violate(f"the {what} of {key!r} was {before}, and is {after}")

    # --- Astakos ------------------------------------------------------------------------------

    def issue_time(self) -> datetime:
        """Return a time for a commission that is issued now: no two have the same."""
        self._issues += 1
        return datetime.fromtimestamp(self._issues, UTC)

    def announced(self, name: str, *, auto_accept: bool) -> float:
        """Check an issue that is about to be sent; return when it is late.

        That it was not rejected before it was announced is checked by `claimed`.
        """
        if auto_accept:
            self.world.violate("a POST carries auto_accept")
        tag = ours(name)
        if tag is None:
            self.world.violate(f"a POST without our tag: {name!r}")
        record = self._record(tag.key)
        if record is None or record.state is not State.ISSUING or record.send_until is None:
            state = record.state if record else "not there"
            self.world.violate(f"a POST of {tag.key!r}, which is {state}: not announced")
        if self.world.clock.time > record.send_until:
            self.world.violate(f"a POST of {tag.key!r} after its mark ran out")
        return record.send_until + self.quiet_horizon

    def issued(self, one: Commission, *, late: bool) -> None:
        """Check an issue that Astakos has executed."""
        self.changes += 1
        tag = ours(one.name)
        if tag is None:
            return
        if late or self.doubling:
            self.late.add(tag.key)
        if self.doubling:
            self.doubled.add(tag.key)
        self.posts[tag] += 1
        healed = self.late | self.unheard | self.touched_keys()
        if self.posts[tag] > 1 and tag.key not in healed:
            self.world.violate(f"{tag.key!r} is issued {self.posts[tag]} times")

    def resolves(self, one: Commission, verb: Verb) -> None:
        """Check what a request of ours is about to do to a pending commission."""
        self.changes += 1
        serial, tag = one.serial, ours(one.name)
        bare = self._record(bare_key(serial))
        by_bare = bare is not None and bare.decision is not None and bare.decision.verb == verb
        record = self._record(tag.key) if tag else None
        known = tag is not None and record is not None and record.incarnation == tag.incarnation
        if serial in self.foreign or (not known and not by_bare):
            self.world.violate(f"{verb} of serial {serial}, which is none of ours")
        if tag is not None and known:  # then its record alone says what becomes of it
            self._may_settle(tag, record, serial, verb)
        (self.accepted if verb == "accept" else self.rejected)[serial] = one
        if verb == "accept" and tag is not None:
            self._accepts(tag, record, serial)

    def _may_settle(self, tag: Tag, record: Record | None, serial: int, verb: Verb) -> None:
        if record is None:
            self.world.violate(f"{verb} of serial {serial}, whose key {tag.key!r} is not known")
        if serial == record.serial:
            decision = record.decision.verb if record.decision else "nothing"
            if decision != verb:
                self.world.violate(f"{verb} of {tag.key!r}, where {decision} was decided")
            if not record.settles:
                self.world.violate(f"{verb} of {tag.key!r} was not announced")
        elif verb == "accept" or serial not in {twin.serial for twin in record.twins}:
            self.world.violate(
                f"{verb} of serial {serial} of {tag.key!r}, whose record has {record.serial}"
            )

    def _accepts(self, tag: Tag, record: Record | None, serial: int) -> None:
        others = {n for n, one in self.accepted.items() if ours(one.name) == tag} - {serial}
        others -= self.touched.keys()
        if others:
            self.world.violate(f"{tag.key!r} has two accepted serials: {serial}, {others}")
        rejected = record is not None and record.decision and record.decision.verb == "reject"
        if rejected:
            self.world.violate(f"{tag.key!r} is accepted, and was rejected")

    def interferes(self, one: Commission, verb: str) -> None:
        """Note what somebody else's command does to a pending commission."""
        self.changes += 1
        self.touched[one.serial] = verb
        self._touched_keys.add(key_of(one))
        (self.accepted if verb == "accept" else self.rejected)[one.serial] = one

    def touched_keys(self) -> set[str]:
        """Return the keys of what somebody else's command has settled."""
        return self._touched_keys

    # --- What callers were told ---------------------------------------------------------------

    def decided(self, key: str, verb: Verb) -> None:
        """Note that a caller was told that its decision stands."""
        self.told[key].add(verb)
        if len(self.told[key]) > 1:
            self.world.violate(f"callers were told both decisions of {key!r}")

    # --- Inside -------------------------------------------------------------------------------

    def _record(self, key: str) -> Record | None:
        entry = self.ledger.get(LANE, [key]).get(key)
        return entry.record if entry else None


def ours(name: str) -> Tag | None:
    """Return the tag of a name if it is of our namespace."""
    tag = read_tag(name)
    return tag if tag is not None and tag.namespace == NAMESPACE else None


def entries_of(ledger: MemoryLedger) -> list[Entry]:
    """Return all that a ledger holds."""
    return [row.entry() for row in ledger._lanes[LANE].rows.values()] if ledger._lanes else []


def key_of(one: Commission) -> str:
    """Return the key of a commission, or the reserved one of its serial."""
    tag = ours(one.name)
    return tag.key if tag else bare_key(one.serial)
