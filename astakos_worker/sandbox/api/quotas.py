"""What may be taken and what is: resources and the three quota calls (sections 3.7 to 3.9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from astakos_worker.sandbox.errors import ApiFaultError
from astakos_worker.sandbox.operation import ComponentOperation, PublicOperation, UserOperation
from astakos_worker.sandbox.records import ProjectState
from astakos_worker.sandbox.wire import Reply, Request, reply_json
from astakos_worker.sandbox.world import member_holding, project_holding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from astakos_worker.sandbox.astakos import Astakos
    from astakos_worker.sandbox.records import Component, Project, Resource, User
    from astakos_worker.sandbox.world import World

    Figures = dict[str, int]
    ByResource = dict[str, Figures]
    ByProject = dict[str, ByResource]


@dataclass(frozen=True, slots=True)
class ListResources(PublicOperation):
    """`GET resources`: those that the API shows."""

    name: ClassVar[str] = "resources"

    @classmethod
    def parse(cls, astakos: Astakos, request: Request) -> Self:  # noqa: ARG003 # is public
        """Nothing to read."""
        return cls()

    def perform(self, astakos: Astakos) -> Reply:
        """A dict by name."""
        return reply_json(
            {
                resource.name: {
                    "service": resource.service,
                    "description": resource.description,
                    "unit": resource.unit,
                    "ui_visible": resource.ui_visible,
                    "api_visible": resource.api_visible,
                }
                for resource in _visible(astakos.world)
            }
        )


@dataclass(frozen=True, slots=True)
class ShowQuotas(UserOperation):
    """`GET quotas`: a user's own."""

    name: ClassVar[str] = "quotas"
    user: str

    @classmethod
    def parse(cls, user: User, request: Request) -> Self:  # noqa: ARG003 # no body
        """Nothing but the user matters."""
        return cls(user.uuid)

    def perform(self, astakos: Astakos) -> Reply:
        """By project and resource; a project that was left is absent."""
        world = astakos.world
        found = {
            project.uuid: _member_figures(world, self.user, project, _visible(world))
            for project, row in world.memberships_of(self.user)
            if row.state.is_actually_accepted and project.state is not ProjectState.DELETED
        }
        return reply_json({uuid: figures for uuid, figures in found.items() if figures})


@dataclass(frozen=True, slots=True)
class ShowServiceQuotas(ComponentOperation):
    """`GET service_quotas`: users' quotas of the component's own resources."""

    name: ClassVar[str] = "service.quotas"
    component: str
    users: tuple[str, ...] | None
    projects: tuple[str, ...] | None

    @classmethod
    def parse(cls, component: Component, request: Request) -> Self:
        """Both filters are lists with commas."""
        return cls(component.name, _filter(request, "user"), _filter(request, "project"))

    def perform(self, astakos: Astakos) -> Reply:
        """By user, project and resource; projects that were left included."""
        world = astakos.world
        resources = world.resources_of(self.component)
        chosen = world.users if self.users is None else dict.fromkeys(self.users)
        found: dict[str, ByProject] = {}
        for uuid in chosen:
            user = world.users.get(uuid)
            if user is None or not user.email_verified:
                continue
            by_project = {
                project.uuid: _member_figures(world, uuid, project, resources)
                for project, _ in world.memberships_of(uuid)
                if self.projects is None or project.uuid in self.projects
            }
            by_project = {project: figures for project, figures in by_project.items() if figures}
            if by_project:
                found[uuid] = by_project
        if self.users is not None and not found:
            raise ApiFaultError(404, "There is no such user")
        return reply_json(found)


@dataclass(frozen=True, slots=True)
class ShowServiceProjectQuotas(ComponentOperation):
    """`GET service_project_quotas`: what projects as a whole have taken."""

    name: ClassVar[str] = "service.project_quotas"
    component: str
    projects: tuple[str, ...] | None

    @classmethod
    def parse(cls, component: Component, request: Request) -> Self:
        """The filter is a list with commas."""
        return cls(component.name, _filter(request, "project"))

    def perform(self, astakos: Astakos) -> Reply:
        """By project and resource."""
        world = astakos.world
        resources = world.resources_of(self.component)
        chosen = world.projects if self.projects is None else dict.fromkeys(self.projects)
        found: ByProject = {}
        for uuid in chosen:
            project = world.projects.get(uuid)
            if project is None or not project.state.is_initialized:
                continue
            figures = {
                resource.name: _figures(world, uuid, resource)
                for resource in resources
                if project_holding(uuid, resource.name) in world.book.holdings
            }
            if figures:
                found[uuid] = figures
        if self.projects is not None and not found:
            raise ApiFaultError(404, "There is no such project")
        return reply_json(found)


def _visible(world: World) -> list[Resource]:
    return [resource for resource in world.resources.values() if resource.api_visible]


def _filter(request: Request, name: str) -> tuple[str, ...] | None:
    values = request.query.get(name)
    return None if values is None else tuple(values[-1].split(","))


def _member_figures(
    world: World, user: str, project: Project, resources: Iterable[Resource]
) -> ByResource:
    """The six figures of each resource that the user has a holding of."""
    found: ByResource = {}
    for resource in resources:
        holding = world.book.holdings.get(member_holding(user, project.uuid, resource.name))
        if holding is not None:
            found[resource.name] = {
                "limit": holding.limit,
                "usage": holding.usage_max,
                "pending": holding.usage_max - holding.usage_min,
                **_figures(world, project.uuid, resource),
            }
    return found


def _figures(world: World, project: str, resource: Resource) -> Figures:
    """The three figures of the project's own holding, all members together."""
    holding = world.book.holdings.get(project_holding(project, resource.name))
    if holding is None:
        return {"project_limit": 0, "project_usage": 0, "project_pending": 0}
    return {
        "project_limit": holding.limit,
        "project_usage": holding.usage_max,
        "project_pending": holding.usage_max - holding.usage_min,
    }
