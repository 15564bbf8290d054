"""The one tree of errors that this client raises, and what each says about the request.

Two questions matter to a caller. *What went wrong* is the class, as the user's document
names it. *Did Astakos do it?* is `outcome`, and is never to be guessed from a status code.
No error holds a token; every one survives pickling, copying and a round trip through JSON.
"""

from __future__ import annotations

import builtins
import enum
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SHOWN = 500  # an HTML page has no place in a log line; `response` has all of it


class Outcome(enum.Enum):
    """What a failed call did on the other side."""

    NOT_SENT = "not_sent"
    """No byte of the request left: the name did not resolve, nobody listened, no connection."""
    REFUSED = "refused"
    """Astakos itself answered and did nothing, or the call was refused before any traffic."""
    AMBIGUOUS = "ambiguous"
    """Anything else: it may or may not have been done."""


class AstakosClientException(Exception):  # noqa: N818 - the user's document fixes the names
    """Raised in case of an error; all others derive from it.

    `message` is a line, `details` what more is known (for 400, 401, 403 and 404 the raw body),
    `status` the HTTP status (500 where there was none), `response` the raw body if one came,
    `errobject` the cause below, `outcome` what became of the request.
    A `status` that a class has wins over the argument.
    """

    status: int
    implied: ClassVar[Outcome] = Outcome.AMBIGUOUS
    fields: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        message: str = "",
        details: str = "",
        status: int = 500,
        response: str | None = None,
        errobject: BaseException | None = None,
        *,
        outcome: Outcome | None = None,
    ) -> None:
        self.message = message
        self.details = details
        if not hasattr(type(self), "status"):
            self.status = status
        self.response = response
        self.errobject = errobject
        self.outcome = outcome or self.implied
        super().__init__(message, details, self.status)

    def __str__(self) -> str:
        return _shortened(f"{self.message}: {self.details}" if self.details else self.message)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status} ({self.outcome.value}): {self}>"

    def __reduce__(self) -> tuple[Any, ...]:
        # Constructors of the tree differ, so a copy is made from the fields and not by a call.
        state = {**self.__dict__, "errobject": plain_cause(self.errobject)}
        return _rebuild, (type(self), self.args, state)

    def to_dict(self) -> dict[str, Any]:
        """Return `{"class": name, field: value}`, fit for JSON; see `from_dict`."""
        cause = plain_cause(self.errobject)
        return {
            "class": type(self).__name__,
            "message": self.message,
            "details": self.details,
            "status": self.status,
            "response": self.response,
            "outcome": self.outcome.value,
            "errobject": cause and {"type": type(cause).__name__, "args": list(cause.args)},
            **{name: getattr(self, name) for name in self.fields},
        }

    @staticmethod
    def from_dict(saved: Mapping[str, Any]) -> AstakosClientException:
        """Return the error that `to_dict` described; an unknown class becomes the base one."""
        known = {one.__name__: one for one in _tree(AstakosClientException)}
        kind = known.get(saved.get("class", ""), AstakosClientException)
        state = {
            "message": saved.get("message", ""),
            "details": saved.get("details", ""),
            "response": saved.get("response"),
            "outcome": Outcome(saved.get("outcome", Outcome.AMBIGUOUS.value)),
            "errobject": _cause_from(saved.get("errobject")),
            **{name: saved.get(name) for name in kind.fields},
        }
        status = getattr(kind, "status", None)
        if status is None:
            status = state["status"] = saved.get("status", 500)
        return _rebuild(kind, (state["message"], state["details"], status), state)


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]} ..."


def _rebuild(
    kind: type[AstakosClientException], args: tuple[Any, ...], state: dict[str, Any]
) -> AstakosClientException:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


def _tree(root: type[AstakosClientException]) -> Iterator[type[AstakosClientException]]:
    yield root
    for branch in root.__subclasses__():
        yield from _tree(branch)


def plain_cause(error: BaseException | None) -> BaseException | None:
    """Return `error` as the nearest built-in exception, which can be pickled and written."""
    if error is None:
        return None
    kind = next(one for one in type(error).__mro__ if one.__module__ == "builtins")
    scalars = all(arg is None or isinstance(arg, str | int | float) for arg in error.args)
    plain = _made(kind, error.args) if scalars else None
    # Some, of ssl say, tell the same arguments in other words than their base does.
    return plain if str(plain) == str(error) else _made(kind, (str(error),))


def _cause_from(saved: Mapping[str, Any] | None) -> BaseException | None:
    if not saved:
        return None
    kind = getattr(builtins, str(saved.get("type")), None)
    if not (isinstance(kind, type) and issubclass(kind, BaseException)):
        kind = OSError
    return _made(kind, tuple(saved.get("args", ())))


def _made(kind: type, args: tuple[Any, ...]) -> BaseException:
    try:
        made = kind(*args)
    except TypeError:  # a few, UnicodeDecodeError say, insist on arguments of their own
        made = None
    return made if isinstance(made, BaseException) else OSError(*map(str, args))


class ConnectionError(AstakosClientException):  # noqa: A001 - so named for its users' sake
    """Raised when no usable answer came over the wire; `errobject` is the cause."""

    def __init__(self, errobject: BaseException, *, outcome: Outcome | None = None) -> None:
        super().__init__(str(errobject), errobject=errobject, outcome=outcome)

    @property
    def ambiguous(self) -> bool:
        """Whether Astakos may have carried the request out all the same."""
        return self.outcome is Outcome.AMBIGUOUS


class LocalError(ConnectionError):
    """Raised when the caller's own machine cannot make a connection. No byte was sent.

    For example: the file of certificate authorities is missing or spoilt, the proxy of the
    environment cannot be used, the process has no file descriptor left, there is no route.
    Astakos said nothing, so nothing is wrong with the call. The same call again is safe, once
    the machine is mended.
    """

    implied = Outcome.NOT_SENT


class BadValue(AstakosClientException):
    """Raised when an argument cannot be right. Nothing was sent.

    `details` says what is wrong; `message` is always `"ValueError"`, as it was in the old client.
    """

    status = 400  # the caller's fault, not the server's
    implied = Outcome.REFUSED

    def __init__(self, details: str) -> None:
        super().__init__("ValueError", details)

    def __str__(self) -> str:
        return _shortened(self.details)


class InvalidResponse(AstakosClientException):
    """Raised when a reply cannot be decoded; `response` is the raw body."""


class BadRequest(AstakosClientException):
    """Raised when Astakos finds the request malformed."""

    status = 400


class Unauthorized(AstakosClientException):
    """Raised when the token is unknown, expired, or of the wrong kind."""

    status = 401


class Forbidden(AstakosClientException):
    """Raised when the token is good and this is not allowed to its owner."""

    status = 403


class NotFound(AstakosClientException):
    """Raised when there is no such thing, or none that the caller may see."""

    status = 404


Case = Literal["member", "project", "release"]


class QuotaLimit(AstakosClientException):
    """Raised when a commission is refused for want of quota, or of usage to release.

    `case` is `"member"` (the member's limit), `"project"` (the project's) or `"release"` (more
    would be given back than is in use). It, `holder`, `source`, `resource`, `limit`, `usage`
    and `quantity` (merged, signed) are None where Astakos named no provision that was sent.
    """

    status = 413
    fields = ("holder", "source", "resource", "limit", "usage", "quantity", "case")

    def __init__(
        self,
        message: str = "",
        details: str = "",
        status: int = 413,
        response: str | None = None,
        errobject: BaseException | None = None,
        *,
        outcome: Outcome | None = None,
        holder: str | None = None,
        source: str | None = None,
        resource: str | None = None,
        limit: int | None = None,
        usage: int | None = None,
        quantity: int | None = None,
        case: Case | None = None,
    ) -> None:
        super().__init__(message, details, status, response, errobject, outcome=outcome)
        self.holder = holder
        self.source = source
        self.resource = resource
        self.limit = limit
        self.usage = usage
        self.quantity = quantity
        self.case = case


class NoUserName(AstakosClientException):
    """Raised when no user has the uuid that was asked for."""

    status = 404
    implied = Outcome.REFUSED
    fields = ("uuid",)

    def __init__(self, uuid: str) -> None:
        super().__init__(f"no user has the uuid {uuid!r}")
        self.uuid = uuid


class NoUUID(AstakosClientException):
    """Raised when no user has the name that was asked for."""

    status = 404
    implied = Outcome.REFUSED
    fields = ("display_name",)

    def __init__(self, display_name: str) -> None:
        super().__init__(f"no user has the name {display_name!r}")
        self.display_name = display_name


class NoEndpoints(AstakosClientException):
    """Raised when no endpoint of the catalog matches all of the given criteria."""

    status = 404
    implied = Outcome.REFUSED
    fields = ("ep_name", "ep_type", "ep_region", "ep_version_id")

    def __init__(
        self,
        ep_name: str | None = None,
        ep_type: str | None = None,
        ep_region: str | None = None,
        ep_version_id: str | None = None,
    ) -> None:
        criteria = {"name": ep_name, "type": ep_type, "region": ep_region, "version": ep_version_id}
        given = ", ".join(f"{what} {value!r}" for what, value in criteria.items() if value)
        super().__init__(f"the catalog has no endpoint with {given or 'anything to offer'}")
        self.ep_name = ep_name
        self.ep_type = ep_type
        self.ep_region = ep_region
        self.ep_version_id = ep_version_id
