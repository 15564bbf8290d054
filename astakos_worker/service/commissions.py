"""`Commissions`: a service issues commissions, decides them, and asks how they stand.

Each call writes to the ledger first, and answers from what the ledger says. A message to the
workers is only a wake-up. No call talks to Astakos, and no token is held here.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Unpack, overload

from astakos_worker.configuration.settings import Settings, SettingsOfAService
from astakos_worker.ledger.contract import Entry
from astakos_worker.ledger.record import Record, State, Verb, is_bare, shown
from astakos_worker.ledger.request import Request
from astakos_worker.service import arguments, new_commission
from astakos_worker.service.after_commit import Commits, Hook, OnCommit, hook_of
from astakos_worker.service.changing import extend
from astakos_worker.service.connect import connected
from astakos_worker.service.connections import Connections
from astakos_worker.service.dead_letters import DeadLetters
from astakos_worker.service.deciding import Decider, Target, bare_serial
from astakos_worker.service.drafts import Draft
from astakos_worker.service.errors import OutcomeTimeout, Unavailable
from astakos_worker.service.hold import held
from astakos_worker.service.issuing import Issuer
from astakos_worker.service.ledger_calls import is_of, ledger_errors, missing, read, reused
from astakos_worker.service.new_commission import NewCommission
from astakos_worker.service.options import Options, handling, text_and_force, with_options
from astakos_worker.service.outcome import Outcome, or_error, outcome_of, through
from astakosclient.errors import BadValue

if TYPE_CHECKING:
    from astakos_worker.service.outbox.in_transaction import InTransaction
    from astakos_worker.testing.in_memory import InMemoryCommissions


class Commission:
    """A handle of one commission: cheap to make, and it holds no connection.

    `key` is the commission's idempotency key. (For a serial that another client issued it is a
    key that the ledger reserves.) The handle names this one use of the key: if the key is used
    again, its calls raise `KeyReused`.
    """

    def __init__(self, commissions: "Commissions", key: str, outcome: Outcome) -> None:
        self.key = key
        self._commissions = commissions
        self._last = outcome

    def __repr__(self) -> str:
        return f"<Commission {shown(self.key)} {self._last.state}>"

    @property
    def state(self) -> str:
        """The state of `last`; see `Outcome`. Asks nobody."""
        return self._last.state

    @property
    def serial(self) -> int | None:
        """The serial of `last`; None while it has none. Asks nobody."""
        return self._last.serial

    @property
    def incarnation(self) -> str:
        """The name of this use of the key: a key that is used again has another one."""
        return self._last.incarnation

    @property
    def last(self) -> Outcome:
        """The outcome that this handle heard last. Asks nobody; `get()` does."""
        return self._last

    def accept(self) -> "Commission":
        """Decide to accept; see `Commissions.accept`."""
        which, incarnation = _target(self)
        return self._now(self._commissions.accept(which, incarnation=incarnation))

    def reject(self, reason: str = "") -> "Commission":
        """Decide to reject; see `Commissions.reject`."""
        which, incarnation = _target(self)
        rejected = self._commissions.reject(which, reason=reason, incarnation=incarnation)
        return self._now(rejected)

    def extend(self, deadline: float) -> "Commission":
        """Set a new deadline, `deadline` seconds from now; see `Commissions.extend`."""
        which, incarnation = _target(self)
        return self._now(self._commissions.extend(which, deadline, incarnation=incarnation))

    def get(self) -> Outcome:
        """Return how it stands, without waiting; see `Commissions.get`."""
        which, incarnation = _target(self)
        self._last = self._commissions.get(which, incarnation=incarnation)
        return self._last

    def outcome(self, timeout: float | None = None) -> Outcome:
        """Wait until it is pending, or has ended; see `Commissions.outcome`."""
        which, incarnation = _target(self)
        self._last = self._commissions.outcome(which, timeout, incarnation=incarnation)
        return self._last

    def _now(self, handle: "Commission") -> "Commission":
        self._last = handle.last
        return handle


#: What `Commissions.resolve` is given: a key, a serial or a handle.
Which = str | int | Commission


class Commissions:
    """Issues and decides the commissions of one named service.

    `Commissions()` reads the environment (`Settings`); `Commissions("cyclades")` is for another
    named service. One object serves all threads of a process, and may be made before a fork.

    Arguments:
        service: the named service; None: the setting `ASTAKOS_SERVICE`.
        settings: settings instead of those of the environment.
        connections: only for this package's own use.

    Raises `BadValue` for a wrong name, `pydantic.ValidationError` for a wrong setting.
    """

    def __init__(
        self,
        service: str | None = None,
        *,
        settings: Settings | None = None,
        connections: Connections | None = None,
    ) -> None:
        self._settings = settings or SettingsOfAService()
        self.service = arguments.checked_service(
            self._settings.service if service is None else service
        )
        self._given = connections
        self._made: tuple[int, Connections] | None = None

    @staticmethod
    def in_memory(
        limits: Mapping[str, int] | None = None,
        *,
        service: str = "default",
        settings: Settings | None = None,
    ) -> "InMemoryCommissions":
        """Return `Commissions` for unit tests, without broker, ledger server and Astakos.

        The engine of the workers runs inside each call, on a ledger and an Astakos in this
        process; nothing has to be stopped. `limits` is `{resource: limit of each user in each
        project}`; None: no limits. Time passes only by `advance(seconds)` and by calls that wait.
        The environment is not read. See `docs/testing.md`.
        """
        from astakos_worker.testing.in_memory import InMemoryCommissions  # noqa: PLC0415  # tests only

        return InMemoryCommissions(limits, service=service, settings=settings)

    # --- Issuing ------------------------------------------------------------------------------

    @with_options
    def issue(
        self,
        *,
        user: str,
        project: str,
        provisions: Mapping[str, int],
        key: str | None = None,
        **options: Unpack[Options],
    ) -> Commission:
        """Issue a commission for a user of a project; return its handle at once.

        The commission is in the ledger when this returns. A worker sends it to Astakos.

        Arguments:
            user: the user's uuid.
            project: the project's uuid.
            provisions: `{resource: quantity}`; each quantity is charged to the user's holding
                and to the project's. Below zero it gives back.
            key: the idempotency key, 1 to 200 printable characters. The same call again finds
                the same commission. Without a key one is made, and a deadline is set.
            name: a text for people; Astakos keeps it with the commission.
            force: True: Astakos ignores the limits.
            accept: True: accept it as soon as it has a serial.
            deadline: seconds until it is rejected as expired, if nobody has decided.
            callback: `task` or `task@queue`: a Celery task that is sent the outcome.
            callback_on: when it is sent: "closed" at every end, "refused" at that end alone,
                "pending" when it has its serial.
            reuse: True: if the key's commission has ended, issue a new one under that key. Or
                the `incarnation` of the commission that the new one replaces.
            token: the `token` of an `Unavailable` that this call raised: the call is repeated.

        Raises `BadValue` for a wrong argument, `KeyConflict` if the key is in use for other
        contents, `LedgerFull`, `DecisionConflict` for `accept=True` if it was rejected before;
        nothing is stored then. Raises `Unavailable` if the ledger does not answer: the
        commission may be stored. Then the same call again is safe with its `key`, and with
        `reuse=True` or without a key if `token=error.token` is added.
        """
        request = arguments.one(user, project, provisions, **text_and_force(options))
        return self._issue(request, key, options)

    @with_options
    def issue_generic(
        self,
        *,
        user_provisions: Mapping[tuple[str, str, str], int] | None = None,
        project_provisions: Mapping[tuple[str, str], int] | None = None,
        key: str | None = None,
        **options: Unpack[Options],
    ) -> Commission:
        """Issue a commission with provisions exactly as given; return its handle at once.

        Arguments:
            user_provisions: `{(user, project, resource): quantity}`.
            project_provisions: `{(project, resource): quantity}`.

        All other arguments, and what is raised, as for `issue`.
        """
        request = arguments.generic(user_provisions, project_provisions, **text_and_force(options))
        return self._issue(request, key, options)

    @with_options
    def reassign(
        self,
        *,
        user: str,
        provisions: Mapping[tuple[str, str, str], int],
        key: str | None = None,
        **options: Unpack[Options],
    ) -> Commission:
        """Issue a commission that moves a user's resources to another project.

        Arguments:
            user: the user's uuid.
            provisions: `{(from_project, to_project, resource): quantity}`.

        All other arguments, and what is raised, as for `issue`.
        """
        request = arguments.reassignment(user, provisions, **text_and_force(options))
        return self._issue(request, key, options)

    def issue_many(self, commissions: Iterable[NewCommission]) -> list[Commission | Exception]:
        """Issue many commissions; return for each its handle or its error, in order.

        `commissions`: mappings with the arguments of `issue` or `issue_generic`. One round trip
        to the ledger carries 250 of them.

        Each stands alone: an error (`BadValue`, `KeyConflict`, `LedgerFull`, ...) is the result
        of one commission. Raises `Unavailable` if the ledger does not answer the first round
        trip; if it stops answering later, each commission from there on has `Unavailable` as its
        result.
        """
        drafts: list[Draft | Exception] = []
        for one in new_commission.listed(commissions):
            try:
                request, key, options = new_commission.read(one)
                drafts.append(self._issuer.draft(request, key, **options))
            except BadValue as error:
                drafts.append(error)
        wanted = [one for one in drafts if isinstance(one, Draft)]
        try:
            records = iter(self._issuer.issue_all(wanted))
        except Unavailable as error:
            made = iter(error.tokens)
            tokens = [next(made) if isinstance(one, Draft) else None for one in drafts]
            raise Unavailable(error.key, str(error), error.token, tokens) from error.__cause__
        results = [next(records) if isinstance(one, Draft) else one for one in drafts]
        return [self._handle(one) if isinstance(one, Record) else one for one in results]

    # --- Deciding -----------------------------------------------------------------------------

    def accept(self, which: str | int, *, incarnation: str | None = None) -> Commission:
        """Decide to accept a commission: by its key, or as an integer by its serial.

        The decision is recorded when this returns. A worker sends it as soon as there is a
        serial. The same decision again succeeds.

        `incarnation`: that of the commission's outcome or call-back. The decision then is for
        this use of the key, and for no later one.

        Raises `DecisionConflict` if it was rejected or has expired, `UnknownKey` for a key that
        nobody issued, `KeyReused` if the key was used again since, the error of a refused issue
        (`QuotaLimit`, ...), `BadValue`, `Unavailable`.
        """
        return self._handle(self._decide(which, "accept", "", incarnation))

    def reject(
        self, which: str | int, *, reason: str = "", incarnation: str | None = None
    ) -> Commission:
        """Decide to reject a commission; if it is not issued yet, it is cancelled.

        `which` is a key, or as an integer a serial; `reason` is a text for operators, of at most
        4,096 characters. `incarnation` as for `accept`. Raises as `accept`, except that rejecting
        a refused commission succeeds.
        """
        return self._handle(self._decide(which, "reject", reason, incarnation))

    @overload
    def resolve(
        self, accept: Iterable[str | int] = (), reject: Iterable[str | int] = ()
    ) -> dict[str | int, Outcome | Exception]: ...

    @overload
    def resolve(
        self, accept: Iterable[Which] = (), reject: Iterable[Which] = ()
    ) -> dict[Which, Outcome | Exception]: ...

    def resolve(
        self, accept: Iterable[Which] = (), reject: Iterable[Which] = ()
    ) -> dict[Any, Outcome | Exception]:
        """Decide many commissions; return `{which: its outcome or its error}`.

        A string is a key, an integer a serial; a handle names its own use of its key. A
        commission that both lists name is not decided: its result is `DecisionConflict`. One
        round trip to the ledger carries 250 of them.

        Raises `BadValue` for what can be neither key nor serial, and then decides nothing.
        Raises `Unavailable` if the ledger does not answer the first round trip; if it stops
        answering later, each commission from there on has `Unavailable` as its result.
        """
        accepts, rejects = _targets("accept", accept), _targets("reject", reject)
        results = self._decider.resolve(accepts.values(), rejects.values())
        if self._settings.outbox:
            self._decider.await_unknown(results, accepts.values(), patience=self._settings.awaited)
        return {
            which: outcome_of(one) if isinstance(one, Record) else one
            for which, target in (accepts | rejects).items()
            for one in [results[target]]
        }

    def extend(
        self, which: str | int, deadline: float, *, incarnation: str | None = None
    ) -> Commission:
        """Set a commission's deadline to `deadline` seconds from now.

        It may have had none, or a later one. `which` and `incarnation` as for `accept`. Raises
        `DecisionConflict` if it has been decided or has expired; otherwise as `accept`.
        """
        seconds = arguments.checked_seconds("deadline", deadline)
        incarnation = arguments.checked_incarnation(incarnation)
        key = self._decider.key(which)
        entry = extend(self._connections, self.service, key, seconds, incarnation)
        return self._handle(entry.record)

    # --- Asking -------------------------------------------------------------------------------

    def get(self, which: str | int, *, incarnation: str | None = None) -> Outcome:
        """Return how a commission stands, without waiting.

        `which` and `incarnation` as for `accept`. Raises `UnknownKey` if there is none,
        `KeyReused`, `BadValue`, `Unavailable`.
        """
        incarnation = arguments.checked_incarnation(incarnation)
        key = self._decider.key(which)
        return outcome_of(read(self._connections, self.service, key, incarnation).record)

    def outcome(
        self,
        which: str | int,
        timeout: float | None = None,
        *,
        incarnation: str | None = None,
    ) -> Outcome:
        """Wait until a commission is pending and undecided, or has ended; return its outcome.

        `which` and `incarnation` as for `accept`. `timeout`: seconds; None: the setting
        `ASTAKOS_HOLD_DEADLINE`.

        Raises what the client would have raised for a refused commission (`QuotaLimit`, ...),
        `NotFound` for a serial that Astakos does not know, `CommissionFailed` where a person has
        to look, `OutcomeTimeout` if the time is over, `UnknownKey`, `KeyReused`, `BadValue`,
        `Unavailable`.
        """
        limit = self._wait(timeout)
        incarnation = arguments.checked_incarnation(incarnation)
        key = self._decider.key(which)
        ledger = self._connections.ledger
        began = ledger.clock.now()

        def over(entry: Entry) -> bool:
            return through(entry) or not is_of(entry, incarnation)

        with ledger_errors(key, reads=True):
            entry, done = self._connections.watcher.wait(self.service, key, over, limit)
            if entry is None:
                raise missing(ledger, self.service, key)
        if not is_of(entry, incarnation):
            raise reused(key, incarnation)
        outcome = outcome_of(entry.record)
        if outcome.state == State.MERGED and outcome.error is not None:
            # The same wait goes on, for the seconds that are left of it.
            left = max(0.0, limit - (ledger.clock.now() - began))
            return self.outcome(str(outcome.error["merged"]), left)
        if not done:
            last = entry.record.error or {}
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
        """Reserve quota for a `with` block; accept at its end, reject if it raises.

        Arguments as for `issue`, and `timeout`: seconds to wait for the reservation on entry.
        `deadline`: seconds; None: the setting `ASTAKOS_HOLD_DEADLINE`. If the process dies
        inside the block, the deadline rejects the commission.

        Raises on entry `QuotaLimit` or another error with which Astakos refused it,
        `DecisionConflict` if the key was rejected before, `OutcomeTimeout` if there is no serial
        in time: the commission is rejected then, and nothing stays reserved. Raises on leaving
        `DecisionConflict` if it has expired by then, `Unavailable` if the decision could not be
        recorded. An exception of the block itself always comes through.
        """
        timeout = arguments.checked_timeout("timeout", timeout)
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
        with held(commission, limit, timeout, self._connections.ledger.clock):
            yield commission

    def on_commit(
        self, hook: Commits | Hook | None = None, *, using: str | None = None
    ) -> OnCommit:
        """Return the calls that write, to be made when a database transaction commits.

        `hook`: a function that is given each call, to make it after the commit, or an object
        with such a method `on_commit`. None: Django's `transaction.on_commit`, of the database
        `using`. Raises `BadValue` for another hook, and for None where Django is not installed.
        """
        return OnCommit(self._issuer, self._decider, hook_of(hook, using))

    def in_transaction(
        self, connection: object = None, *, using: str | None = None
    ) -> "InTransaction":
        """Return the calls that write, as a part of the caller's own database transaction.

        What is committed becomes a commission, even if a process dies in between; what is rolled
        back never does. Each call writes rows to the table `astakos_outbox`. After the commit a
        thread of this process sends them to the ledger; a relay (`astakos-worker relay`) sends
        what is left.

        Arguments:
            connection: a `Session` or `Connection` of SQLAlchemy 2, or a connection of psycopg 3.
                None: Django's.
            using: the name of Django's database; None: the default one.

        Raises `BadValue` for another connection, for one that is not in a transaction, and for a
        database that is neither PostgreSQL nor SQLite. See `docs/outbox.md`.
        """
        from astakos_worker.service.outbox.in_transaction import in_transaction  # noqa: PLC0415

        return in_transaction(self.service, self._settings, self._connections, connection, using)

    @property
    def dead(self) -> DeadLetters:
        """The commissions that cannot go on without a person: `list`, `resend`, `discard`."""
        return DeadLetters(self.service, self._settings, self._connections)

    # --- Inside -------------------------------------------------------------------------------

    @property
    def _connections(self) -> Connections:
        """The connections of this process: a child does not use those of its parent."""
        if self._given is not None:
            return self._given
        pid = os.getpid()
        if self._made is None or self._made[0] != pid:
            self._made = pid, connected(self._settings)
        return self._made[1]

    @property
    def _issuer(self) -> Issuer:
        return Issuer(self.service, self._settings, self._connections)

    @property
    def _decider(self) -> Decider:
        return Decider(self.service, self._connections)

    def _decide(self, which: str | int, verb: Verb, reason: str, incarnation: str | None) -> Record:
        """Record a decision; where there is an outbox, one of an unknown key waits for it (F96)."""
        if not self._settings.outbox:
            return self._decider.decide(which, verb, reason, incarnation)
        patience = self._settings.awaited
        return self._decider.decide_or_await(
            which, verb, reason, patience=patience, incarnation=incarnation
        )

    def _wait(self, timeout: float | None) -> float:
        """Return the seconds for which a call waits."""
        if timeout is None:
            return self._settings.hold_deadline
        return arguments.checked_timeout("timeout", timeout)

    def _issue(self, request: Request, key: str | None, options: Options) -> Commission:
        return self._handle(self._issuer.issue(request, key, **handling(options)))

    def _handle(self, record: Record) -> Commission:
        return Commission(self, record.key, outcome_of(record))


def _target(handle: Commission) -> Target:
    """Return what a handle names: its use of its key. A serial names one commission by itself."""
    if is_bare(handle.key):
        # It may turn out to be a keyed commission's: by its serial it is still found.
        return Target(bare_serial(handle.key))
    return Target(handle.key, handle.incarnation)


def _targets(label: str, items: Iterable[Which]) -> dict[Which, Target]:
    """Return `{item: what it names}`; `BadValue` for what is neither key, serial nor handle."""
    if isinstance(items, str) or not isinstance(items, Iterable):
        raise BadValue(f"{label} must be a list of keys, serials and handles, not {items!r:.80}")
    return {
        item: _target(item)
        if isinstance(item, Commission)
        else Target(arguments.checked_which(item))
        for item in items
    }
