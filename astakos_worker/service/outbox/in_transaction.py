"""The calls of `Commissions` that write, as rows in the caller's own transaction."""

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Generic, Literal, Protocol, TypeVar

from astakos_worker.configuration.settings import Settings
from astakos_worker.ledger.awaited import at_once
from astakos_worker.ledger.record import Verb
from astakos_worker.ledger.request import Request
from astakos_worker.service import arguments, drafts, new_commission
from astakos_worker.service.connections import Connections
from astakos_worker.service.new_commission import NewCommission
from astakos_worker.service.options import Handling, Options, handling
from astakos_worker.service.outbox import moments, rows
from astakos_worker.service.outbox.rows import NewRow
from astakos_worker.service.outbox.sender import sender
from astakos_worker.service.outbox.writers import Writer, async_writer_of, write, writer_of
from astakos_worker.service.signatures import Decides, Issues
from astakosclient.errors import BadValue

#: What a call that issues returns: a key, or what is awaited for one.
Key = TypeVar("Key")
#: The same of one that issues many.
Keys = TypeVar("Keys")
#: What a call that decides returns: nothing, or what is to be awaited.
Done = TypeVar("Done")


class RunsWrite(Protocol):
    """Runs the coroutine that writes; for an event loop it returns what is to be awaited."""

    def __call__(self, write: Coroutine[Any, Any, Any], /) -> Any:
        """Run it."""


class TransactionCalls(Issues[Key], Decides[Done], Generic[Key, Done, Keys]):
    """Writes calls into a transaction: the same for threads and event loops."""

    def __init__(
        self,
        service: str,
        settings: Settings,
        connections: Connections,
        writer: Callable[[], Coroutine[Any, Any, Writer]],
        run: RunsWrite,
    ) -> None:
        self._service = service
        self._settings = settings
        self._connections = connections
        self._writer = writer
        self._run = run

    def issue_many(self, commissions: Iterable[NewCommission]) -> Keys:
        """Issue many commissions by one statement; return their keys, in order.

        `commissions`: as for `Commissions.issue_many`. If one is wrong, `BadValue` names its place
        in the list, and none is written.
        """
        written: list[NewRow] = []
        for number, one in enumerate(new_commission.listed(commissions)):
            try:
                written.append(self._row(*new_commission.read(one)))
            except BadValue as error:
                raise BadValue(f"commission {number} of the list: {error}") from None
        keys: Keys = self._run(self._write(written, [row.key for row in written]))
        return keys

    def resolve(self, accept: Iterable[str | int] = (), reject: Iterable[str | int] = ()) -> Done:
        """Decide many by one statement; see `Commissions.resolve`.

        Raises `BadValue` for one that both lists name.
        """
        accepted, rejected = _listed("accept", accept), _listed("reject", reject)
        if both := accepted.keys() & rejected.keys():
            raise BadValue(f"accept and reject both name {sorted(both, key=str)!r:.200}")
        accepts = [self._decision("accept", which) for which in accepted]
        rejects = [self._decision("reject", which) for which in rejected]
        done: Done = self._run(self._write([*accepts, *rejects]))
        return done

    def extend(self, which: str | int, deadline: float, *, incarnation: str | None = None) -> Done:
        """Set a deadline `deadline` seconds from now, by the database's clock."""
        seconds = arguments.checked_seconds("deadline", deadline)
        row = self._decision("extend", which, incarnation, deadline=seconds)
        done: Done = self._run(self._write([row]))
        return done

    # --- Inside -------------------------------------------------------------------------------

    def _issue(self, request: Request, key: str | None, options: Options) -> Key:
        row = self._row(request, key, handling(options))
        its_key: Key = self._run(self._write([row], row.key))
        return its_key

    def _decide(self, which: str | int, verb: Verb, reason: str, incarnation: str | None) -> Done:
        reason = arguments.checked_reason(reason)
        row = self._decision(verb, which, incarnation, reason=reason)
        done: Done = self._run(self._write([row]))
        return done

    def _row(self, request: Request, key: str | None, options: Handling) -> NewRow:
        # The key and the incarnation are made now, so a row that is sent again has the same ones.
        checked = drafts.check(self._service, self._settings, request, key, **options)
        return rows.issue(self._service, request, checked)

    def _decision(
        self,
        kind: Literal["accept", "reject", "extend"],
        which: str | int,
        incarnation: str | None = None,
        *,
        reason: str = "",
        deadline: float = 0.0,
    ) -> NewRow:
        which = arguments.checked_which(which)
        incarnation = arguments.checked_incarnation(incarnation)
        return rows.decision(
            self._service, rows.OutboxDecision(kind, which, reason, deadline, incarnation)
        )

    async def _write(self, new: list[NewRow], result: object = None) -> object:
        """Write rows, and have them sent after the commit; return `result`."""
        if not new:
            return result
        writer = await self._writer()
        moments.reached("before the row")
        ids = await write(writer, new)
        moments.reached("after the row")
        thread = sender(
            writer.database, writer.outbox, self._service, self._settings, self._connections
        )
        writer.after_commit(thread, ids)
        return result


class InTransaction(TransactionCalls[str, None, list[str]]):
    """Writes calls into the caller's transaction; see `Commissions.in_transaction`.

    Each call is one INSERT; those that issue return the key. A wrong argument raises `BadValue` at
    once, and nothing is written; an error of the database is the driver's own. Whatever the ledger
    would say (`KeyConflict`, ...) is not known yet: `astakos-worker outbox list` shows it.
    """


class AsyncInTransaction(
    TransactionCalls[
        Coroutine[Any, Any, str], Coroutine[Any, Any, None], Coroutine[Any, Any, list[str]]
    ]
):
    """Writes calls into the caller's transaction; see `AsyncCommissions.in_transaction`.

    The calls are those of `InTransaction`, and each is awaited.
    """


def in_transaction(
    service: str,
    settings: Settings,
    connections: Connections,
    connection: object,
    using: str | None,
) -> InTransaction:
    """Return the calls for a transaction; see `Commissions.in_transaction`."""
    writer = writer_of(connection, using)

    async def made() -> Writer:
        return writer

    return InTransaction(service, settings, connections, made, at_once)


def async_in_transaction(
    service: str, settings: Settings, connections: Connections, connection: object
) -> AsyncInTransaction:
    """Return the calls for a transaction; see `AsyncCommissions.in_transaction`."""
    writer = async_writer_of(connection)
    return AsyncInTransaction(service, settings, connections, writer, lambda call: call)


def _listed(label: str, items: Iterable[str | int]) -> dict[str | int, None]:
    if isinstance(items, str) or not isinstance(items, Iterable):
        raise BadValue(f"{label} must be a list of keys and serials, not {items!r:.80}")
    return dict.fromkeys(arguments.checked_which(which) for which in items)
