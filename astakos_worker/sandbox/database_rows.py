"""The rows that Astakos keeps: users, components, services, resources, projects, memberships.

Values and states without rules: `database.py` and `projects/` hold the rules.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from astakos_worker.sandbox.quota import INT64_MAX

# The creation date of all seeded rows: the same seed gives the same rows each time.
FOUNDED: Final = datetime(2020, 1, 1, tzinfo=UTC)
# The end date of a project that has none.
FAR_AWAY: Final = datetime(2120, 1, 1, tzinfo=UTC)


class ProjectState(StrEnum):
    """The states of a project."""

    UNINITIALIZED = "uninitialized"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    TERMINATED = "terminated"
    DELETED = "deleted"

    @property
    def is_initialized(self) -> bool:
        """Return whether the project was ever approved; only then it has holdings."""
        return self in {ProjectState.ACTIVE, ProjectState.SUSPENDED, ProjectState.TERMINATED}

    @property
    def is_alive(self) -> bool:
        """Return whether the project can be joined and left, and keeps its name."""
        return self in {ProjectState.ACTIVE, ProjectState.SUSPENDED}


class ApplicationState(StrEnum):
    """The states of an application for a project or for a change of one."""

    PENDING = "pending"
    APPROVED = "approved"
    REPLACED = "replaced"
    DENIED = "denied"
    DISMISSED = "dismissed"
    CANCELLED = "cancelled"


class Policy(StrEnum):
    """Joining or leaving: at once, when the owner agrees, or never."""

    AUTO = "auto"
    MODERATED = "moderated"
    CLOSED = "closed"


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
        """Return whether the member may take from the project."""
        return self in {MembershipState.ACCEPTED, MembershipState.LEAVE_REQUESTED}

    @property
    def is_any_accepted(self) -> bool:
        """Return whether the member counts for the limit of members; suspended ones do."""
        return self.is_actually_accepted or self is MembershipState.SUSPENDED

    @property
    def is_associated(self) -> bool:
        """Return whether the user cannot ask to join, or to join again."""
        return self.is_any_accepted or self is MembershipState.REQUESTED


@dataclass(slots=True)
class User:
    """A person with a token of their own.

    `email` is the address as it was spelled; `username`, the display name, is in lower case.
    """

    uuid: str
    username: str
    email: str
    first_name: str
    last_name: str
    token: str = field(repr=False)
    default_project: str
    token_expires: datetime
    is_active: bool = True
    email_verified: bool = True
    has_signed_terms: bool = True
    is_revoked: bool = False
    # Their names are the names of the user's roles.
    groups: tuple[str, ...] = ()
    is_moderated: bool = True
    is_rejected: bool = False
    # Whether the user moderates projects.
    is_admin: bool = False

    @property
    def is_accepted(self) -> bool:
        """Return whether the account is verified, moderated and not rejected."""
        return self.email_verified and self.is_moderated and not self.is_rejected

    @property
    def full_name(self) -> str:
        """First and last name, as the identity API shows them."""
        return f"{self.first_name} {self.last_name}"


@dataclass(slots=True)
class Component:
    """A service provider such as cyclades; services call Astakos with its token."""

    name: str
    token: str = field(repr=False)
    url: str | None = None
    token_expires: datetime | None = None
    is_revoked: bool = False
    # How Synnefo's web pages show it. A value of None follows from the name and the position.
    verbose_name: str | None = None
    order: int | None = None
    dashboard: dict[str, object] = field(default_factory=dict)
    cloudbar: dict[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class Service:
    """A catalog entry; an endpoint's `publicURL` may be a path below the sandbox's own address."""

    name: str
    type: str
    component: str
    endpoints: tuple[dict[str, str], ...] = ()


@dataclass(slots=True)
class Resource:
    """A kind of thing that is counted, such as virtual machines."""

    name: str
    service: str
    description: str = ""
    unit: str | None = None
    api_visible: bool = True
    ui_visible: bool = True
    system_default: int = INT64_MAX
    project_default: int = 0


@dataclass(slots=True)
class ProjectCapacity:
    """How much of one resource all members together may take, and how much each of them."""

    project: int
    member: int


@dataclass(slots=True)
class Project:
    """A source of quota. A system project has one member, and the uuid of that user."""

    uuid: str
    name: str
    state: ProjectState
    is_system: bool
    owner: str | None
    capacities: dict[str, ProjectCapacity]
    # The row number in the real server's database.
    number: int = 0
    creation_date: datetime = FOUNDED
    end_date: datetime = FAR_AWAY
    homepage: str = ""
    description: str = ""
    join_policy: Policy = Policy.MODERATED
    leave_policy: Policy = Policy.AUTO
    max_members: int = INT64_MAX
    private: bool = False
    # When it was last suspended or terminated; kept when it is active again.
    deactivation_date: datetime | None = None
    last_application: int | None = None


# The fields of a project that an application can change, apart from the capacities.
PROJECT_FIELDS: Final = (
    "name",
    "owner",
    "homepage",
    "description",
    "end_date",
    "join_policy",
    "leave_policy",
    "max_members",
    "private",
)


@dataclass(slots=True)
class ApplicationBody:
    """The values that an application asks for; None if it does not mention them."""

    name: str | None = None
    owner: str | None = None
    homepage: str | None = None
    description: str | None = None
    comments: str | None = None
    start_date: datetime | None = None
    end_date: datetime | None = None
    join_policy: Policy | None = None
    leave_policy: Policy | None = None
    max_members: int | None = None
    private: bool | None = None
    resources: dict[str, ProjectCapacity] = field(default_factory=dict)


@dataclass(slots=True)
class ProjectApplication:
    """An application for a project, or for a change of one, on which an admin decides."""

    id: int
    project: str
    applicant: str
    state: ApplicationState
    body: ApplicationBody


@dataclass(slots=True)
class Membership:
    """The state of one user in one project; the row is never deleted."""

    id: int
    user: str
    project: str
    state: MembershipState
    was_accepted: bool = False
    # When each state was last entered; states that it was never in are missing.
    since: dict[MembershipState, datetime] = field(default_factory=dict)
