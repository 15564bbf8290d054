"""One call of the API: who may call, how heavy the work is, and the reply.

A call is *admitted* first: the token is checked, then the body (the protocol, section 3.1, fixes
that order). The result is a piece of work whose weight is known, so that the cost model can make
it wait. Then the work is *performed* at once, without waiting for anything.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, NamedTuple, TypeVar

from astakos_worker.sandbox.api_messages import ApiRequest, Reply
from astakos_worker.sandbox.astakos import SandboxAstakos
from astakos_worker.sandbox.database import Database
from astakos_worker.sandbox.database_rows import Component, User
from astakos_worker.sandbox.errors import ApiFaultError
from astakos_worker.sandbox.quota import Provision

Caller = TypeVar("Caller")

# More digits than the number of any row has.
_MOST_DIGITS = 19


class WorkKind(StrEnum):
    """The kinds of work that cost differently."""

    READ = "read"
    ISSUE = "issue"
    ISSUE_AND_ACCEPT = "issue-and-accept"
    RESOLVE = "resolve"


class Load(NamedTuple):
    """How heavy a call is: its kind, its serials, and the holders whose rows it locks."""

    kind: WorkKind = WorkKind.READ
    serials: int = 0
    holders: frozenset[str] = frozenset()


READING = Load()


@dataclass(frozen=True, slots=True)
class ApiWork:
    """A call that was admitted; `provisions` are those that it asks for."""

    perform: Callable[[], Reply]
    load: Load = READING
    provisions: tuple[Provision, ...] = ()


@dataclass(frozen=True, slots=True)
class ApiCall(Generic[Caller]):
    """One request and its caller: a user, a component, or None for a public call."""

    astakos: SandboxAstakos
    request: ApiRequest
    caller: Caller

    @property
    def database(self) -> Database:
        """The rows of Astakos."""
        return self.astakos.database

    @property
    def number(self) -> int | None:
        """The number in the path; None if it is longer than any number of a row."""
        digits = self.request.argument
        return int(digits) if len(digits) <= _MOST_DIGITS else None


#: A call of a user.
ByUser = ApiCall[User]


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[Caller]):
    """One call of the API: its place, its name, who may call, and the function that admits it.

    Faults and counters know it by its name. `<...>` in the path stands for what varies.
    """

    method: str
    path: str
    name: str
    authenticate: Callable[[SandboxAstakos, ApiRequest], Caller]
    handle: Callable[[ApiCall[Caller]], ApiWork]

    def admit(self, astakos: SandboxAstakos, request: ApiRequest) -> ApiWork:
        """Check token and body; raises `ApiFaultError`, or `OAuthFaultError`."""
        return self.handle(ApiCall(astakos, request, self.authenticate(astakos, request)))

    @property
    def is_public(self) -> bool:
        """Whether the call needs no token."""
        return self.authenticate is anybody


AnyEndpoint = Endpoint[Any]


def replies(handler: Callable[[ApiCall[Caller]], Reply]) -> Callable[[ApiCall[Caller]], ApiWork]:
    """Turn a function that answers a call into one that admits it: its work costs a read."""
    return lambda call: ApiWork(lambda: handler(call))


def anybody(_: SandboxAstakos, __: ApiRequest) -> None:
    """No credential is asked for."""


def by_user(astakos: SandboxAstakos, request: ApiRequest) -> User:
    """Return the user whose token was sent; raises a 401."""
    return valid_user(astakos.database.user_by_token(_token(request)), astakos.clock.now())


def by_component(astakos: SandboxAstakos, request: ApiRequest) -> Component:
    """Return the component whose token was sent; raises a 401."""
    component = astakos.database.component_by_token(_token(request))
    if component is None:
        raise ApiFaultError(401, "Invalid X-Auth-Token")
    if component.token_expires is not None and component.token_expires <= astakos.clock.now():
        raise ApiFaultError(401, "Authentication expired")
    return component


def valid_user(user: User | None, now: datetime) -> User:
    """Return the user if the token still works; raises a 401 (the protocol, section 1.1)."""
    if user is None:
        raise ApiFaultError(401, "Invalid X-Auth-Token")
    if not user.is_active:
        raise ApiFaultError(401, "User inactive")
    if user.token_expires <= now:
        raise ApiFaultError(401, "Authentication expired")
    if not user.has_signed_terms:
        raise ApiFaultError(401, "Pending approval terms")
    return user


def _token(request: ApiRequest) -> str:
    if not request.token:
        raise ApiFaultError(401, "No X-Auth-Token was given")
    return request.token
