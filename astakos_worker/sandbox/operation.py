"""What the sandbox can be asked: one class per call of the API, in four steps.

A request is *admitted* (token, then body: the order that the protocol's section 3.1 fixes), its
*load* is known before it is done (so that the cost model can make it wait), and then it is
*performed*, without waiting for anything.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Self

from astakos_worker.sandbox.errors import ApiFaultError

if TYPE_CHECKING:
    from datetime import datetime

    from astakos_worker.sandbox.astakos import Astakos
    from astakos_worker.sandbox.records import Component, User
    from astakos_worker.sandbox.wire import Reply, Request


class Work(StrEnum):
    """The kinds of work that cost differently."""

    READ = "read"
    ISSUE = "issue"
    ISSUE_AND_ACCEPT = "issue-and-accept"
    RESOLVE = "resolve"


@dataclass(frozen=True, slots=True)
class Load:
    """How heavy a request is: its kind, its serials, and the holders whose rows it locks."""

    work: Work = Work.READ
    serials: int = 0
    holders: frozenset[str] = frozenset()


READING = Load()


class Operation(ABC):
    """One request that has been admitted."""

    # By this name faults and counters refer to it.
    name: ClassVar[str]

    @classmethod
    @abstractmethod
    def admit(cls, astakos: Astakos, request: Request) -> Self:
        """Check credential and body; raises `ApiFaultError`."""

    def load(self, astakos: Astakos) -> Load:  # noqa: ARG002 # those that override it look
        """How heavy it is going to be."""
        return READING

    @abstractmethod
    def perform(self, astakos: Astakos) -> Reply:
        """Do it; raises `ApiFaultError`."""


class PublicOperation(Operation):
    """An operation that asks for no credential."""

    @classmethod
    def admit(cls, astakos: Astakos, request: Request) -> Self:
        """Check the body alone."""
        return cls.parse(astakos, request)

    @classmethod
    @abstractmethod
    def parse(cls, astakos: Astakos, request: Request) -> Self:
        """Read the request."""


class UserOperation(Operation):
    """An operation that a user asks for, by their own token."""

    @classmethod
    def admit(cls, astakos: Astakos, request: Request) -> Self:
        """Check the token, then the body."""
        token = _required_token(request)
        user = astakos.world.user_by_token(token)
        return cls.parse(valid_user(user, astakos.clock.now()), request)

    @classmethod
    @abstractmethod
    def parse(cls, user: User, request: Request) -> Self:
        """Read the request of a user whose token is good."""


class ComponentOperation(Operation):
    """An operation that a component asks for, by its token."""

    @classmethod
    def admit(cls, astakos: Astakos, request: Request) -> Self:
        """Check the token, then the body."""
        token = _required_token(request)
        component = astakos.world.component_by_token(token)
        if component is None:
            raise ApiFaultError(401, "Invalid X-Auth-Token")
        expires = component.token_expires
        if expires is not None and expires <= astakos.clock.now():
            raise ApiFaultError(401, "Authentication expired")
        return cls.parse(component, request)

    @classmethod
    @abstractmethod
    def parse(cls, component: Component, request: Request) -> Self:
        """Read the request of a component whose token is good."""


def valid_user(user: User | None, now: datetime) -> User:
    """The user, if the token that led here still works; else a 401 (the protocol, section 1.1)."""
    if user is None:
        raise ApiFaultError(401, "Invalid X-Auth-Token")
    if not user.is_active:
        raise ApiFaultError(401, "User inactive")
    if user.token_expires <= now:
        raise ApiFaultError(401, "Authentication expired")
    if not user.has_signed_terms:
        raise ApiFaultError(401, "Pending approval terms")
    return user


def _required_token(request: Request) -> str:
    token = request.token
    if not token:
        raise ApiFaultError(401, "No X-Auth-Token was given")
    return token
