"""Memberships: list, look at, join, enroll, act (the protocol, section 3.14)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Final, Self

from astakos_worker.sandbox.api.one_key import one_of
from astakos_worker.sandbox.api.project_view import describe_membership
from astakos_worker.sandbox.errors import ApiFaultError
from astakos_worker.sandbox.operation import UserOperation
from astakos_worker.sandbox.projects.membership import (
    Action,
    act,
    enroll,
    join,
    listed_memberships,
    visible_membership,
)
from astakos_worker.sandbox.wire import Reply, Request, reply_json

if TYPE_CHECKING:
    from astakos_worker.sandbox.astakos import Astakos
    from astakos_worker.sandbox.records import User


# More digits than any number of a row has.
_MOST_DIGITS: Final = 19


class Way(StrEnum):
    """How a membership comes about."""

    JOIN = "join"
    ENROLL = "enroll"


@dataclass(frozen=True, slots=True)
class ListMemberships(UserOperation):
    """`GET projects/memberships`: one's own and those of one's projects."""

    name: ClassVar[str] = "memberships.list"
    caller: User
    project: str | None

    @classmethod
    def parse(cls, user: User, request: Request) -> Self:
        """A filter of one project, if any."""
        return cls(user, request.parameter("project"))

    def perform(self, astakos: Astakos) -> Reply:
        """A list of membership objects."""
        rows = listed_memberships(astakos.world, self.caller, self.project)
        return reply_json([describe_membership(astakos, self.caller, row) for row in rows])


@dataclass(frozen=True, slots=True)
class ShowMembership(UserOperation):
    """`GET projects/memberships/<id>`."""

    name: ClassVar[str] = "memberships.info"
    caller: User
    number: int

    @classmethod
    def parse(cls, user: User, request: Request) -> Self:
        """The path names the membership."""
        return cls(user, _number(request))

    def perform(self, astakos: Astakos) -> Reply:
        """One membership object."""
        row = visible_membership(astakos.world, self.caller, self.number)
        return reply_json(describe_membership(astakos, self.caller, row))


@dataclass(frozen=True, slots=True)
class BecomeMember(UserOperation):
    """`POST projects/memberships`: join, or enroll somebody."""

    name: ClassVar[str] = "memberships.create"
    caller: User
    project: str | int
    # Whose address is given, if somebody is to be enrolled.
    email: str | None

    @classmethod
    def parse(cls, user: User, request: Request) -> Self:
        """One of two keys, with an object that names the project."""
        way, details = one_of(request.json_object(uncaught=True), Way)
        if not isinstance(details, dict):
            raise ApiFaultError(400, f"{way} must be an object", uncaught=True)
        project, email = details.get("project"), details.get("user")
        if isinstance(project, bool) or not isinstance(project, str | int):
            raise ApiFaultError(400, "project must be a string or a number")
        if way == Way.JOIN:
            return cls(user, project, None)
        if not isinstance(email, str):
            raise ApiFaultError(400, "user must be an address", uncaught=True)
        return cls(user, project, email)

    def perform(self, astakos: Astakos) -> Reply:
        """The membership's number: the same each time for one user and project."""
        if self.email is None:
            row = join(astakos, self.caller, self.project)
        else:
            row = enroll(astakos, self.caller, self.project, self.email)
        return reply_json({"id": row.id})


@dataclass(frozen=True, slots=True)
class ActOnMembership(UserOperation):
    """`POST projects/memberships/<id>/action`."""

    name: ClassVar[str] = "memberships.action"
    caller: User
    number: int
    action: Action

    @classmethod
    def parse(cls, user: User, request: Request) -> Self:
        """One recognized key, whose value is the reason."""
        action, _ = one_of(request.json_object(uncaught=True), Action)
        return cls(user, _number(request), Action(action))

    def perform(self, astakos: Astakos) -> Reply:
        """An empty answer, whatever was asked."""
        act(astakos, self.caller, self.number, self.action)
        return Reply(200)


def _number(request: Request) -> int:
    if len(request.argument) > _MOST_DIGITS:
        raise ApiFaultError(404, "There is no such membership")
    return int(request.argument)
