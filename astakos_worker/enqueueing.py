"""One key, one commission: writes a new record, or finds that the one there is the same.

Written with its decision in one step, so that a caller who says `accept` with the issue needs
no second call, and none can come in between.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace

from astakos_worker import names, requests
from astakos_worker.errors import KeyConflict, Unavailable
from astakos_worker.ledger.contract import Entry, Verdict, Write
from astakos_worker.ledger.events import Requested
from astakos_worker.ledger.record import (
    Decision,
    Moment,
    Record,
    Request,
    State,
    Tag,
    fingerprint,
)
from astakos_worker.ledger.states import queued, transition
from astakos_worker.outcomes import check_verb, current
from astakos_worker.parts import Parts, ledger_errors, left_for_newer
from astakos_worker.settings import Settings
from astakosclient.errors import BadValue

#: Others may change a record between two looks at it; not so often in a row.
_TRIES = 10


@dataclass(frozen=True, slots=True)
class Enqueuer:
    """Enqueues commissions of one named service."""

    service: str
    settings: Settings
    parts: Parts

    def enqueue(
        self,
        request: Request,
        key: str | None,
        *,
        accept: bool = False,
        deadline: float | None = None,
        callback: str | None = None,
        callback_on: Iterable[Moment] = ("closed",),
        reuse: bool = False,
    ) -> Entry:
        """Return the commission of this key, which is in the ledger now; see `issue`."""
        key, deadline = self.checked(
            request,
            key,
            accept=accept,
            deadline=deadline,
            callback=callback,
            callback_on=callback_on,
            reuse=reuse,
        )
        moments = requests.checked_moments(callback_on)
        record = self._new(request, key, accept=accept, deadline=deadline)
        record = replace(record, callback=callback, moments=moments)
        with ledger_errors(key):
            verdict = self._create(record, reuse=reuse)
        if verdict.ring:
            version = verdict.entry.version if verdict.entry else 0
            self.parts.waker.wake(names.WAKE_ISSUE, self.service, key, version)
        if verdict.newer:
            raise left_for_newer(key)
        if verdict.entry is None:
            raise Unavailable(key, f"commission {key!r} changed too often to be enqueued")
        return verdict.entry

    def checked(
        self,
        request: Request,
        key: str | None,
        *,
        accept: bool = False,
        deadline: float | None = None,
        callback: str | None = None,
        callback_on: Iterable[Moment] = ("closed",),
        reuse: bool = False,
    ) -> tuple[str, float | None]:
        """Return key and deadline as `enqueue` takes them, made where there is none; `BadValue`."""
        if not isinstance(reuse, bool):
            raise BadValue(f"reuse must be True or False, not {reuse!r}")
        if not isinstance(accept, bool):
            raise BadValue(f"accept must be True or False, not {accept!r}")
        if deadline is not None:
            deadline = requests.checked_seconds("deadline", deadline)
        if callback is not None:
            requests.checked_key(callback)
        requests.checked_moments(callback_on)
        if key is None:
            key, deadline = secrets.token_hex(12), deadline or self.settings.hold_deadline
        key = requests.checked_key(key)
        namespace = f"{self.settings.namespace}.{self.service}"
        print_ = fingerprint(self.service, request)
        requests.check_name(request, Tag(namespace, key, new_incarnation(), print_))
        return key, deadline

    def _new(
        self,
        request: Request,
        key: str,
        *,
        accept: bool,
        deadline: float | None,
    ) -> Record:
        now = self.parts.ledger.clock.now()
        return queued(
            key,
            self.service,
            new_incarnation(),
            request,
            now=now,
            decision=Decision("accept", "", now) if accept else None,
            deadline=now + deadline if deadline is not None else None,
        )

    def _create(self, record: Record, *, reuse: bool) -> Verdict:
        """Write a new record, or find the one that is there to be the same commission."""
        write = Write(record, 0, cell=record.decision, ring=True)
        for _ in range(_TRIES):
            [verdict] = self.parts.ledger.cas([write])
            entry = verdict.entry
            if verdict.done or entry is None:
                return verdict
            there = current(entry)
            if there.state is State.AWAITED and record.request is not None:
                came = Requested(
                    record.request,
                    record.incarnation,
                    record.deadline,
                    record.callback,
                    record.moments,
                )
                after = transition(there, came, record.created)
                write = Write(after, entry.version, ring=True)
            elif reuse and not there.is_open:
                write = Write(record, entry.version, cell=record.decision, reset=True, ring=True)
            elif there.fingerprint != record.fingerprint:
                text = f"key {record.key!r} is in use for another commission ({there.state})"
                raise KeyConflict(record.key, text)
            else:
                return self._replayed(record, entry)
        return Verdict(False, None)

    def _replayed(self, record: Record, entry: Entry) -> Verdict:
        """Return the commission that is there; a decision that came along is its decision."""
        if record.decision is None:
            return Verdict(True, entry)
        decided = self.parts.ledger.decide(self.service, {record.key: record.decision})
        verdict = decided[record.key]
        if verdict.entry is not None:
            check_verb(verdict.entry, record.decision.verb)
        return verdict


def new_incarnation() -> str:
    """Return what tells two uses of a key apart; see the wire name's tag."""
    return secrets.token_hex(4)
