"""The rows that Astakos keeps: users, components, services, resources, projects, memberships.

Values and their states, without rules: what follows from them is the world's business.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from astakos_worker.sandbox.quota import INT64_MAX

if TYPE_CHECKING:
    from datetime import datetime


class ProjectState(StrEnum):
    """The states of a project."""

    UNINITIALIZED = "uninitialized"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    TERMINATED = "terminated"
    DELETED = "deleted"

    @property
    def is_initialized(self) -> bool:
        """Whether the project was ever approved, and so has holdings."""
        return self in {ProjectState.ACTIVE, ProjectState.SUSPENDED, ProjectState.TERMINATED}


class MembershipState(StrEnum):
    """The states of a membership."""

    REQUESTED = "requested"
    ACCEPTED = "accepted"
    LEAVE_REQUESTED = "leave_requested"
    SUSPENDED = "suspended"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    REMOVED = "removed"

    @property
    def is_actually_accepted(self) -> bool:
        """Whether the member may draw on the project."""
        return self in {MembershipState.ACCEPTED, MembershipState.LEAVE_REQUESTED}


@dataclass(slots=True)
class User:
    """A person with a token of their own; `username` is the display name, in lower case."""

    uuid: str
    username: str
    first_name: str
    last_name: str
    token: str = field(repr=False)
    default_project: str
    token_expires: datetime
    is_active: bool = True
    email_verified: bool = True
    has_signed_terms: bool = True
    is_revoked: bool = False
    groups: tuple[str, ...] = ("default",)

    @property
    def full_name(self) -> str:
        """First and last name, as the identity API shows it."""
        return f"{self.first_name} {self.last_name}"


@dataclass(slots=True)
class Component:
    """A service provider such as cyclades; its token is what services call Astakos with."""

    name: str
    token: str = field(repr=False)
    url: str | None = None
    token_expires: datetime | None = None
    is_revoked: bool = False


@dataclass(slots=True)
class Service:
    """A catalog entry; an endpoint's `publicURL` may be a path below the sandbox's own address."""

    name: str
    type: str
    component: str
    endpoints: tuple[dict[str, str], ...] = ()


@dataclass(slots=True)
class Resource:
    """Something that is counted."""

    name: str
    service: str
    description: str = ""
    unit: str | None = None
    api_visible: bool = True
    ui_visible: bool = True
    system_default: int = INT64_MAX
    project_default: int = 0


@dataclass(slots=True)
class Capacity:
    """How much of one resource a project has, and how much of it one member may take."""

    project: int
    member: int


@dataclass(slots=True)
class Project:
    """A source of quota; a system project's uuid is its only member's."""

    uuid: str
    name: str
    state: ProjectState
    is_system: bool
    owner: str | None
    capacities: dict[str, Capacity]


@dataclass(slots=True)
class Membership:
    """One user's standing in one project; the row is kept for ever."""

    id: int
    user: str
    project: str
    state: MembershipState
    was_accepted: bool = False
