"""The calls that write, as users see them: arguments and documentation, once for all who have them.

`Commissions` and `AsyncCommissions` have these calls, and so have `on_commit()` and
`in_transaction()`. Each of them says what becomes of a checked call.
"""

from collections.abc import Mapping
from typing import Generic, TypeVar, Unpack

from astakos_worker.ledger.record import Verb
from astakos_worker.ledger.request import Request
from astakos_worker.service import arguments
from astakos_worker.service.options import Options, text_and_force, with_options

#: What a call that issues returns: a handle, a key, or what is awaited for one.
Issued = TypeVar("Issued")
#: What a call that decides returns.
Decided = TypeVar("Decided")


class Issues(Generic[Issued]):
    """The calls that issue one commission."""

    @with_options
    def issue(
        self,
        *,
        user: str,
        project: str,
        provisions: Mapping[str, int],
        key: str | None = None,
        **options: Unpack[Options],
    ) -> Issued:
        """Issue a commission for a user of a project; return its handle at once.

        The commission is in the ledger when this returns. A worker sends it to Astakos.
        (In `on_commit()` and `in_transaction()` the call returns the key instead, and the
        commission is in the ledger some time after the commit.)

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
    ) -> Issued:
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
    ) -> Issued:
        """Issue a commission that moves a user's resources to another project.

        Arguments:
            user: the user's uuid.
            provisions: `{(from_project, to_project, resource): quantity}`.

        All other arguments, and what is raised, as for `issue`.
        """
        request = arguments.reassignment(user, provisions, **text_and_force(options))
        return self._issue(request, key, options)

    def _issue(self, request: Request, key: str | None, options: Options) -> Issued:
        raise NotImplementedError


class Decides(Generic[Decided]):
    """The calls that decide one commission."""

    def accept(self, which: str | int, *, incarnation: str | None = None) -> Decided:
        """Decide to accept a commission: by its key, or as an integer by its serial.

        The decision is recorded when this returns. A worker sends it as soon as there is a
        serial. The same decision again succeeds. (In `on_commit()` and `in_transaction()` the
        decision is recorded some time after the commit.)

        `incarnation`: that of the commission's outcome or call-back. The decision then is for
        this use of the key, and for no later one.

        Raises `DecisionConflict` if it was rejected or has expired, `UnknownKey` for a key that
        nobody issued, `KeyReused` if the key was used again since, the error of a refused issue
        (`QuotaLimit`, ...), `BadValue`, `Unavailable`.
        """
        return self._decide(which, "accept", "", incarnation)

    def reject(
        self, which: str | int, *, reason: str = "", incarnation: str | None = None
    ) -> Decided:
        """Decide to reject a commission; if it is not issued yet, it is cancelled.

        `which` is a key, or as an integer a serial; `reason` is a text for operators, of at most
        4,096 characters. `incarnation` as for `accept`. Raises as `accept`, except that rejecting
        a refused commission succeeds.
        """
        return self._decide(which, "reject", reason, incarnation)

    def _decide(
        self, which: str | int, verb: Verb, reason: str, incarnation: str | None
    ) -> Decided:
        raise NotImplementedError
