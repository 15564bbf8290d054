"""Commissions of a database transaction: enqueued when it commits, never when it rolls back.

What is wrong with an argument is said at once, inside the transaction. The ledger is written
only afterwards: a process that dies between the two has committed without its commission.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol, Unpack, runtime_checkable

from astakos_worker.ledger.request import Request
from astakos_worker.service import arguments
from astakos_worker.service.options import Options
from astakosclient.errors import BadValue


@runtime_checkable
class Commits(Protocol):
    """Whatever calls functions after its commit, such as `django.db.transaction`."""

    def on_commit(self, func: Callable[[], None], /) -> object:
        """Call the function when the transaction is committed; never if it is rolled back."""


#: Takes what is to be called after the commit.
Hook = Callable[[Callable[[], None]], object]


class Calls(Protocol):
    """The calls that are made after the commit: those of `Commissions`."""

    def checked(
        self, request: Request, key: str | None, **options: Any
    ) -> tuple[str, float | None]:
        """Return key and deadline as `enqueue` takes them; `BadValue` for what it refuses."""

    def enqueue(self, request: Request, key: str, **options: Any) -> object:
        """Enqueue a request as it is."""

    def accept(self, which: str | int) -> object:
        """Decide to accept."""

    def reject(self, which: str | int, *, reason: str = "") -> object:
        """Decide to reject."""


class OnCommit:
    """What `Commissions` does, after the commit; see `Commissions.on_commit`.

    Each call checks its arguments, raises `BadValue`, and returns the key; the rest happens when
    the hook calls back. What is raised then (`Unavailable`, `KeyConflict`, ...) comes out of where
    the hook is called, with Django out of the `atomic` block. The same call again is safe.
    """

    def __init__(self, commissions: Calls, hook: Hook) -> None:
        self._commissions = commissions
        self._hook = hook

    def issue(
        self,
        *,
        user: str,
        project: str,
        provisions: Mapping[str, int],
        key: str | None = None,
        **options: Unpack[Options],
    ) -> str:
        """Enqueue a commission; see `Commissions.issue`."""
        return self._issue(arguments.one(user, project, provisions, **_what(options)), key, options)

    def issue_generic(
        self,
        *,
        user_provisions: Mapping[tuple[str, str, str], int] | None = None,
        project_provisions: Mapping[tuple[str, str], int] | None = None,
        key: str | None = None,
        **options: Unpack[Options],
    ) -> str:
        """Enqueue provisions as given; see `Commissions.issue_generic`."""
        request = arguments.generic(user_provisions, project_provisions, **_what(options))
        return self._issue(request, key, options)

    def reassign(
        self,
        *,
        user: str,
        provisions: Mapping[tuple[str, str, str], int],
        key: str | None = None,
        **options: Unpack[Options],
    ) -> str:
        """Enqueue a move between projects; see `Commissions.reassign`."""
        return self._issue(arguments.reassignment(user, provisions, **_what(options)), key, options)

    def accept(self, which: str | int) -> None:
        """Decide to accept; see `Commissions.accept`."""
        which = arguments.checked_which(which)
        self._hook(lambda: _none(self._commissions.accept(which)))

    def reject(self, which: str | int, *, reason: str = "") -> None:
        """Decide to reject; see `Commissions.reject`."""
        which = arguments.checked_which(which)
        self._hook(lambda: _none(self._commissions.reject(which, reason=reason)))

    def _issue(self, request: Request, key: str | None, options: Options) -> str:
        how: dict[str, Any] = {k: v for k, v in options.items() if k not in {"name", "force"}}
        # The key is made now: whoever rolls back and tries again has another commission.
        key, deadline = self._commissions.checked(request, key, **how)
        how["deadline"] = deadline
        self._hook(lambda: _none(self._commissions.enqueue(request, key, **how)))
        return key


def hook_of(given: Commits | Hook | None, using: str | None) -> Hook:
    """Return where to leave what is to be called after the commit."""
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


def _what(options: Options) -> dict[str, Any]:
    return {k: v for k, v in options.items() if k in {"name", "force"}}


def _none(_: object) -> None:
    """Drop a result: a hook wants none."""
