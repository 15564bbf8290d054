"""A new commission before it is in the ledger, and the next step towards it. Pure."""

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Unpack

from astakos_worker.configuration.settings import Settings
from astakos_worker.ledger.contract import Entry, Write
from astakos_worker.ledger.events import Requested
from astakos_worker.ledger.record import WHEN_CLOSED, Decision, Moment, Record, State
from astakos_worker.ledger.request import Request, Tag
from astakos_worker.ledger.states import queued, transition
from astakos_worker.service import arguments
from astakos_worker.service.errors import KeyConflict
from astakos_worker.service.options import DEFAULTS, Handling
from astakos_worker.service.tokens import NOTHING, UNREAD, Token
from astakosclient.errors import BadValue


@dataclass(frozen=True, slots=True)
class Draft:
    """A new commission as it is written if its key is free, and what its call has found so far."""

    record: Record
    reuse: bool  # it may replace a commission that has ended
    replaces: str  # see `Token.replaces`
    repeated: bool = False  # its call repeats another one, and has the token of that
    found: str = ""  # the incarnation of the commission that it found to be the same

    @property
    def token(self) -> str:
        """The token with which the call can be repeated, by what it has found so far."""
        incarnation = self.found or self.record.incarnation
        return str(Token(incarnation, self.replaces, self.record.key))


@dataclass(frozen=True, slots=True)
class Checked:
    """The options of a new commission, checked; key and deadline are made where none was given."""

    token: Token
    accept: bool
    deadline: float | None  # seconds from the moment that it is issued
    callback: str | None
    moments: tuple[Moment, ...]
    reuse: bool
    repeated: bool

    def again(self, token: str | None) -> "Checked":
        """Return the options of the same call, repeated with the token of its error."""
        return replace(self, token=Token.read(token), repeated=True) if token else self

    def draft(self, service: str, request: Request, now: float) -> Draft:
        """Return the commission as it is written at this time."""
        record = queued(
            self.token.key,
            service,
            self.token.incarnation,
            request,
            now=now,
            decision=Decision("accept", "", now) if self.accept else None,
            deadline=None if self.deadline is None else now + self.deadline,
            callback=self.callback,
            moments=self.moments,
        )
        return Draft(record, self.reuse, self.token.replaces, self.repeated)


def check(
    service: str, settings: Settings, request: Request, key: str | None, **options: Unpack[Handling]
) -> Checked:
    """Return the options of a new commission; `BadValue` for one that cannot be right."""
    if unknown := sorted(options.keys() - DEFAULTS.keys()):
        raise TypeError(f"no option {', '.join(unknown)}; there are {', '.join(DEFAULTS)}")
    return _check(service, settings, request, key, **options)


def _check(
    service: str,
    settings: Settings,
    request: Request,
    key: str | None,
    *,
    accept: bool = False,
    deadline: float | None = None,
    callback: str | None = None,
    callback_on: Iterable[Moment] = WHEN_CLOSED,
    reuse: bool | str = False,
    token: str | None = None,
) -> Checked:
    if not isinstance(accept, bool):
        raise BadValue(f"accept must be True or False, not {accept!r}")
    if deadline is not None:
        deadline = arguments.checked_seconds("deadline", deadline)
    if callback is not None:
        callback = arguments.checked_callback(callback)
    moments = arguments.checked_moments(callback_on)
    if key is None:
        deadline = deadline or settings.hold_deadline
    checked = _token(key, _replaced(reuse), token)
    # All incarnations have the same length, and all fingerprints.
    tag = Tag(f"{settings.namespace}.{service}", checked.key, "0" * 8, "0" * 16)
    arguments.check_name(request, tag)
    return Checked(
        checked, accept, deadline, callback, moments, reuse is not False, token is not None
    )


def _replaced(reuse: object) -> str:
    """Return what a call with this `reuse` replaces, as far as it is known before a read."""
    if reuse is False:
        return NOTHING
    if reuse is True:
        return UNREAD
    if isinstance(reuse, str) and re.fullmatch(r"[0-9a-f]{8}", reuse):
        return reuse
    raise BadValue(f"reuse must be True, False or an incarnation, not {reuse!r:.80}")


def _token(key: str | None, replaces: str, given: str | None) -> Token:
    """Return the token of a call; a repeated call has that of its first try."""
    if given is None:
        made = secrets.token_hex(12) if key is None else arguments.checked_key(key)
        return Token(new_incarnation(), replaces, made)
    token = Token.read(given)
    arguments.checked_key(token.key)
    if key is not None and key != token.key:
        raise BadValue(f"token is that of key {token.key!r}, not of {key!r:.200}")
    return token


def step(draft: Draft, entry: Entry | None) -> tuple[Draft, Write | Entry | KeyConflict]:
    """Return what to do for a draft, given the record of its key; and the draft as of now.

    A write creates the record or replaces it. An entry is the commission: it is there. The write
    of a draft may have been done before, by a try whose answer was lost. So a record with the
    draft's own incarnation is the commission, and is never replaced.
    """
    if entry is None:
        seen = replace(draft, replaces=NOTHING) if draft.replaces == UNREAD else draft
        return seen, Write(draft.record, 0, cell=draft.record.decision, wakeup=True)
    there = entry.record
    if there.incarnation == draft.record.incarnation:
        return draft, conflict(draft, there) or entry
    if there.state is State.AWAITED and draft.record.request is not None:
        return draft, _after_its_decision(draft.record, draft.record.request, entry)
    if draft.reuse and not there.is_open and draft.replaces in {UNREAD, there.incarnation}:
        return replace(draft, replaces=there.incarnation), _instead(draft.record, entry)
    if draft.repeated and draft.reuse and not there.is_open:
        text = f"key {there.key!r} was used by another call in the meantime ({there.state})"
        return draft, KeyConflict(there.key, text)
    # A repetition of the call must find this commission too, even if it has ended by then.
    found = replace(draft, replaces=NOTHING, found=there.incarnation)
    return found, conflict(draft, there) or entry


def _after_its_decision(record: Record, request: Request, entry: Entry) -> Write:
    """Return how to write a commission whose decision came before its request, by name."""
    came = Requested(request, record.incarnation, record.deadline, record.callback, record.moments)
    return Write(transition(entry.record, came, record.created), entry.version, wakeup=True)


def _instead(record: Record, entry: Entry) -> Write:
    """Return how to write a commission instead of one that has ended."""
    return Write(
        record,
        entry.version,
        cell=record.decision,
        reset=True,
        replaces=entry.record.incarnation,
        wakeup=True,
    )


def conflict(draft: Draft, there: Record) -> KeyConflict | None:
    """Return the error if the record of the key has other contents than the draft."""
    if there.fingerprint == draft.record.fingerprint:
        return None
    key = draft.record.key
    return KeyConflict(key, f"key {key!r} is in use for another commission ({there.state})")


def ignored_options(draft: Draft, there: Record) -> tuple[str, ...]:
    """Return the options of a call that differ from those of the commission that it found.

    They are passed over: the first name, deadline and call-back of a commission stand. A deadline
    counts only while nobody has decided.
    """
    given = draft.record
    names = [] if _name(given) == _name(there) else ["name"]
    if there.decision is None and _seconds(given) != _seconds(there):
        names.append("deadline")
    if (given.callback, given.moments) != (there.callback, there.moments):
        names.append("callback")
    return tuple(names)


def _name(record: Record) -> str:
    return record.request.name if record.request else ""


def _seconds(record: Record) -> int | None:
    """Return the milliseconds from the issue to the deadline."""
    return None if record.deadline is None else round((record.deadline - record.created) * 1000)


def new_incarnation() -> str:
    """Return a new name for one use of a key: 8 hex digits, a part of the tag in the wire name."""
    return secrets.token_hex(4)
