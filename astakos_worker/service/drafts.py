"""A new commission before it is in the ledger, and what to write where its key is in use. Pure."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Unpack

from astakos_worker.configuration.settings import Settings
from astakos_worker.ledger.contract import Entry, Write
from astakos_worker.ledger.events import Requested
from astakos_worker.ledger.record import WHEN_CLOSED, Decision, Moment, Record, State
from astakos_worker.ledger.request import Request, Tag
from astakos_worker.ledger.states import queued, transition
from astakos_worker.service import arguments
from astakos_worker.service.errors import KeyConflict
from astakos_worker.service.options import Handling
from astakosclient.errors import BadValue


@dataclass(frozen=True, slots=True)
class Draft:
    """A new commission as it is written if its key is free.

    `reuse`: it also takes the key of a commission that has ended.
    """

    record: Record
    reuse: bool


@dataclass(frozen=True, slots=True)
class Checked:
    """The options of a new commission, checked; key and deadline are made where none was given."""

    key: str
    accept: bool
    deadline: float | None  # seconds from the moment that it is issued
    callback: str | None
    moments: tuple[Moment, ...]
    reuse: bool

    def draft(self, service: str, request: Request, now: float) -> Draft:
        """Return the commission as it is written at this time."""
        record = queued(
            self.key,
            service,
            new_incarnation(),
            request,
            now=now,
            decision=Decision("accept", "", now) if self.accept else None,
            deadline=None if self.deadline is None else now + self.deadline,
            callback=self.callback,
            moments=self.moments,
        )
        return Draft(record, self.reuse)


def check(
    service: str, settings: Settings, request: Request, key: str | None, **options: Unpack[Handling]
) -> Checked:
    """Return the options of a new commission; `BadValue` for one that cannot be right."""
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
    reuse: bool = False,
) -> Checked:
    if not isinstance(reuse, bool):
        raise BadValue(f"reuse must be True or False, not {reuse!r}")
    if not isinstance(accept, bool):
        raise BadValue(f"accept must be True or False, not {accept!r}")
    if deadline is not None:
        deadline = arguments.checked_seconds("deadline", deadline)
    if callback is not None:
        arguments.checked_key(callback)
    moments = arguments.checked_moments(callback_on)
    if key is None:
        key, deadline = secrets.token_hex(12), deadline or settings.hold_deadline
    key = arguments.checked_key(key)
    # All incarnations have the same length, and all fingerprints.
    tag = Tag(f"{settings.namespace}.{service}", key, "0" * 8, "0" * 16)
    arguments.check_name(request, tag)
    return Checked(key, accept, deadline, callback, moments, reuse)


def over(draft: Draft, entry: Entry) -> Write | None:
    """Return how to write a draft over the record of its key; None: that record stays.

    A record is replaced where only its decision has come so far (by name, before the request),
    and where it has ended and its key may be used again.
    """
    there, record = entry.record, draft.record
    if there.state is State.AWAITED and record.request is not None:
        came = Requested(
            record.request, record.incarnation, record.deadline, record.callback, record.moments
        )
        return Write(transition(there, came, record.created), entry.version, wakeup=True)
    if draft.reuse and not there.is_open:
        return Write(record, entry.version, cell=record.decision, reset=True, wakeup=True)
    return None


def conflict(draft: Draft, entry: Entry) -> KeyConflict | None:
    """Return the error if a record that stays is not the same commission as the draft."""
    there, key = entry.record, draft.record.key
    if there.fingerprint == draft.record.fingerprint:
        return None
    return KeyConflict(key, f"key {key!r} is in use for another commission ({there.state})")


def new_incarnation() -> str:
    """Return a new name for one use of a key: 8 hex digits, a part of the tag in the wire name."""
    return secrets.token_hex(4)
