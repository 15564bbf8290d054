"""The service's side: say what you want, and go on.

Every call writes to the ledger first and answers from that; a message to the workers is only
a wake-up. So a call either is safe with the ledger or raises, within about a second, and the
same call again is safe. No Astakos is talked to here, and no token is held.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from astakos_worker.configuration.settings import Settings
from astakos_worker.ledger.contract import Entry, Ledger
from astakos_worker.ledger.record import Moment, Record, State, Verb, is_bare, shown
from astakos_worker.ledger.request import Request
from astakos_worker.service import arguments, bulk
from astakos_worker.service.after_commit import Commits, Hook, OnCommit, hook_of
from astakos_worker.service.bulk import NewCommission
from astakos_worker.service.calls import Parts, ledger_errors, missing
from astakos_worker.service.changing import extend
from astakos_worker.service.dead_letters import DeadLetters
from astakos_worker.service.deciding import Decider, bare_serial
from astakos_worker.service.errors import (
    OutcomeTimeout,
)
from astakos_worker.service.hold import held
from astakos_worker.service.issuing import Enqueuer, Order
from astakos_worker.service.outcome import Outcome, current, or_error, outcome_of, through
from astakosclient.errors import BadValue

if TYPE_CHECKING:
    from astakos_worker.testing.in_memory import InMemoryCommissions


class Commission:
    """A commission of the ledger, as a handle: cheap to make, holds no connection.

    `key` is the ledger's: a reserved one for a serial that was issued elsewhere.
    """

    def __init__(self, commissions: "Commissions", key: str, outcome: Outcome) -> None:
        self.key = key
        # By its serial a bare one is found also when it turns out to be a keyed commission's.
        self._which = bare_serial(key) if is_bare(key) else key
        self._commissions = commissions
        self._last = outcome

    def __repr__(self) -> str:
        return f"<Commission {shown(self.key)} {self._last.state}>"

    @property
    def last(self) -> Outcome:
        """How it stood when this handle last heard of it; `get()` asks again."""
        return self._last

    def accept(self) -> "Commission":
        """Decide to accept; see `Commissions.accept`."""
        return self._commissions.accept(self._which)

    def reject(self, reason: str = "") -> "Commission":
        """Decide to reject; see `Commissions.reject`."""
        return self._commissions.reject(self._which, reason=reason)

    def extend(self, deadline: float) -> "Commission":
        """Leave it undecided for longer; see `Commissions.extend`."""
        return self._commissions.extend(self._which, deadline)

    def outcome(self, timeout: float | None = None) -> Outcome:
        """Wait until it is through; see `Commissions.outcome`."""
        self._last = self._commissions.outcome(self._which, timeout=timeout)
        return self._last


class Commissions:
    """Issues and decides commissions of one named service.

    `Commissions()` reads the environment (`Settings`). One object serves all threads of a
    process, and is safe to make before a fork.
    """

    def __init__(
        self,
        service: str | None = None,
        *,
        settings: Settings | None = None,
        parts: Parts | None = None,
    ) -> None:
        self._settings = settings or Settings()
        self.service = arguments.checked_service(
            self._settings.service if service is None else service
        )
        self._given = parts
        self._parts: tuple[int, Parts] | None = None

    @staticmethod
    def in_memory(
        limits: Mapping[str, int] | None = None,
        *,
        service: str = "default",
        settings: Settings | None = None,
    ) -> "InMemoryCommissions":
        """Return the same face without broker, ledger's server and Astakos: for unit tests.

        The very engine of the workers runs inside each call, against a ledger and an Astakos in
        this process; nothing is to be stopped. `limits` is `{resource: limit of each user in each
        project}`, None for no limits. Time stands still but for `advance(seconds)` and for who
        waits. The environment is not read. `docs/testing.md` tells more.
        """
        from astakos_worker.testing.in_memory import InMemoryCommissions  # noqa: PLC0415  # tests only

        return InMemoryCommissions(limits, service=service, settings=settings)

    @property
    def _here(self) -> Parts:
        """What this process works with: a child does not use its parent's connections."""
        if self._given is not None:
            return self._given
        pid = os.getpid()
        if self._parts is None or self._parts[0] != pid:
            from astakos_worker.service.connect import connected  # noqa: PLC0415  # not for given parts

            self._parts = pid, connected(self._settings)
        return self._parts[1]

    @property
    def _ledger(self) -> Ledger:
        return self._here.ledger

    # --- Issuing ------------------------------------------------------------------------------

    def issue(
        self,
        *,
        user: str,
        project: str,
        provisions: Mapping[str, int],
        key: str | None = None,
        name: str = "",
        force: bool = False,
        accept: bool = False,
        deadline: float | None = None,
        callback: str | None = None,
        callback_on: Iterable[Moment] = ("closed",),
        reuse: bool = False,
    ) -> Commission:
        """Enqueue a commission of `{resource: quantity}` for a user of a project.

        `key` is the idempotency key (1 to 200 printable characters): the same call again finds
        the same commission, other contents under it raise `KeyConflict`. Without one a key is
        made, and a deadline is set. `accept=True` decides at once: accepted as soon as there is
        a serial. Undecided after `deadline` seconds, it is rejected as expired. `callback`
        (`task` or `task@queue`) is sent the outcome at each moment of `callback_on`: "closed"
        is every end, "refused" that one alone, "pending" when it has its serial. `reuse=True`
        takes a key whose commission has ended for a new one.

        Raises `BadValue`, `KeyConflict`, `LedgerFull`, `Unavailable`; nothing is stored then,
        but with `Unavailable` it may be, and the same call again with its key is safe.
        """
        request = arguments.one(user, project, provisions, name=name, force=force)
        return self._enqueued(
            request,
            key,
            accept=accept,
            deadline=deadline,
            callback=callback,
            callback_on=callback_on,
            reuse=reuse,
        )

    def issue_generic(
        self,
        *,
        user_provisions: Mapping[tuple[str, str, str], int] | None = None,
        project_provisions: Mapping[tuple[str, str], int] | None = None,
        key: str | None = None,
        name: str = "",
        force: bool = False,
        accept: bool = False,
        deadline: float | None = None,
        callback: str | None = None,
        callback_on: Iterable[Moment] = ("closed",),
        reuse: bool = False,
    ) -> Commission:
        """Enqueue `{(user, project, resource): n}` and `{(project, resource): n}` as given."""
        request = arguments.generic(user_provisions, project_provisions, name=name, force=force)
        return self._enqueued(
            request,
            key,
            accept=accept,
            deadline=deadline,
            callback=callback,
            callback_on=callback_on,
            reuse=reuse,
        )

    def reassign(
        self,
        *,
        user: str,
        provisions: Mapping[tuple[str, str, str], int],
        key: str | None = None,
        name: str = "",
        force: bool = False,
        accept: bool = False,
        deadline: float | None = None,
        callback: str | None = None,
        callback_on: Iterable[Moment] = ("closed",),
        reuse: bool = False,
    ) -> Commission:
        """Enqueue the move of `{(from_project, to_project, resource): n}` of a user."""
        request = arguments.reassignment(user, provisions, name=name, force=force)
        return self._enqueued(
            request,
            key,
            accept=accept,
            deadline=deadline,
            callback=callback,
            callback_on=callback_on,
            reuse=reuse,
        )

    def issue_many(self, commissions: Iterable[NewCommission]) -> list[Commission | Exception]:
        """Enqueue many at once, each for itself: return what became of each, or its error.

        Each is a mapping with the arguments of `issue` or `issue_generic`. Hundreds go in one
        round trip, and a handful of messages in all. An error (`BadValue`, `KeyConflict`,
        `LedgerFull`, ...) is that of one commission; if the ledger goes away in between, it is
        `Unavailable` for all from there on. Raises that where it is away from the start.
        """
        given = bulk.listed(commissions)
        orders: list[Order | Exception] = []
        for one in given:
            try:
                request, key, how = bulk.read(one)
                orders.append(self._enqueuer.order(request, key, **how))
            except BadValue as error:
                orders.append(error)
        became = iter(self.enqueue_all([one for one in orders if isinstance(one, Order)]))
        return [next(became) if isinstance(one, Order) else one for one in orders]

    # --- Deciding -----------------------------------------------------------------------------

    def accept(self, which: str | int) -> Commission:
        """Decide to accept a commission: by its key, or as an integer by its serial.

        The decision is recorded when this returns, and is sent as soon as there is a serial.
        Raises `DecisionConflict` if it was rejected (or has expired), `UnknownKey` for a key
        that nobody issued, what the issue was refused with, `BadValue`, `Unavailable`.
        """
        return self._handle(self._decider.decide(which, "accept"))

    def reject(self, which: str | int, *, reason: str = "") -> Commission:
        """Decide to reject a commission; before it was issued, it is cancelled.

        `reason` is kept for operators. Raises as `accept`, but a refused one needs no reject.
        """
        return self._handle(self._decider.decide(which, "reject", reason))

    def resolve(
        self, accept: Iterable[str | int] = (), reject: Iterable[str | int] = ()
    ) -> dict[str | int, Outcome | Exception]:
        """Decide many at once, each for itself: return what became of each, or its error.

        A string is a key, an integer a serial. One that is in both lists is decided in
        neither: `DecisionConflict` for it alone (F23). Hundreds go in one round trip. If the
        ledger goes away in between, it is `Unavailable` for all from there on; raises that
        where it is away from the start.
        """
        return _resolved(self._decider.resolve(accept, reject))

    def extend(self, which: str | int, deadline: float) -> Commission:
        """Leave a commission undecided for `deadline` more seconds, counted from now.

        Also where it had no deadline, or a later one. Raises `DecisionConflict` if it has been
        decided (or has expired), and otherwise as `accept`.
        """
        seconds = arguments.checked_seconds("deadline", deadline)
        entry = extend(self._here, self.service, self._decider.key(which), seconds)
        return self._handle(current(entry))

    # --- Asking -------------------------------------------------------------------------------

    def get(self, which: str | int) -> Outcome:
        """Return how a commission stands, without waiting; `UnknownKey` if there is none."""
        return self.get_key(self._decider.key(which))

    def get_key(self, key: str) -> Outcome:
        """Return how the commission of a ledger's key stands, reserved ones included."""
        return outcome_of(current(self._entry(key)))

    def history(self, which: str | int) -> tuple[Record, int]:
        """Return the whole record of a commission, and its version: for operators."""
        entry = self._entry(self._decider.key(which))
        return entry.record, entry.version

    def outcome(self, which: str | int, timeout: float | None = None) -> Outcome:
        """Wait until a commission is through: pending and undecided, or decided and settled.

        Raises what the client would have raised if it was refused (`QuotaLimit`, ...),
        `NotFound` for a bare serial that Astakos does not know, `CommissionFailed` where a
        person has to look, `OutcomeTimeout` after `timeout` seconds (default: the deadline of
        `hold`).
        """
        key = self._decider.key(which)
        limit = self._settings.hold_deadline if timeout is None else timeout
        began = self._ledger.clock.now()
        with ledger_errors(key):
            entry, done = self._here.watcher.wait(self.service, key, through, limit)
            if entry is None:
                raise missing(self._ledger, self.service, key)
        outcome = outcome_of(current(entry))
        if outcome.state == State.MERGED and outcome.error is not None:
            # What is left of the caller's time: it is still the same wait.
            left = max(0.0, limit - (self._ledger.clock.now() - began))
            return self.outcome(str(outcome.error["merged"]), left)
        if not done:
            last = current(entry).error or {}
            why = f", lastly: {last['message']}" if last.get("message") else ""
            text = f"commission {shown(key)!r} is still {outcome.state} after {limit:g} s{why}"
            raise OutcomeTimeout(key, text)
        return or_error(outcome)

    @contextmanager
    def hold(
        self,
        *,
        user: str,
        project: str,
        provisions: Mapping[str, int],
        key: str | None = None,
        name: str = "",
        force: bool = False,
        deadline: float | None = None,
        timeout: float = 30.0,
    ) -> Iterator[Commission]:
        """Reserve for the time of a block: accepted on leaving it, rejected on an exception.

        Raises `QuotaLimit` (or what else it was refused with) on entry, `DecisionConflict` if
        the key has been rejected before, and `OutcomeTimeout` when there is no serial within
        `timeout` seconds: the commission is rejected then. If this process dies inside the
        block, the deadline rejects it (F80).
        """
        limit = self._settings.hold_deadline if deadline is None else deadline
        commission = self.issue(
            user=user,
            project=project,
            provisions=provisions,
            key=key,
            name=name,
            force=force,
            deadline=limit,
        )
        with held(commission, limit, timeout, self._ledger.clock):
            yield commission

    def on_commit(
        self, hook: Commits | Hook | None = None, *, using: str | None = None
    ) -> OnCommit:
        """Return the same calls for the time after a commit, and never if there is none.

        `hook` takes a function to be called after the commit: itself, or by its method
        `on_commit`. Without one it is Django's `transaction.on_commit`, of the database `using`.
        """
        return OnCommit(self, hook_of(hook, using))

    @property
    def dead(self) -> DeadLetters:
        """The commissions that cannot go on without a person: `list`, `resend`, `discard`."""
        return DeadLetters(self.service, self._settings, self._here)

    # --- By name, from programs without this package ------------------------------------------

    def enqueue(self, request: Request, key: str, **options: Any) -> Commission:
        """Enqueue a request as it is, with the options of `issue`.

        An awaited decision finds it.
        """
        return self._enqueued(request, key, **options)

    def order(self, request: Request, key: str, **options: Any) -> Order:
        """Return a request as `enqueue_all` takes it; `BadValue` for what it refuses."""
        return self._enqueuer.order(request, key, **options)

    def enqueue_all(self, orders: Sequence[Order]) -> list[Commission | Exception]:
        """Enqueue requests as they are; see `issue_many`."""
        return [
            self._handle(one) if isinstance(one, Record) else one
            for one in self._enqueuer.enqueue_all(orders)
        ]

    def checked(
        self, request: Request, key: str | None, **options: Any
    ) -> tuple[str, float | None]:
        """Return key and deadline as `enqueue` takes them; `BadValue` for what it refuses."""
        key, deadline, _ = self._enqueuer.checked(request, key, **options)
        return key, deadline

    def decide_or_await(self, which: str | int, verb: Verb, reason: str = "") -> Commission:
        """Decide what came as a message; before its request it is kept as awaited (F77)."""
        patience = self._settings.awaited
        return self._handle(self._decider.decide_or_await(which, verb, reason, patience=patience))

    def resolve_or_await(
        self, accept: Iterable[str | int] = (), reject: Iterable[str | int] = ()
    ) -> dict[str | int, Outcome | Exception]:
        """As `resolve`, for what came as a message: a key without its request is awaited (F77)."""
        patience = self._settings.awaited
        return _resolved(self._decider.resolve_or_await(accept, reject, patience=patience))

    # --- Inside -------------------------------------------------------------------------------

    @property
    def _decider(self) -> Decider:
        return Decider(self.service, self._here)

    def _enqueued(self, request: Request, key: str | None, **more: Any) -> Commission:
        return self._handle(self._enqueuer.enqueue(request, key, **more))

    @property
    def _enqueuer(self) -> Enqueuer:
        return Enqueuer(self.service, self._settings, self._here)

    def _handle(self, record: Record) -> Commission:
        return Commission(self, record.key, outcome_of(record))

    def _entry(self, key: str) -> Entry:
        with ledger_errors(key):
            entry = self._ledger.get(self.service, [key]).get(key)
            if entry is None:
                raise missing(self._ledger, self.service, key)
        return entry


def _resolved(
    became: Mapping[str | int, Record | Exception],
) -> dict[str | int, Outcome | Exception]:
    """Return what became of each as a caller reads it."""
    return {
        which: outcome_of(one) if isinstance(one, Record) else one for which, one in became.items()
    }
