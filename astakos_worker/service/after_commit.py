"""Commissions of a database transaction: issued when it commits, never when it rolls back.

A wrong argument raises at once, inside the transaction. The ledger is written only after the
commit: a process that dies between the two has committed without its commission.
"""

from collections.abc import Callable
from functools import partial
from typing import Protocol, runtime_checkable

from astakos_worker.configuration.settings import Settings
from astakos_worker.ledger.record import Verb
from astakos_worker.ledger.request import Request
from astakos_worker.service import arguments, drafts
from astakos_worker.service.calls import Calls, RunsCalls
from astakos_worker.service.drafts import Checked
from astakos_worker.service.errors import Unavailable
from astakos_worker.service.options import Options, handling
from astakos_worker.service.signatures import Decides, Issues
from astakosclient.errors import BadValue


@runtime_checkable
class Commits(Protocol):
    """Calls functions after a commit, as `django.db.transaction` does."""

    def on_commit(self, func: Callable[[], None], /) -> object:
        """Call the function after the transaction has committed; never if it rolls back."""


#: Takes a function, and calls it after the commit.
Hook = Callable[[Callable[[], None]], object]


class OnCommit(Issues[str], Decides[None]):
    """The calls of `Commissions` that write, made after a commit; see `Commissions.on_commit`.

    Each call checks its arguments at once, and raises `BadValue`; those that issue return the key.
    The rest happens when the hook calls back. An error of that (`Unavailable`, `KeyConflict`, ...)
    is raised where the hook calls: with Django at the end of the `atomic` block. The same call
    again is safe.
    """

    def __init__(self, service: str, settings: Settings, run: RunsCalls, hook: Hook) -> None:
        self._service = service
        self._settings = settings
        self._run = run
        self._hook = hook

    def _issue(self, request: Request, key: str | None, options: Options) -> str:
        # A key is made now: a caller that rolls back and tries again has another commission.
        checked = drafts.check(self._service, self._settings, request, key, **handling(options))
        issue = _Issue(request, checked)
        self._hook(lambda: self._run(issue, "write"))
        return checked.token.key

    def _decide(self, which: str | int, verb: Verb, reason: str, incarnation: str | None) -> None:
        which = arguments.checked_which(which)
        reason = arguments.checked_reason(reason)
        incarnation = arguments.checked_incarnation(incarnation)

        async def decide(calls: Calls) -> None:
            await calls.decider.decide(which, verb, reason, incarnation)

        self._hook(lambda: self._run(decide, "write"))


class _Issue:
    """Issues after the commit; called again after `Unavailable`, it issues the same commission."""

    def __init__(self, request: Request, checked: Checked) -> None:
        self._request = request
        self._checked = checked

    async def __call__(self, calls: Calls) -> None:
        issuer = calls.issuer
        try:
            await issuer.issue_one(issuer.draft_of(self._request, self._checked))
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
