"""The rows that Astakos keeps, by their names and tokens, and the limits that follow from them.

The database sets the limits of holdings (the protocol, section 1.4) and leaves usage alone; the
quota book changes usage. Nothing here knows HTTP or files.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from astakos_worker.sandbox.database_rows import (
    FOUNDED,
    ApplicationBody,
    ApplicationState,
    Component,
    Membership,
    MembershipState,
    Policy,
    Project,
    ProjectApplication,
    ProjectCapacity,
    ProjectState,
    Resource,
    Service,
    User,
)
from astakos_worker.sandbox.errors import NameTakenError, UnknownNameError
from astakos_worker.sandbox.oauth import OAuthBook
from astakos_worker.sandbox.quota import HoldingKey, QuotaBook, member_holding, project_holding

PENDING_APP: Final = "astakos.pending_app"


class Database:
    """All rows of Astakos, the quota book included."""

    def __init__(self) -> None:
        self.components: dict[str, Component] = {}
        self.services: dict[str, Service] = {}
        self.resources: dict[str, Resource] = {}
        self.users: dict[str, User] = {}
        self.projects: dict[str, Project] = {}
        self.applications: dict[int, ProjectApplication] = {}
        self.memberships: dict[int, Membership] = {}
        self.book = QuotaBook()
        self.oauth = OAuthBook()
        self._users_by_token: dict[str, User] = {}
        self._users_by_name: dict[str, User] = {}
        self._components_by_token: dict[str, Component] = {}
        self._members: dict[str, dict[str, Membership]] = {}
        self._projects_of: dict[str, dict[str, Membership]] = {}

    # Adding

    def add_component(self, component: Component) -> None:
        """Add a component; raises `NameTakenError` if another has its name or token."""
        if component.name in self.components:
            raise NameTakenError(f"there is a component {component.name!r} already")
        self.change_token(component, component.token)
        self.components[component.name] = component

    def add_service(self, service: Service) -> None:
        """Add a service; raises `UnknownNameError` if its component is not there."""
        self.component(service.component)
        self.services[service.name] = service

    def add_resource(self, resource: Resource) -> None:
        """Register a resource; all initialized projects get holdings for it at once."""
        if resource.name in self.resources:
            raise NameTakenError(f"there is a resource {resource.name!r} already")
        if resource.service not in self.services:
            raise UnknownNameError(f"there is no service {resource.service!r}")
        self.resources[resource.name] = resource
        for project in self.projects.values():
            self.recompute(project)

    def add_user(
        self, user: User, limits: dict[str, int], *, suspended: bool = False, at: datetime = FOUNDED
    ) -> None:
        """Add a user, with a system project if the account is accepted.

        `limits` overrides the resources' defaults. The system project of a deactivated user is
        suspended; `suspended` says so for an active user.
        """
        if user.uuid in self.users or user.username in self._users_by_name:
            raise NameTakenError(f"there is a user {user.username!r} already, or that uuid")
        self.restore_user(user)
        if not user.is_accepted:
            return
        suspended = suspended or not user.is_active
        system = {name: resource.system_default for name, resource in self.resources.items()}
        capacities = {name: ProjectCapacity(n, n) for name, n in {**system, **limits}.items()}
        self.add_project(
            Project(
                uuid=user.uuid,
                name=f"system:{user.uuid}",
                state=ProjectState.SUSPENDED if suspended else ProjectState.ACTIVE,
                is_system=True,
                owner=None,
                capacities=capacities,
                creation_date=at,
                end_date=at.replace(year=at.year + 100, day=min(at.day, 28)),
                description=f"the system project of {user.username}",
                join_policy=Policy.CLOSED,
                leave_policy=Policy.CLOSED,
                max_members=1,
                private=True,
                deactivation_date=at if suspended else None,
            )
        )
        self.set_membership(user.uuid, user.uuid, MembershipState.ACCEPTED, at)

    def restore_user(self, user: User) -> None:
        """Enter a user without making a system project."""
        self.change_token(user, user.token)
        self.users[user.uuid] = user
        self._users_by_name[user.username] = user

    def add_project(self, project: Project) -> None:
        """Add a project; if it is initialized, it has holdings at once."""
        project.number = len(self.projects) + 1
        self.projects[project.uuid] = project
        self.recompute(project)

    def add_application(
        self, project: Project, applicant: str, state: ApplicationState, body: ApplicationBody
    ) -> ProjectApplication:
        """Enter an application; from now on it is the project's latest."""
        number = len(self.applications) + 1
        application = ProjectApplication(number, project.uuid, applicant, state, body)
        self.applications[number] = application
        project.last_application = number
        return application

    def set_membership(
        self, user: str, project: str, state: MembershipState, at: datetime = FOUNDED
    ) -> Membership:
        """Put a user's membership into a state; the first time the row is made."""
        row = self._members.get(project, {}).get(user)
        if row is None:
            row = Membership(len(self.memberships) + 1, user, project, state)
            self.restore_membership(row)
        row.state = state
        row.since[state] = at
        row.was_accepted = row.was_accepted or state.is_actually_accepted
        self.recompute(self.projects[project])
        return row

    def restore_membership(self, row: Membership) -> None:
        """Enter a membership row as it is."""
        self.memberships[row.id] = row
        self._members.setdefault(row.project, {})[row.user] = row
        self._projects_of.setdefault(row.user, {})[row.project] = row

    def recompute(self, project: Project) -> None:
        """Set the limits of all holdings of an initialized project (the protocol, section 1.4).

        A resource that the project does not mention gets its default.
        """
        if not project.state.is_initialized:
            return
        for name, resource in self.resources.items():
            limit = resource.system_default if project.is_system else resource.project_default
            project.capacities.setdefault(name, ProjectCapacity(limit, limit))
        active = project.state is ProjectState.ACTIVE
        rows = [row for row in self._members.get(project.uuid, {}).values() if row.was_accepted]
        for name, capacity in project.capacities.items():
            limit = capacity.project if active else 0
            self.book.set_limit(project_holding(project.uuid, name), limit)
            for row in rows:
                limit = capacity.member if active and row.state.is_actually_accepted else 0
                self.book.set_limit(member_holding(row.user, project.uuid, name), limit)

    # Finding

    def component(self, name: str) -> Component:
        """Return the component of that name; raises `UnknownNameError`."""
        try:
            return self.components[name]
        except KeyError:
            known = ", ".join(sorted(self.components)) or "none at all"
            raise UnknownNameError(f"there is no component {name!r}; there is: {known}") from None

    def component_by_token(self, token: str) -> Component | None:
        """Return the component of a token, or None if there is none or it was revoked."""
        component = self._components_by_token.get(token)
        return None if component is None or component.is_revoked else component

    def user(self, uuid_or_name: str) -> User:
        """Return the user of that uuid or name; raises `UnknownNameError`."""
        found = self.users.get(uuid_or_name) or self.user_by_name(uuid_or_name)
        if found is None:
            raise UnknownNameError(f"there is no user {uuid_or_name!r}")
        return found

    def user_by_token(self, token: str) -> User | None:
        """Return the user of a token, or None if there is none or it was revoked."""
        user = self._users_by_token.get(token)
        return None if user is None or user.is_revoked else user

    def user_by_name(self, name: str) -> User | None:
        """Return the user of that display name, upper or lower case, or None."""
        return self._users_by_name.get(name.lower())

    def memberships_of(self, user: str) -> Iterator[tuple[Project, Membership]]:
        """Yield the projects in which a user has a membership, with the membership."""
        for uuid, row in self._projects_of.get(user, {}).items():
            yield self.projects[uuid], row

    def members_of(self, project: str) -> list[Membership]:
        """Return the memberships of a project, in all states."""
        return list(self._members.get(project, {}).values())

    def membership(self, user: str, project: str) -> Membership | None:
        """Return a user's membership in a project, or None if there never was one."""
        return self._members.get(project, {}).get(user)

    def resources_of(self, component: str) -> list[Resource]:
        """Return the resources of a component's services, visible or not."""
        return [
            resource
            for resource in self.resources.values()
            if self.services[resource.service].component == component
        ]

    def name_is_taken(self, project: Project, name: str) -> bool:
        """Return whether another project that is alive has the name."""
        return any(
            other.name == name
            for other in self.projects.values()
            if other is not project and other.state.is_alive
        )

    def pending_app_holdings(self, user: str) -> list[HoldingKey]:
        """Return the holdings that a user's pending applications are charged to."""
        keys = (member_holding(user, user, PENDING_APP), project_holding(user, PENDING_APP))
        return [key for key in keys if key in self.book.holdings]

    def reset_default_projects(self, project: Project, *, user: str | None = None) -> None:
        """Give the users whose default it was, all or one, their own project as the default."""
        for each in self.users.values() if user is None else [self.users[user]]:
            if each.default_project == project.uuid and not project.is_system:
                each.default_project = each.uuid

    # Tokens

    def change_token(self, owner: User | Component, token: str) -> None:
        """Give a user or component another token; the old one stops working.

        Raises `NameTakenError` if another user (or component) has that token.
        """
        is_user = isinstance(owner, User)
        tokens: dict[str, Any] = self._users_by_token if is_user else self._components_by_token
        if tokens.get(token, owner) is not owner:
            kind = "user" if is_user else "component"
            raise NameTakenError(f"another {kind} has that token; give each one of its own")
        tokens.pop(owner.token, None)
        owner.token = token
        tokens[token] = owner
