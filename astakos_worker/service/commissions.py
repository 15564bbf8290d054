"""`Commissions`: a service issues commissions, decides them, and asks how they stand.

Each call writes to the ledger first, and answers from what the ledger says. A message to the
workers is only a wake-up. No call talks to Astakos, and no token is held here. The calls that
`AsyncCommissions` has too are in `face.py`.
"""

import os
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, overload

from astakos_worker.configuration.settings import Settings
from astakos_worker.ledger.awaited import at_once
from astakos_worker.service.after_commit import Commits, Hook, OnCommit, hook_of
from astakos_worker.service.calls import CallKind, Calls, Followed
from astakos_worker.service.connect import connected
from astakos_worker.service.connections import Connections, awaiting
from astakos_worker.service.dead_letters import DeadLetters
from astakos_worker.service.face import CommissionHandle, Face, targets
from astakos_worker.service.hold import Hold
from astakos_worker.service.new_commission import NewCommission
from astakos_worker.service.outcome import Outcome

if TYPE_CHECKING:
    from astakos_worker.service.outbox.in_transaction import InTransaction
    from astakos_worker.testing.in_memory import InMemoryCommissions

T = TypeVar("T")


class Commission(CommissionHandle["Commission", Outcome]):
    """A handle of one commission: cheap to make, and it holds no connection.

    `key` is the commission's idempotency key. (For a serial that another client issued it is a
    key that the ledger reserves.) The handle names this one use of the key: if the key is used
    again, its calls raise `KeyReused`.
    """


#: What `Commissions.resolve` is given: a key, a serial or a handle.
Which = str | int | Commission


class Commissions(Face[Commission, Outcome, AbstractContextManager[Commission]]):
    """Issues and decides the commissions of one named service.

    `Commissions()` reads the environment (`Settings`); `Commissions("cyclades")` is for another
    named service. One object serves all threads of a process, and may be made before a fork.

    Arguments:
        service: the named service; None: the setting `ASTAKOS_SERVICE`.
        settings: settings instead of those of the environment.
        connections: only for this package's own use.

    Raises `BadValue` for a wrong name, `pydantic.ValidationError` for a wrong setting.
    """

    _handle_class = Commission

    def __init__(
        self,
        service: str | None = None,
        *,
        settings: Settings | None = None,
        connections: Connections | None = None,
    ) -> None:
        super().__init__(service, settings)
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

    def issue_many(self, commissions: Iterable[NewCommission]) -> list[Commission | Exception]:
        """Issue many commissions; return for each its handle or its error, in order.

        `commissions`: mappings with the arguments of `issue` or `issue_generic`. One round trip
        to the ledger carries 250 of them.

        Each stands alone: an error (`BadValue`, `KeyConflict`, `LedgerFull`, ...) is the result
        of one commission. Raises `Unavailable` if the ledger does not answer the first round
        trip; if it stops answering later, each commission from there on has `Unavailable` as its
        result.
        """
        results = self._run(lambda calls: calls.issue_many(commissions), "write")
        return [self._handle_of(one) if isinstance(one, Followed) else one for one in results]

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
        accepts, rejects = targets("accept", accept), targets("reject", reject)
        return self._run(lambda calls: self._resolved(calls, accepts, rejects), "write")

    def on_commit(
        self, hook: Commits | Hook | None = None, *, using: str | None = None
    ) -> OnCommit:
        """Return the calls that write, to be made when a database transaction commits.

        `hook`: a function that is given each call, to make it after the commit, or an object
        with such a method `on_commit`. None: Django's `transaction.on_commit`, of the database
        `using`. Raises `BadValue` for another hook, and for None where Django is not installed.
        """
        return OnCommit(self.service, self._settings, self._run, hook_of(hook, using))

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
        return DeadLetters(self._run)

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
    def _calls(self) -> Calls:
        return Calls(self.service, self._settings, awaiting(self._connections))

    def _run(
        self, call: Callable[[Calls], Coroutine[Any, Any, T]], /, kind: CallKind = "read"
    ) -> T:
        del kind  # nobody cancels a call of a thread
        return at_once(call(self._calls))

    @contextmanager
    def _block(self, hold: Callable[[], Hold]) -> Iterator[Commission]:
        calls, one = self._calls, hold()
        held: Followed = at_once(one.enter(calls))
        try:
            yield Commission(self._run, held)
        except BaseException as error:
            at_once(one.leave(calls, held, error))
            raise
        at_once(one.leave(calls, held, None))
