"""The errors of this client, in one tree.

A caller asks two questions. *What went wrong?* The class says it, with the names of the user's
document. *Did Astakos do it?* `outcome` says it; a status code does not. No error has a token in
it. Every error can be pickled, copied, and written as JSON and read back.
"""

from __future__ import annotations

import builtins
import enum
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SHOWN = 500  # characters of a message: a log line needs no HTML page; `response` has all of it


class Outcome(enum.Enum):
    """Whether Astakos may have done what a failed call asked for."""

    NOT_SENT = "not_sent"
    """No byte of the request left: the name did not resolve, say, or the port was closed."""
    REFUSED = "refused"
    """Astakos itself answered and did nothing; or the client refused the arguments."""
    AMBIGUOUS = "ambiguous"
    """Anything else. Astakos may have done it, or not, or may still do it."""


class AstakosClientException(Exception):  # noqa: N818 - the user's document fixes the names
    """Raised for any failure that has no class of its own; all other errors derive from it.

    Attributes:
        message: one line.
        details: more about it; for 400, 401, 403 and 404 the raw body.
        status: the HTTP status; 500 if there was no answer. The status of a class, if it has
            one, wins over the argument.
        response: the raw body, or None if no answer came.
        errobject: the exception that caused a `ConnectionError`, or None.
        outcome: whether Astakos may have done it, an `Outcome`.

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
        # The constructors of the tree differ, so a copy is made from the fields.
        state = {**self.__dict__, "errobject": plain_cause(self.errobject)}
        return _rebuild, (type(self), self.args, state)

    def to_dict(self) -> dict[str, Any]:
        """Return the error as `{"class": name, field: value}`, for JSON and `from_dict`."""
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
        """Return the error that `to_dict` wrote. A class that is unknown becomes the base class."""
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
    """Return `error` as its nearest built-in class, which can be pickled and written as JSON."""
    if error is None:
        return None
    kind = next(one for one in type(error).__mro__ if one.__module__ == "builtins")
    scalars = all(arg is None or isinstance(arg, str | int | float) for arg in error.args)
    plain = _made(kind, error.args) if scalars else None
    # Some classes, those of ssl for example, show their arguments differently from their base.
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
    except TypeError:  # a few, UnicodeDecodeError for example, need other arguments
        made = None
    return made if isinstance(made, BaseException) else OSError(*map(str, args))


class ConnectionError(AstakosClientException):  # noqa: A001 - the old client has this name
    """Raised when no usable answer came; `errobject` is the cause."""

    def __init__(self, errobject: BaseException, *, outcome: Outcome | None = None) -> None:
        super().__init__(str(errobject), errobject=errobject, outcome=outcome)

    @property
    def ambiguous(self) -> bool:
        """Whether Astakos may have done it all the same."""
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
    """Raised when a reply is not JSON; `response` is the raw body."""


class BadRequest(AstakosClientException):
    """Raised when Astakos says that the request is malformed."""

    status = 400


class Unauthorized(AstakosClientException):
    """Raised when the token is unknown, expired, or of the wrong kind."""

    status = 401


class Forbidden(AstakosClientException):
    """Raised when the token is good, and its owner is not allowed to do this."""

    status = 403


class NotFound(AstakosClientException):
    """Raised when the thing does not exist, or the owner of the token may not see it."""

    status = 404


Case = Literal["member", "project", "release"]


class QuotaLimit(AstakosClientException):
    """Raised when a commission is refused: a limit would be exceeded, or too much be released.

    Attributes:
        case: `"member"` (the limit of the user in the project), `"project"` (the limit of the
            project) or `"release"` (more would be released than is in use).
        holder: of the provision that was refused, as `resource` and `source`.
        limit: of the holding, in the unit of the resource; as `usage`.
        quantity: of the provision, after provisions for one holding were summed.

    All of them are None if Astakos named no provision that was sent.
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
    """Raised when no user has the `uuid`."""

    status = 404
    implied = Outcome.REFUSED
    fields = ("uuid",)

    def __init__(self, uuid: str) -> None:
        super().__init__(f"no user has the uuid {uuid!r}")
        self.uuid = uuid


class NoUUID(AstakosClientException):
    """Raised when no user has the `display_name`."""

    status = 404
    implied = Outcome.REFUSED
    fields = ("display_name",)

    def __init__(self, display_name: str) -> None:
        super().__init__(f"no user has the name {display_name!r}")
        self.display_name = display_name


class NoEndpoints(AstakosClientException):
    """Raised when no endpoint of the catalog matches all of the criteria, which it holds."""

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
        what = f"no endpoint with {given}" if given else "no endpoints"
        super().__init__(f"the catalog has {what}")
        self.ep_name = ep_name
        self.ep_type = ep_type
        self.ep_region = ep_region
        self.ep_version_id = ep_version_id
