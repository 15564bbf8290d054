"""The calls of `Commissions` that write, as rows in the caller's own transaction."""

from collections.abc import Iterable
from typing import Literal

from astakos_worker.configuration.settings import Settings
from astakos_worker.ledger.record import Verb
from astakos_worker.ledger.request import Request
from astakos_worker.service import arguments, drafts, new_commission
from astakos_worker.service.connections import Connections
from astakos_worker.service.new_commission import NewCommission
from astakos_worker.service.options import Handling, Options, handling
from astakos_worker.service.outbox import moments, rows
from astakos_worker.service.outbox.rows import NewRow
from astakos_worker.service.outbox.sender import sender
from astakos_worker.service.outbox.writers import Writer, write, writer_of
from astakos_worker.service.signatures import Decides, Issues
from astakosclient.errors import BadValue


class InTransaction(Issues[str], Decides[None]):
    """Writes calls into the caller's transaction; see `Commissions.in_transaction`.

    Each call is one INSERT; those that issue return the key. A wrong argument raises `BadValue` at
    once, and nothing is written; an error of the database is the driver's own. Whatever the ledger
    would say (`KeyConflict`, ...) is not known yet: `astakos-worker outbox list` shows it.
    """

    def __init__(
        self, service: str, settings: Settings, connections: Connections, writer: Writer
    ) -> None:
        self._service = service
        self._settings = settings
        self._connections = connections
        self._writer = writer

    def issue_many(self, commissions: Iterable[NewCommission]) -> list[str]:
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
        self._write(written)
        return [row.key for row in written]

    def resolve(self, accept: Iterable[str | int] = (), reject: Iterable[str | int] = ()) -> None:
        """Decide many by one statement; see `Commissions.resolve`.

        Raises `BadValue` for one that both lists name.
        """
        accepted, rejected = _listed("accept", accept), _listed("reject", reject)
        if both := accepted.keys() & rejected.keys():
            raise BadValue(f"accept and reject both name {sorted(both, key=str)!r:.200}")
        accepts = [self._row_of("accept", which) for which in accepted]
        rejects = [self._row_of("reject", which) for which in rejected]
        self._write([*accepts, *rejects])

    def extend(self, which: str | int, deadline: float, *, incarnation: str | None = None) -> None:
        """Set a deadline `deadline` seconds from now, by the database's clock."""
        seconds = arguments.checked_seconds("deadline", deadline)
        self._write([self._row_of("extend", which, incarnation, deadline=seconds)])

    # --- Inside -------------------------------------------------------------------------------

    def _issue(self, request: Request, key: str | None, options: Options) -> str:
        row = self._row(request, key, handling(options))
        self._write([row])
        return row.key

    def _row(self, request: Request, key: str | None, options: Handling) -> NewRow:
        # The key and the incarnation are made now, so a row that is sent again has the same ones.
        checked = drafts.check(self._service, self._settings, request, key, **options)
        return rows.issue(self._service, request, checked)

    def _decide(self, which: str | int, verb: Verb, reason: str, incarnation: str | None) -> None:
        reason = arguments.checked_reason(reason)
        self._write([self._row_of(verb, which, incarnation, reason=reason)])

    def _row_of(
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

    def _write(self, new: list[NewRow]) -> None:
        if not new:
            return
        moments.reached("before the row")
        ids = write(self._writer, new)
        moments.reached("after the row")
        if (database := self._writer.database) is not None:
            thread = sender(
                database, self._writer.outbox, self._service, self._settings, self._connections
            )
            self._writer.after_commit(thread, ids)


def in_transaction(
    service: str,
    settings: Settings,
    connections: Connections,
    connection: object,
    using: str | None,
) -> InTransaction:
    """Return the calls for a transaction; see `Commissions.in_transaction`."""
    return InTransaction(service, settings, connections, writer_of(connection, using))


def _listed(label: str, items: Iterable[str | int]) -> dict[str | int, None]:
    if isinstance(items, str) or not isinstance(items, Iterable):
        raise BadValue(f"{label} must be a list of keys and serials, not {items!r:.80}")
    return dict.fromkeys(arguments.checked_which(which) for which in items)
