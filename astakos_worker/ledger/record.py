"""One commission's record: a value, its fingerprint and the tag in its wire name.

Nothing here has an effect, and nothing here decides what happens next: that is `states.py`. It is
copied and stored a dozen times on its way, hence structs of msgspec's; `record_json.py` stores it.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Literal, NamedTuple
from urllib.parse import quote, unquote

import msgspec

#: The newest schema that this code reads and writes. Newer records are left alone (F78).
SCHEMA = 1

#: Astakos keeps so many characters of a name (the protocol, section 10.6).
NAME_LIMIT = 4096

#: Longest idempotency key, in characters.
KEY_LIMIT = 200

Verb = Literal["accept", "reject"]

#: When a call-back is told: "closed" is every end, "refused" that one alone.
Moment = Literal["pending", "refused", "closed"]

#: When it is told unless its caller says otherwise.
WHEN_CLOSED: tuple[Moment, ...] = ("closed",)

#: An error as the client's `to_dict()` gives it; the ledger does not look inside.
Fault = Mapping[str, Any]


class State(StrEnum):
    """Where a commission is on its way. `states.py` has the transitions."""

    AWAITED = "awaited"  # a decision came by name before the request
    QUEUED = "queued"  # not sent, or known not to have arrived
    ISSUING = "issuing"  # a POST was announced and is not accounted for
    PENDING = "pending"  # Astakos holds it under our serial
    SETTLING = "settling"  # decided, and sending that decision was announced
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    REFUSED = "refused"  # Astakos said no: quota, bad request
    CANCELLED = "cancelled"  # rejected before it was issued
    VANISHED = "vanished"  # somebody else settled it: an alarm
    CONFLICT = "conflict"  # two decisions, or a serial that is not ours: an alarm
    UNKNOWN = "unknown"  # a bare serial that Astakos does not know
    MERGED = "merged"  # a bare serial that turned out to be a keyed commission's
    DEAD = "dead"  # needs a person
    DISCARDED = "discarded"  # a dead one that a person has given up


OPEN = frozenset({State.AWAITED, State.QUEUED, State.ISSUING, State.PENDING, State.SETTLING})
CLOSED = frozenset(State) - OPEN


class Provision(NamedTuple):
    """So much of a resource for a holder: `quantity` > 0 takes, < 0 gives back."""

    holder: str  # "user:<uuid>" or "project:<uuid>"
    source: str | None  # "project:<uuid>" for a user's holding, None for a project's
    resource: str
    quantity: int

    def wire(self) -> dict[str, str | int | None]:
        """Return the form of the API."""
        return self._asdict()


def merge(provisions: Iterable[Provision]) -> tuple[Provision, ...]:
    """Sum what names the same holding, in order of first appearance, as Astakos does."""
    sums: dict[tuple[str, str | None, str], int] = {}
    for holder, source, resource, quantity in provisions:
        sums[holder, source, resource] = sums.get((holder, source, resource), 0) + quantity
    return tuple(Provision(*holding, quantity) for holding, quantity in sums.items())


class Request(msgspec.Struct, frozen=True):
    """What is to be issued. `name` is the caller's text, without the tag."""

    provisions: tuple[Provision, ...]
    name: str = ""
    force: bool = False


def fingerprint(service: str, request: Request) -> str:
    """Return the same 16 digits for the same contents, in whatever order they were given.

    Name, deadline, decision and call-back are not in it: on a replay the first ones stand (F3).
    """
    provisions = sorted(
        merge(request.provisions),
        key=lambda p: (p.holder, p.source is not None, p.source or "", p[2:]),
    )
    text = _CANONICAL.encode([service, provisions, request.force])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


# Its text, escapes and all, is what fingerprints in wire names were made of: it cannot change.
_CANONICAL = json.JSONEncoder(separators=(",", ":"))


class Tag(NamedTuple):
    """The thread by which a lost answer is found again: the last part of a wire name."""

    namespace: str
    key: str
    incarnation: str
    fingerprint: str

    def __str__(self) -> str:
        return (
            f"[astakos1 {self.namespace} {quote(self.key, safe='')} "
            f"{self.incarnation} {self.fingerprint}]"
        )


_TAG = re.compile(
    r"\[astakos1 ([a-z][a-z0-9_.-]*) ([A-Za-z0-9_.~%-]+) ([0-9a-f]{8}) ([0-9a-f]{16})\]\Z"
)


def read_tag(wire_name: str) -> Tag | None:
    """Return the tag at the very end of a name; a caller's text may hold fake ones (F22)."""
    found = _TAG.search(wire_name)
    if found is None:
        return None
    namespace, key, incarnation, print_ = found.groups()
    return Tag(namespace, unquote(key), incarnation, print_)


def caller_text(wire_name: str) -> str:
    """Return a name without the tag at its very end."""
    found = _TAG.search(wire_name)
    return wire_name if found is None else wire_name[: found.start()].removesuffix(" ")


def wire_name(text: str, tag: Tag) -> str:
    """Return the text with its tag; `ValueError` if Astakos would not keep all of it."""
    name = f"{text} {tag}" if text else str(tag)
    if len(name) > NAME_LIMIT:
        room = NAME_LIMIT - len(str(tag)) - 1
        raise ValueError(f"name has {len(text)} characters; with this key {room} fit")
    return name


class Decision(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Accept or reject, with why and when. Written once."""

    verb: Verb
    reason: str = ""
    at: float = 0.0


class Twin(NamedTuple):
    """A second serial that Astakos holds for one key; `done` once it is rejected."""

    serial: int
    done: bool = False


class Note(NamedTuple):
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
    """Everything that is known of one commission. Times are seconds of the store's clock."""

    key: str
    service: str
    incarnation: str
    state: State
    created: float
    request: Request | None = None  # None: awaited, or a bare serial
    serial: int | None = None
    decision: Decision | None = None
    deadline: float | None = None  # undecided until then: rejected as expired
    #: When it is to be looked at next; None: when something happens to it.
    due: float | None = None

    # Issue: how often a POST was announced, and what is not accounted for.
    marks: int = 0
    send_until: float | None = None  # the announced POST is not sent after this
    quiet_at: float | None = None  # a list started after this proves that it was not done
    doubts: int = 0  # announced POSTs that a probe proved not done
    verdict: Fault | None = None  # a refusal that waits for a probe (F13)

    # Settle: how often sending the decision was announced, and which of these may have left.
    settles: int = 0
    sent: tuple[int, ...] = ()
    twins: tuple[Twin, ...] = ()
    seen: str | None = None  # what a bare serial was when it was looked at, before any send

    attempts: int = 0  # failures since the last progress, for the back-off
    failing_since: float | None = None
    error: Fault | None = None
    callback: str | None = None  # a Celery task to be told of the outcome
    moments: tuple[Moment, ...] = WHEN_CLOSED  # when it is to be told
    told: tuple[str, ...] = ()  # the states that it was told
    closed: float | None = None
    history: tuple[Note, ...] = ()

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
        """Return whose rows Astakos locks to settle it: a project's, which its users share.

        Who settles commissions of one holder together leaves the others' to be issued meanwhile.
        """
        if self.request is None or not self.request.provisions:
            return ""
        first = self.request.provisions[0]
        return first.source or first.holder

    @property
    def is_open(self) -> bool:
        """Return whether something is still to be done: a twin keeps a closed one open."""
        return self.state in OPEN or self.twins_due or self.tell_due

    @property
    def twins_due(self) -> bool:
        """Return whether a twin is still to be rejected."""
        return any(not twin.done for twin in self.twins)

    @property
    def untold(self) -> tuple[str, ...]:
        """Return the states that the call-back is still to be told, in order."""
        if self.callback is None:
            return ()
        passed = ["pending"] if "pending" in self.moments and self.serial is not None else []
        refused = self.state is State.REFUSED and "refused" in self.moments
        if refused or (self.state in CLOSED and "closed" in self.moments):
            passed.append(str(self.state))
        return tuple(state for state in passed if state not in self.told)

    @property
    def tell_due(self) -> bool:
        """Return whether the call-back has not been told all that it is to be told by now."""
        return bool(self.untold)

    @property
    def bare(self) -> bool:
        """Return whether this is a serial that somebody else's client issued."""
        return is_bare(self.key)


# A caller's key is printable, so none can look like this one.
_BARE = "\x1f"


def bare_key(serial: int) -> str:
    """Return the reserved key of a serial that no record of ours has."""
    return f"{_BARE}{serial}"


def is_bare(key: str) -> bool:
    """Return whether a key is one of `bare_key`."""
    return key.startswith(_BARE)


def shown(key: str) -> str:
    """Return a key as a person reads it."""
    return f"serial {key[1:]}" if is_bare(key) else key
