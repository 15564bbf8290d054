"""What can happen to a commission. Each event is a fact, reported by the process that saw it."""

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
    """The cell holds this decision; it is written once."""

    decision: Decision


@dataclass(frozen=True, slots=True)
class Marked:
    """A POST is about to be sent, by `send_until` at the latest."""

    send_until: float
    quiet_at: float


@dataclass(frozen=True, slots=True)
class Unsent:
    """The POST of this mark certainly never left; the record is due again at `due`."""

    mark: int
    due: float
    fault: Fault | None = None  # None: handed back; that is no failure


@dataclass(frozen=True, slots=True)
class Doubtful:
    """Nobody knows whether Astakos executed the POST of this mark. It is looked for at `due`."""

    mark: int
    due: float
    fault: Fault


@dataclass(frozen=True, slots=True)
class Refused:
    """Astakos refused the POST of this mark, in its own words: it executed nothing."""

    mark: int
    fault: Fault


@dataclass(frozen=True, slots=True)
class Declined:
    """Astakos refused the POST of this mark, and may accept it later (F14)."""

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
    """A list that was started at `listed` does not show the POST of this mark."""

    mark: int
    listed: float
    due: float


@dataclass(frozen=True, slots=True)
class SettleMarked:
    """The decision is about to be sent."""


@dataclass(frozen=True, slots=True)
class SettleUnsent:
    """This send of the decision was certainly not executed; the next one is at `due`."""

    send: int
    due: float
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class SettleFailed:
    """The decision was sent, and nobody knows whether Astakos executed it; or it failed."""

    due: float
    fault: Fault


@dataclass(frozen=True, slots=True)
class Settled:
    """Astakos executed the decision."""


@dataclass(frozen=True, slots=True)
class SettleNotFound:
    """Astakos does not know the serial that the decision was sent for."""


@dataclass(frozen=True, slots=True)
class TwinSettled:
    """A twin was rejected, or Astakos does not know it."""

    serial: int


@dataclass(frozen=True, slots=True)
class Vanished:
    """The sweep found that Astakos does not list it any more, though we have not decided (F69)."""


@dataclass(frozen=True, slots=True)
class Resurfaced:
    """Astakos lists a serial as pending that our record says is settled (F43)."""


@dataclass(frozen=True, slots=True)
class TwinResurfaced:
    """Astakos lists a twin as pending that our record says is rejected (F43)."""

    serial: int


@dataclass(frozen=True, slots=True)
class Conflicted:
    """Two facts about one commission contradict each other; a person has to look."""

    fault: Fault


@dataclass(frozen=True, slots=True)
class Merged:
    """The bare serial is the serial of this key's commission."""

    key: str


@dataclass(frozen=True, slots=True)
class Recognised:
    """A bare serial is pending, and no record has it. `seen` identifies its commission."""

    seen: str
    name: str


@dataclass(frozen=True, slots=True)
class NotThere:
    """Astakos does not know the bare serial, and nothing has been sent for it."""


@dataclass(frozen=True, slots=True)
class Died:
    """The commission cannot go on without a person."""

    fault: Fault


@dataclass(frozen=True, slots=True)
class Revived:
    """A person sends a dead commission again; an awaited one waits until `due`."""

    due: float


@dataclass(frozen=True, slots=True)
class Discarded:
    """A person gives a dead commission up."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Extended:
    """The caller moves the deadline."""

    deadline: float


@dataclass(frozen=True, slots=True)
class Postponed:
    """Nothing can be done before `due`."""

    due: float
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Released:
    """The carrier that held the record found nothing to do."""


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
