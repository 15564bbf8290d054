"""What a ledger is: the values that go in and come out, and the calls that every ledger answers.

There are two ledgers: `redis/` keeps records on a server, `memory/` in this process. The tests in
`tests/integration/ledger` hold both to this contract. A ledger knows keys, versions, leases and
due times. It knows no rule about states: those are in `states.py`.

The calls are split by who uses them: `Records` (services and carriers), `Lanes` (workers and
operators), `SweepMemory` (the sweep). `Ledger` is all three.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from astakos_worker.ledger.record import Decision, Record, is_bare

#: The wake-up that a carrier answers when it was woken for any due record, not for one key.
ANYONE = "anyone"

#: The error text when memory is nearly full.
FULL = (
    "the ledger's memory is nearly full: no new commissions are taken until its server's maxmemory "
    "is raised, or ended ones are purged"
)

#: Records due in `settle` are sent in batches; records due in `issue` are sent one by one.
Queue = Literal["settle", "issue"]


class LedgerError(Exception):
    """Raised when the ledger cannot be used as it is."""


class UnavailableError(LedgerError):
    """Raised when the ledger did not answer. It may have written, or it may not."""


class FullError(LedgerError):
    """Raised when the ledger's memory is full and it refused a call that makes no commission."""


@dataclass(frozen=True, slots=True)
class WakeupPolicy:
    """When a wake-up is wanted: times in seconds.

    A wake-up is a Celery message that starts a carrier on a lane. For example, with 8 carriers and
    16 records for each, 40 due records want 3 carriers; if 1 is awake, 2 wake-ups are wanted.
    """

    carriers: int = 8  # most carriers that are awake on a lane at once
    per_carrier: int = 16  # due records for which one carrier is wanted
    promise: float = 2.0  # how long a wake-up that was asked for counts as a carrier
    forgotten: float = 4.0  # a carrier without a heartbeat for this long is not awake any more
    coalesce: bool = True  # False: every call wants its own wake-up


@dataclass(frozen=True, slots=True)
class Entry:
    """A record as read, with what a writer needs to write it.

    `record` is up to date: the mark of the last claim and the decision in the cell are in it.
    """

    record: Record
    version: int  # to write against
    fence: int = 0  # of the last claim
    cell: Decision | None = None  # the decision, which is written once
    leased: float = 0.0  # a carrier holds the record until this time; only `get` fills it in
    marked: bool = False  # the claim that gave this entry marked the record: its carrier may send


@dataclass(frozen=True, slots=True)
class Write:
    """One conditional write: it is done if `version` is still the record's version.

    A write is refused if its record has another decision than the cell: the cell was first.
    A write that makes a commission may find a record of its own incarnation. Then it is the same
    call repeated: nothing is written, and the answer is done, with the record as it is now (F81).
    """

    record: Record
    version: int  # 0: there must be no record
    fence: int | None = None  # of the claim that the writer holds; None: it holds none
    fenced: bool = False  # refused if another carrier has claimed the record since
    lease: float | None = None  # seconds that the claim is renewed for; None: it is given back
    cell: Decision | None = None  # the decision for an empty cell; None: the record's own
    reset: bool = False  # a closed record's key is used again: the cell is emptied
    replaces: str | None = None  # with `reset`: only a record of this incarnation is replaced
    wakeup: bool = False  # ask whether a wake-up is wanted

    @property
    def makes(self) -> bool:
        """Whether it makes a commission, under a new key or under one that is used again."""
        return self.record.request is not None and (self.version == 0 or self.reset)

    @property
    def wakeup_id(self) -> str:
        """The id of the wake-up: "?" for a new commission, "!" for a decision or a bare serial."""
        return f"{self.record.key}{'!' if is_bare(self.record.key) else '?'}"


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a `Write` or of a decision."""

    done: bool
    entry: Entry | None  # the record as it is now; None: there is none that can be read
    wakeup: bool = False  # a wake-up is wanted, and the caller is to send it
    clash: str | None = None  # another key that has one of the serials
    newer: bool = False  # there is a record, but a newer version wrote it, or it is unreadable
    full: bool = False  # memory is nearly full, so a new commission was refused (F79)
    #: A decision for another incarnation: the key was used again since, so nothing was decided.
    #: `entry` is the record of the newer use.
    superseded: bool = False


#: Why a claim gives no records.
Nothing = Literal["", "idle", "full", "resting"]


@dataclass(frozen=True, slots=True)
class Claim:
    """Records that a carrier holds from now on, or why there are none.

    The claim has marked the records to be issued or settled: see `marks.py`. A claim without
    entries has signed the carrier off in the same step (F76).
    """

    entries: tuple[Entry, ...] = ()
    queue: Queue = "issue"
    why: Nothing = ""
    wakeup: bool = False  # more is due than the carriers that are awake can do
    trial: int = 0  # how often the lane has rested in a row, if this claim tries it; 0: no trial
    failures: int = 0  # requests of the lane that failed since the last one that succeeded


@dataclass(frozen=True, slots=True)
class Asked:
    """A carrier's request for a claim. Times in seconds."""

    lane: str
    carrier: str
    lease: float
    issues: int = 8  # most records to issue
    settles: int = 50  # most records to settle
    settle_wait: float = 0.1  # longest time that a decided record waits for others
    send_for: float = 10.0  # nothing is sent later than this after the claim
    quiet_for: float = 95.0  # a list started later than this shows all that was sent
    own: str | None = None  # this key first, if it is due
    wakeup_id: str | None = None  # the wake-up that this carrier answers, or `ANYONE`


@dataclass(frozen=True, slots=True)
class Lane:
    """The state of a lane. Times in seconds."""

    name: str
    due: int = 0  # records due now
    open: int = 0
    held: int = 0  # open records that have a serial
    dead: int = 0  # records that wait for a person
    awake: int = 0  # carriers
    oldest_due: float = 0.0  # how long the oldest due record has been due
    resting: float = 0.0  # no carrier works on the lane for this long from now
    rests: int = 0  # rests in a row
    reason: str = ""
    alarms: Mapping[str, str] = field(default_factory=dict)


class Served(NamedTuple):
    """A named service of a namespace, and a queue that a worker reads for it."""

    namespace: str
    service: str
    queue: str


@dataclass(frozen=True, slots=True)
class Sighting:
    """What the ledger remembers of a pending serial that no record has."""

    first_seen: float
    description: str | None = None  # what the sweep learnt from Astakos, as a text


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that was set aside because it cannot be read: why, and its stored text."""

    why: str
    text: str


class Clock(Protocol):
    """The time that all processes share: the store's."""

    def now(self) -> float:
        """Return seconds since the epoch."""


class Records(Protocol):
    """Records: written, claimed, decided and read. Services and carriers use these."""

    @property
    def clock(self) -> Clock:
        """The store's time."""

    def cas(self, writes: Sequence[Write]) -> list[Written]:
        """Do each write if its version is still the record's; answer each. One round trip."""

    def claim(self, asked: Asked, writes: Sequence[Write] = ()) -> tuple[Claim, list[Written]]:
        """Do the writes, then claim the most overdue records, in one round trip.

        A carrier that gets nothing is signed off.
        """

    def sign_off(self, lane: str, carrier: str) -> bool:
        """Say that a carrier ends; return whether it is to send a wake-up, since more is due."""

    def decide(
        self,
        lane: str,
        decisions: Mapping[str, Decision],
        incarnations: Mapping[str, str] | None = None,
    ) -> dict[str, Written]:
        """Write each decision into its key's cell, if the cell is empty; one round trip.

        The answer's entry says which decision stands. An unknown key has no entry.
        `incarnations` (key -> incarnation) names the commission that a decision is for. If the
        key was used again since, nothing is decided, and the answer is `superseded`.
        """

    def beat(
        self, carriers: Mapping[str, Sequence[str]], driver: str | None, lease: float
    ) -> dict[str, int]:
        """Say which carriers (lane -> names) are alive.

        One process at a time drives: `driver` is its name, and it keeps that role for `lease`
        seconds. It gets the number of wake-ups wanted, by lane.
        """

    def get(self, lane: str, keys: Iterable[str]) -> dict[str, Entry]:
        """Return the records of these keys; those that cannot be read are left out."""

    def newer(self, lane: str, keys: Iterable[str]) -> set[str]:
        """Return the keys whose records are there and cannot be read by this version (F78, F86)."""

    def find(self, lane: str, serials: Iterable[int]) -> dict[int, str]:
        """Return the keys whose records have these serials, as their own or as twins."""

    def held(self, lane: str, above: int = 0, limit: int = 500) -> list[tuple[int, str]]:
        """Return (serial, key) of open records with serials above this one, in order.

        Serials are exact below 2**53; callers name no larger ones.
        """

    def unissued(self, lane: str) -> list[str]:
        """Return the keys of open records without a serial: Astakos may not list them yet."""

    def expired(self, lane: str, limit: int = 500, skip: int = 0) -> list[str]:
        """Return the keys of undecided records past their deadline, the oldest first."""

    def dead(self, lane: str, limit: int = 500) -> list[str]:
        """Return the keys of dead records; those that are purged first come first."""

    def unreadable(self, lane: str) -> dict[str, Unreadable]:
        """Return the records that were set aside since they cannot be read, by key (F86)."""

    def read_again(self, lane: str) -> int:
        """Make the records that were set aside due again; return how many there were.

        For a version that can read them. One that still cannot be read is set aside again.
        """

    def watch(self, lane: str, key: str, seconds: float) -> Entry | None:
        """Publish the changes of a record for `seconds`; return the record as it is now."""


class Lanes(Protocol):
    """Lanes: rests, alarms, leases, lost writes. Workers and operators use these."""

    def lane(self, name: str) -> Lane:
        """Return the state of a lane."""

    def lanes(self) -> list[str]:
        """Return the lanes that ever had a record, an alarm or a note."""

    def rest(self, lane: str, seconds: float, reason: str) -> None:
        """Let no carrier work on a lane for `seconds`; then one carrier tries one record.

        That record is one that has not failed before, if such a record is due.
        """

    def end_rest(self, lane: str) -> None:
        """Let carriers work on the lane again, and count its failures from 0."""

    def count_failure(self, lane: str) -> int:
        """Count a request that failed; return how many failed since the last success."""

    def forget_failures(self, lane: str) -> None:
        """Count the failures of a lane from 0 again: a request has succeeded."""

    def alarm(self, lane: str, name: str, text: str | None) -> None:
        """Raise an alarm for operators; with None end it."""

    def serve(self, services: Iterable[str], queues: Iterable[str], seconds: float) -> None:
        """Say that a worker of this namespace reads these queues for these named services.

        It counts for `seconds` from now.
        """

    def served(self) -> set[Served]:
        """Return what the workers of all namespaces on this server serve now."""

    def take_lease(self, name: str, holder: str, lease: float) -> bool:
        """Take or renew a named lease for `lease` seconds; False: another holder has it."""

    def release_lease(self, name: str, holder: str) -> None:
        """Give a named lease back, if this holder has it."""

    def known_writes(self) -> dict[str, int]:
        """Return how many writes this process knows each lane to have had."""

    def remember_writes(self, lane: str, writes: int) -> None:
        """Remember the number of writes of a lane, as another process knew it."""

    def lost_writes(self) -> set[str]:
        """Return the lanes whose ledger has fewer writes than are known (F68).

        Such a lane is distrusted until `trust`: an alarm is raised, and nothing new is issued.
        """

    def known_id(self) -> str:
        """Return the id of the ledger that this process knows; "" before it was asked."""

    def remember_id(self, known_id: str) -> None:
        """Remember the ledger's id, as another process knew it.

        The ledger makes its id once. Another id means that another ledger answers: its lanes are
        distrusted, as if writes were gone.
        """

    def distrusted(self, lane: str) -> bool:
        """Return whether acknowledged writes of a lane are gone, and no operator has said `trust`.

        Until then an absent record proves nothing: no serial is rejected as an orphan, and nothing
        expires. One read.
        """

    def trust(self, lane: str) -> bool:
        """Go on with a lane that was distrusted; False: it was not."""


class SweepMemory(Protocol):
    """What the sweep remembers from one run to the next, beside the records."""

    def sightings(self, lane: str, serials: Sequence[int]) -> dict[int, Sighting]:
        """Return what is remembered of these serials; new ones are remembered from now on."""

    def remember_descriptions(self, lane: str, descriptions: Mapping[int, str]) -> None:
        """Remember a text about each of these serials."""

    def forget_sightings(self, lane: str, listed: Container[int]) -> None:
        """Forget all serials but those that are listed."""

    def note(self, lane: str, name: str, text: str | None) -> None:
        """Remember a text about a lane under a name; with None forget it."""

    def notes(self, lane: str) -> dict[str, str]:
        """Return the texts that are remembered about a lane."""


class Ledger(Records, Lanes, SweepMemory, Protocol):
    """All that a ledger answers."""


class ServerLedger(Ledger, Protocol):
    """A ledger on a server, which several processes share."""

    def memory(self) -> float:
        """Return the used share of the server's memory; 0 where it has no bound."""

    def check(self) -> None:
        """Raise `LedgerError` if the server may lose what it acknowledged, or is a cluster."""

    def channel(self, lane: str) -> str:
        """Return the channel on which changes of watched records are published."""

    def read_change(self, message: str) -> tuple[str, Entry | None]:
        """Return a published change: a key, and its record; None if it cannot be read."""
