"""What can happen to a commission: each event is a fact, told by whoever saw it."""

from dataclasses import dataclass

from astakos_worker.ledger.record import WHEN_CLOSED, Decision, Fault, Moment
from astakos_worker.ledger.request import Request


class NotNow(Exception):  # noqa: N818  # it is no failure: an event came too late
    """Raised when an event does not apply to a record as it is now."""


@dataclass(frozen=True, slots=True)
class Requested:
    """The request of an awaited commission came."""

    request: Request
    incarnation: str
    deadline: float | None = None
    callback: str | None = None
    moments: tuple[Moment, ...] = WHEN_CLOSED


@dataclass(frozen=True, slots=True)
class Decided:
    """The write-once cell holds this decision."""

    decision: Decision


@dataclass(frozen=True, slots=True)
class Marked:
    """A POST is about to be sent, by `send_until` at the latest."""

    send_until: float
    quiet_at: float


@dataclass(frozen=True, slots=True)
class Unsent:
    """The POST of this mark certainly never left."""

    mark: int
    due: float
    fault: Fault | None = None  # None: handed back, nobody's failure


@dataclass(frozen=True, slots=True)
class Doubtful:
    """Whether the POST of this mark was executed is not known; look for it at `due`."""

    mark: int
    due: float
    fault: Fault


@dataclass(frozen=True, slots=True)
class Refused:
    """Astakos executed nothing, and says so in its own words."""

    mark: int
    fault: Fault


@dataclass(frozen=True, slots=True)
class Declined:
    """Astakos executed nothing, and may answer otherwise later (F14)."""

    mark: int
    due: float
    fault: Fault


@dataclass(frozen=True, slots=True)
class Issued:
    """Astakos holds this serial for us: from an answer, a probe or the sweep."""

    serial: int
    how: str = "issued"


@dataclass(frozen=True, slots=True)
class Absent:
    """A list that was started at `listed` does not hold the POST of this mark."""

    mark: int
    listed: float
    due: float


@dataclass(frozen=True, slots=True)
class SettleMarked:
    """The decision is about to be sent."""


@dataclass(frozen=True, slots=True)
class SettleUnsent:
    """The decision was certainly not executed by this send; try again at `due`."""

    send: int
    due: float
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class SettleFailed:
    """The decision may have been executed, or was not for a reason of its own."""

    due: float
    fault: Fault


@dataclass(frozen=True, slots=True)
class Settled:
    """Astakos executed the decision."""


@dataclass(frozen=True, slots=True)
class SettleNotFound:
    """Astakos does not know the serial any more."""


@dataclass(frozen=True, slots=True)
class TwinSettled:
    """A twin is rejected, or gone."""

    serial: int


@dataclass(frozen=True, slots=True)
class Vanished:
    """The sweep found it gone, undecided by us (F69)."""


@dataclass(frozen=True, slots=True)
class Resurfaced:
    """A serial that we hold as settled is pending again in Astakos (F43)."""


@dataclass(frozen=True, slots=True)
class TwinResurfaced:
    """A twin that we hold as rejected is pending again in Astakos (F43)."""

    serial: int


@dataclass(frozen=True, slots=True)
class Conflicted:
    """Two truths about one commission; a person has to look."""

    fault: Fault


@dataclass(frozen=True, slots=True)
class Merged:
    """A bare serial's record belongs to the commission of this key."""

    key: str


@dataclass(frozen=True, slots=True)
class Recognised:
    """A bare serial is pending and no record's; it looked so before anything was sent for it."""

    seen: str
    name: str


@dataclass(frozen=True, slots=True)
class NotThere:
    """Astakos does not know the bare serial, and nothing has been sent for it."""


@dataclass(frozen=True, slots=True)
class Died:
    """It cannot go on without a person."""

    fault: Fault


@dataclass(frozen=True, slots=True)
class Revived:
    """A person sends a dead one on its way again; what only waits, waits until `due`."""

    due: float


@dataclass(frozen=True, slots=True)
class Discarded:
    """A person has given a dead one up."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Extended:
    """Its caller wants it to be left undecided for longer."""

    deadline: float


@dataclass(frozen=True, slots=True)
class Postponed:
    """Nothing can be done before `due`."""

    due: float
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Released:
    """Whoever had it in hand found nothing to do."""


@dataclass(frozen=True, slots=True)
class CallbackSent:
    """The call-back about this state has been handed to the broker."""

    state: str


Event = (
    Requested
    | Decided
    | Marked
    | Unsent
    | Doubtful
    | Refused
    | Declined
    | Issued
    | Absent
    | SettleMarked
    | SettleUnsent
    | SettleFailed
    | Settled
    | SettleNotFound
    | TwinSettled
    | Vanished
    | Resurfaced
    | TwinResurfaced
    | Conflicted
    | Merged
    | Recognised
    | NotThere
    | Died
    | Revived
    | Discarded
    | Extended
    | Postponed
    | Released
    | CallbackSent
)
