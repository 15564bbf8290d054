"""One commission's record: a value, and what follows from it.

No effects, and no rules about what happens next: those are in `states.py`. A record is copied and
stored many times, so it is a struct of msgspec; `record_json.py` stores it.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal, NamedTuple

import msgspec

from astakos_worker.ledger.request import Request, Tag, fingerprint

#: The newest schema that this code reads and writes. Newer records are left alone (F78).
SCHEMA = 1

#: Longest idempotency key, in characters.
KEY_LIMIT = 200

Verb = Literal["accept", "reject"]

#: When a call-back is sent: "pending" once the serial is known, "closed" at every end, "refused" if
#: Astakos refused it.
Moment = Literal["pending", "refused", "closed"]

#: When a call-back is sent, unless its caller says otherwise.
WHEN_CLOSED: tuple[Moment, ...] = ("closed",)

#: An error as the client's `to_dict()` gives it; the ledger does not look inside.
Fault = Mapping[str, Any]


class State(StrEnum):
    """The state of a commission. `states.py` has the transitions."""

    AWAITED = "awaited"  # a decision came, by name, before its request
    QUEUED = "queued"  # not sent, or certainly not executed
    ISSUING = "issuing"  # a POST is marked, and its result is not known
    PENDING = "pending"  # Astakos holds it: its serial is known
    SETTLING = "settling"  # decided, and sending the decision is marked
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    REFUSED = "refused"  # Astakos said no: quota, bad request
    CANCELLED = "cancelled"  # rejected before it was issued
    VANISHED = "vanished"  # another program settled it: an alarm
    CONFLICT = "conflict"  # two decisions, or a serial that is not ours: an alarm
    UNKNOWN = "unknown"  # a bare serial that Astakos does not know
    MERGED = "merged"  # a bare serial that is the serial of a keyed commission
    DEAD = "dead"  # needs a person
    DISCARDED = "discarded"  # dead, and given up by a person


OPEN = frozenset({State.AWAITED, State.QUEUED, State.ISSUING, State.PENDING, State.SETTLING})
CLOSED = frozenset(State) - OPEN


class Decision(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Accept or reject, with why and when. Written once."""

    verb: Verb
    reason: str = ""
    at: float = 0.0


class Twin(NamedTuple):
    """A second serial that Astakos gave for one key; `done` once it is rejected."""

    serial: int
    done: bool = False


class HistoryLine(NamedTuple):
    """One line of a record's history."""

    at: float
    what: str


class Record(
    msgspec.Struct,
    frozen=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    tag_field="schema",  # the JSON begins with it: scripts look for it there
    tag=SCHEMA,
):
    """All that is known of one commission. Times are seconds of the store's clock."""

    key: str
    service: str
    incarnation: str
    state: State
    created: float
    request: Request | None = None  # None: awaited, or a bare serial
    serial: int | None = None
    decision: Decision | None = None
    deadline: float | None = None  # still undecided then: rejected as expired
    #: When a carrier is to work on it next; None: only after another event.
    due: float | None = None

    # Issue: how often a POST was marked, and until when.
    marks: int = 0
    send_until: float | None = None  # the marked POST is not sent after this
    quiet_at: float | None = None  # a list that was started after this shows the POST if it came
    doubts: int = 0  # marked POSTs that a list proved not executed
    #: A refusal that waits for a probe (F13).
    refusal: Fault | None = msgspec.field(default=None, name="verdict")

    # Settle: how often sending the decision was marked, and which of these sends may have left.
    settles: int = 0
    sent: tuple[int, ...] = ()
    twins: tuple[Twin, ...] = ()
    seen: str | None = None  # identifies a bare serial's commission, before the first send

    attempts: int = 0  # failures since the last progress, for the back-off
    failing_since: float | None = None
    error: Fault | None = None
    callback: str | None = None  # the Celery task that gets the outcome
    moments: tuple[Moment, ...] = WHEN_CLOSED  # when it is sent
    #: The states for which the call-back was handed to the broker.
    callbacks_sent: tuple[str, ...] = msgspec.field(default=(), name="told")
    closed: float | None = None
    history: tuple[HistoryLine, ...] = ()

    def __repr__(self) -> str:
        names = (name for name in self.__struct_fields__ if name != "history")
        return f"Record({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    def tag(self, namespace: str) -> Tag:
        """Return the tag that ends the commission's wire name."""
        return Tag(namespace, self.key, self.incarnation, self.fingerprint)

    @property
    def fingerprint(self) -> str:
        """Return the fingerprint of the request; zeros where there is none."""
        return fingerprint(self.service, self.request) if self.request else "0" * 16

    @property
    def settles_with(self) -> str:
        """Return the holder whose rows Astakos locks to settle it: a project, for its users too.

        Commissions of one holder are settled together, so that the rows of others are not locked.
        """
        if self.request is None or not self.request.provisions:
            return ""
        first = self.request.provisions[0]
        return first.source or first.holder

    @property
    def is_open(self) -> bool:
        """Return whether something is still to be done: also a twin to reject, or a call-back."""
        return self.state in OPEN or self.twins_due or bool(self.callbacks_due)

    @property
    def twins_due(self) -> bool:
        """Return whether a twin is still to be rejected."""
        return any(not twin.done for twin in self.twins)

    @property
    def callbacks_due(self) -> tuple[str, ...]:
        """Return the states for which the call-back is still to be sent, in order."""
        if self.callback is None:
            return ()
        passed = ["pending"] if "pending" in self.moments and self.serial is not None else []
        refused = self.state is State.REFUSED and "refused" in self.moments
        if refused or (self.state in CLOSED and "closed" in self.moments):
            passed.append(str(self.state))
        return tuple(state for state in passed if state not in self.callbacks_sent)

    @property
    def bare(self) -> bool:
        """Return whether this is a serial that another client issued."""
        return is_bare(self.key)


# The keys of callers are printable, so none of them begins like this.
_BARE = "\x1f"


def bare_key(serial: int) -> str:
    """Return the reserved key for a serial that no record of ours has."""
    return f"{_BARE}{serial}"


def is_bare(key: str) -> bool:
    """Return whether a key is one of `bare_key`."""
    return key.startswith(_BARE)


def shown(key: str) -> str:
    """Return a key as a person reads it."""
    return f"serial {key[1:]}" if is_bare(key) else key
