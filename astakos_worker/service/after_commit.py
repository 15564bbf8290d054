"""Commissions of a database transaction: issued when it commits, never when it rolls back.

A wrong argument raises at once, inside the transaction. The ledger is written only after the
commit: a process that dies between the two has committed without its commission.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol, Unpack, runtime_checkable

from astakos_worker.ledger.record import Verb
from astakos_worker.ledger.request import Request
from astakos_worker.service import arguments
from astakos_worker.service.deciding import Decider
from astakos_worker.service.drafts import Checked
from astakos_worker.service.errors import Unavailable
from astakos_worker.service.issuing import Issuer
from astakos_worker.service.options import Options, handling, text_and_force, with_options
from astakosclient.errors import BadValue


@runtime_checkable
class Commits(Protocol):
    """Calls functions after a commit, as `django.db.transaction` does."""

    def on_commit(self, func: Callable[[], None], /) -> object:
        """Call the function after the transaction has committed; never if it rolls back."""


#: Takes a function, and calls it after the commit.
Hook = Callable[[Callable[[], None]], object]


class OnCommit:
    """The calls of `Commissions` that write, made after a commit; see `Commissions.on_commit`.

    Each call checks its arguments at once, and raises `BadValue`. The rest happens when the hook
    calls back. An error of that (`Unavailable`, `KeyConflict`, ...) is raised where the hook
    calls: with Django at the end of the `atomic` block. The same call again is safe.
    """

    def __init__(self, issuer: Issuer, decider: Decider, hook: Hook) -> None:
        self._issuer = issuer
        self._decider = decider
        self._hook = hook

    @with_options
    def issue(
        self,
        *,
        user: str,
        project: str,
        provisions: Mapping[str, int],
        key: str | None = None,
        **options: Unpack[Options],
    ) -> str:
        """Issue a commission after the commit; return its key. See `Commissions.issue`."""
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
    ) -> str:
        """Issue provisions exactly as given; return the key. See `Commissions.issue_generic`."""
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
    ) -> str:
        """Move resources to another project; return the key. See `Commissions.reassign`."""
        request = arguments.reassignment(user, provisions, **text_and_force(options))
        return self._issue(request, key, options)

    def accept(self, which: str | int, *, incarnation: str | None = None) -> None:
        """Decide to accept; see `Commissions.accept`."""
        self._decide(which, "accept", "", incarnation)

    def reject(self, which: str | int, *, reason: str = "", incarnation: str | None = None) -> None:
        """Decide to reject; see `Commissions.reject`."""
        self._decide(which, "reject", reason, incarnation)

    def _issue(self, request: Request, key: str | None, options: Options) -> str:
        # A key is made now: a caller that rolls back and tries again has another commission.
        checked = self._issuer.check(request, key, **handling(options))

        self._hook(_Issue(self._issuer, request, checked))
        return checked.token.key

    def _decide(self, which: str | int, verb: Verb, reason: str, incarnation: str | None) -> None:
        which = arguments.checked_which(which)
        reason = arguments.checked_reason(reason)
        incarnation = arguments.checked_incarnation(incarnation)

        def decide() -> None:
            self._decider.decide(which, verb, reason, incarnation)

        self._hook(decide)


class _Issue:
    """Issues after the commit; called again after `Unavailable`, it issues the same commission."""

    def __init__(self, issuer: Issuer, request: Request, checked: Checked) -> None:
        self._issuer = issuer
        self._request = request
        self._checked = checked

    def __call__(self) -> None:
        try:
            self._issuer.issue_one(self._issuer.draft_of(self._request, self._checked))
        except Unavailable as error:
            self._checked = self._checked.again(error.token)
            raise


def hook_of(given: Commits | Hook | None, using: str | None) -> Hook:
    """Return the function that takes what is to be called after the commit."""
    if given is None:
        try:
            from django.db import transaction  # noqa: PLC0415  # where it is installed
        except ImportError as error:
            text = "Django is not installed: give on_commit() what calls a function after a commit"
            raise BadValue(text) from error
        return partial(transaction.on_commit, using=using)
    if isinstance(given, Commits):
        return given.on_commit
    if not callable(given):
        raise BadValue(f"on_commit() takes a function or an object with on_commit, not {given!r}")
    return given
