"""What a ledger is: the values that go in and out, and the calls that both stores answer.

`store.py` keeps it in Redis, `memory.py` in a dictionary; `tests/integration/ledger`
holds both to the same contract. A ledger knows keys, versions, leases and due times; it knows
no rule about states.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from astakos_worker.ledger.record import Decision, Record, is_bare

#: What a carrier names as its promise that was rung for by `beat`, `claim` or `sign_off`.
ANYONE = "anyone"

#: What operators are told when memory is nearly full.
FULL = (
    "the ledger's memory is nearly full: no new commissions are taken until its server's maxmemory "
    "is raised, or ended ones are purged"
)

#: What is due in `settle` goes out in batches; what is due in `issue` goes one by one.
Queue = Literal["settle", "issue"]


class LedgerError(Exception):
    """Raised when the ledger cannot be used as it is."""


class UnavailableError(LedgerError):
    """Raised when the ledger did not answer; whether it wrote is not known."""


class FullError(LedgerError):
    """Raised when the ledger's memory is full, and what is no commission's is refused."""


@dataclass(frozen=True, slots=True)
class WakeupPolicy:
    """When a wake-up is wanted. Seconds."""

    carriers: int = 8  # awake on a lane at once, at most
    per_carrier: int = 16  # due records for which one more is wanted
    promise: float = 2.0  # a wake-up that was promised counts for so long
    forgotten: float = 4.0  # a carrier that does not beat is forgotten after
    coalesce: bool = True  # off: every call wants its own message


@dataclass(frozen=True, slots=True)
class Entry:
    """A record as read: with the version to write against, the fence, and the decision's cell."""

    record: Record
    version: int
    fence: int = 0
    cell: Decision | None = None
    leased: float = 0.0  # until then a worker has it in hand; as `get` found it
    marked: bool = False  # this claim announced what its carrier is about to send


@dataclass(frozen=True, slots=True)
class Write:
    """One conditional write: replaces the record if `version` is still the one in the ledger.

    `fence` is that of the holder. With `fenced` the write is refused when another has
    claimed the record since: nothing is announced by who may be too late. `keep` seconds renew
    the holder's lease; None gives it back, and the record is due when it says itself. A record
    that says another decision than the cell is refused: the cell was there first.
    """

    record: Record
    version: int  # 0: must not exist
    fence: int | None = None  # None: not a holder, a live lease is left alone
    fenced: bool = False
    lease: float | None = None
    cell: Decision | None = None  # where it is empty; None: the record's own decision
    reset: bool = False  # a key in use again: the cell is emptied
    wakeup: bool = False  # ask whether a wake-up is wanted

    @property
    def wakeup_id(self) -> str:
        """The wake-up that is promised if one is wanted; a bare serial's is its decision's."""
        return f"{self.record.key}{'!' if is_bare(self.record.key) else '?'}"


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a `Write` or a decision."""

    done: bool
    entry: Entry | None  # as it is now; None: there is none
    wakeup: bool = False  # a wake-up is wanted, and is promised now
    clash: str | None = None  # the key that had this serial before
    newer: bool = False  # there is one, but a newer version wrote it: it is left alone (F78)
    full: bool = False  # memory is nearly full, and new commissions are refused (F79)


#: Why a claim came back with nothing.
Nothing = Literal["", "idle", "full", "resting"]


@dataclass(frozen=True, slots=True)
class Claim:
    """Records that are now leased to a carrier, or why there are none.

    What is to be issued or settled has been announced by this: see `marks.py`.

    With no entries the carrier has been signed off in the same step (F76).
    """

    entries: tuple[Entry, ...] = ()
    queue: Queue = "issue"
    why: Nothing = ""
    wakeup: bool = False  # more is due than the carriers awake can bear
    trial: int = 0  # the lane has rested so many times in a row: is Astakos back?
    failures: int = 0  # requests of the lane that failed since the last one that succeeded


@dataclass(frozen=True, slots=True)
class Asked:
    """What a carrier asks of a claim."""

    lane: str
    carrier: str
    lease: float
    issues: int = 8  # at most so many to issue
    settles: int = 50  # or so many to settle
    settle_wait: float = 0.1  # a decided one waits no longer for company
    send_for: float = 10.0  # what is to be issued is not sent after so many seconds
    quiet_for: float = 95.0  # a list started after so many proves that it was not
    own: str | None = None  # this key first, if it is due
    wakeup_id: str | None = None  # the promise that this carrier keeps; `ANYONE`


@dataclass(frozen=True, slots=True)
class Lane:
    """How a lane stands. Seconds and counts."""

    name: str
    due: int = 0  # records due now
    open: int = 0
    held: int = 0  # open records that have a serial
    dead: int = 0  # records that wait for a person
    awake: int = 0
    oldest_due: float = 0.0
    resting: float = 0.0  # the lane is left alone for so many seconds more
    rests: int = 0  # it has rested so many times in a row
    reason: str = ""
    alarms: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sighting:
    """What we remember of a serial that no record has: when first seen, and how it looked."""

    first_seen: float
    description: str | None = None  # what was found out about it, as a text of the caller's


class Clock(Protocol):
    """The time that everybody shares: the store's."""

    def now(self) -> float:
        """Return seconds since the epoch."""


class Ledger(Protocol):
    """The four primitives, and what is read besides."""

    @property
    def clock(self) -> Clock:
        """The store's time."""

    def cas(self, writes: Sequence[Write]) -> list[Written]:
        """Write each whose version still stands; one round trip."""

    def claim(self, asked: Asked, writes: Sequence[Write] = ()) -> tuple[Claim, list[Written]]:
        """Write, then lease what is most overdue or sign off as awake; one round trip."""

    def sign_off(self, lane: str, carrier: str) -> bool:
        """Say that a carrier goes; True: it is to wakeup, since more is due."""

    def decide(self, lane: str, decisions: Mapping[str, Decision]) -> dict[str, Written]:
        """Set the write-once cell of each key; one round trip. Unknown key: no entry."""

    def beat(
        self, carriers: Mapping[str, Sequence[str]], driver: str | None, lease: float
    ) -> dict[str, int]:
        """Say who is awake, per lane; whoever drives learns where to ring how often."""

    def get(self, lane: str, keys: Iterable[str]) -> dict[str, Entry]:
        """Return the records of these keys, as far as there are any."""

    def newer(self, lane: str, keys: Iterable[str]) -> set[str]:
        """Return those of these keys whose records a newer version wrote: `get` has none (F78)."""

    def find(self, lane: str, serials: Iterable[int]) -> dict[int, str]:
        """Return the keys whose records have these serials, twins included."""

    def held(self, lane: str, above: int = 0, limit: int = 500) -> list[tuple[int, str]]:
        """Return (serial, key) of open records with serials above this one, in order.

        Exact below 2**53, which is more than any Astakos has issued; callers may name no others.
        """

    def unissued(self, lane: str) -> list[str]:
        """Return keys of open records without a serial: what Astakos may not show yet."""

    def expired(self, lane: str, limit: int = 500, skip: int = 0) -> list[str]:
        """Return keys of undecided records whose deadline has passed, the oldest first."""

    def dead(self, lane: str, limit: int = 500) -> list[str]:
        """Return keys of dead records, those that are purged first in front."""

    def lane(self, name: str) -> Lane:
        """Return how a lane stands."""

    def lanes(self) -> list[str]:
        """Return the lanes that ever had a record, an alarm or a note."""

    def rest(self, lane: str, seconds: float, reason: str) -> None:
        """Let nobody work on a lane for a while; then one carrier tries with one record.

        That record is one that has not failed before, if such a record is due.
        """

    def end_rest(self, lane: str) -> None:
        """Let the lane be worked on again, and count its failures from none."""

    def count_failure(self, lane: str) -> int:
        """Count a request that failed; return how many failed since the last success."""

    def forget_failures(self, lane: str) -> None:
        """Count the failures of a lane from none: a request has succeeded."""

    def alarm(self, lane: str, name: str, text: str | None) -> None:
        """Raise an alarm for operators, or with None end it."""

    def take_lease(self, name: str, holder: str, lease: float) -> bool:
        """Take or renew a named lease; False: another has it."""

    def release_lease(self, name: str, holder: str) -> None:
        """Give a named lease back."""

    def known_writes(self) -> dict[str, int]:
        """Return how many writes of each lane this process was told of."""

    def remember_writes(self, lane: str, writes: int) -> None:
        """Remember that a lane has had so many writes."""

    def lost_writes(self) -> set[str]:
        """Return the lanes of which writes are gone that somebody was told of (F68)."""

    def trust(self, lane: str) -> bool:
        """Go on with a lane of which writes are gone; False: none are."""

    def sightings(self, lane: str, serials: Sequence[int]) -> dict[int, Sighting]:
        """Return what is remembered of these serials; new ones are remembered as of now."""

    def remember_descriptions(self, lane: str, descriptions: Mapping[int, str]) -> None:
        """Remember how serials look."""

    def forget_sightings(self, lane: str, listed: Container[int]) -> None:
        """Forget all serials but those that are listed."""

    def note(self, lane: str, name: str, text: str | None) -> None:
        """Remember a text about a lane under a name, or with None forget it."""

    def notes(self, lane: str) -> dict[str, str]:
        """Return what is remembered about a lane."""

    def watch(self, lane: str, key: str, seconds: float) -> Entry | None:
        """Have changes of a record published for a while; return it as it is."""
