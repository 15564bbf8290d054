"""Resources, and the three quota calls (the protocol, sections 3.7 to 3.9)."""

from collections.abc import Container, Iterable, Mapping

from astakos_worker.sandbox.api.endpoint import ApiCall, replies
from astakos_worker.sandbox.api_messages import Reply, reply_json
from astakos_worker.sandbox.database import Database
from astakos_worker.sandbox.database_rows import Component, Project, ProjectState, Resource, User
from astakos_worker.sandbox.errors import ApiFaultError
from astakos_worker.sandbox.quota import Holding, member_holding, project_holding

HoldingFigures = dict[str, int]
ByResource = dict[str, HoldingFigures]


@replies
def list_resources(call: ApiCall[None]) -> Reply:
    """`GET resources`: those that the API shows, by name."""
    fields = ("service", "description", "unit", "ui_visible", "api_visible")
    visible = _visible(call.database)
    return reply_json({row.name: {key: getattr(row, key) for key in fields} for row in visible})


@replies
def show_quotas(call: ApiCall[User]) -> Reply:
    """`GET quotas`: the caller's own, by project and resource; projects left are absent."""
    database, user = call.database, call.caller.uuid
    projects = [
        project
        for project, row in database.memberships_of(user)
        if row.state.is_actually_accepted and project.state is not ProjectState.DELETED
    ]
    return reply_json(_by_project(database, user, projects, _visible(database)))


@replies
def show_service_quotas(call: ApiCall[Component]) -> Reply:
    """`GET service_quotas`: users' quotas of the component's resources, left projects included."""
    database, wanted = call.database, _filter(call, "user")
    resources, projects = database.resources_of(call.caller.name), _filter(call, "project")
    found = {}
    for uuid in database.users if wanted is None else wanted:
        user = database.users.get(uuid)
        if user is not None and user.email_verified:
            of_user = [
                project
                for project, _ in database.memberships_of(uuid)
                if projects is None or project.uuid in projects
            ]
            found[uuid] = _by_project(database, uuid, of_user, resources)
    return _found(found, wanted, "user")


@replies
def show_project_quotas(call: ApiCall[Component]) -> Reply:
    """`GET service_project_quotas`: the usage of all members of a project together."""
    database, wanted = call.database, _filter(call, "project")
    resources = database.resources_of(call.caller.name)
    found = {
        uuid: {
            resource.name: _figures(holding, "project_")
            for resource in resources
            if (holding := database.book.holdings.get(project_holding(uuid, resource.name)))
        }
        for uuid in (database.projects if wanted is None else wanted)
        if uuid in database.projects and database.projects[uuid].state.is_initialized
    }
    return _found(found, wanted, "project")


def _filter(call: ApiCall[Component], name: str) -> dict[str, None] | None:
    """The uuids of a filter, a list with commas; None if there is no filter."""
    value = call.request.query.get(name)
    return None if value is None else dict.fromkeys(value.split(","))


def _found(
    found: Mapping[str, Mapping[str, object]], wanted: Container[str] | None, what: str
) -> Reply:
    found = {uuid: figures for uuid, figures in found.items() if figures}
    if wanted is not None and not found:
        raise ApiFaultError(404, f"There is no such {what}")
    return reply_json(found)


def _visible(database: Database) -> list[Resource]:
    return [resource for resource in database.resources.values() if resource.api_visible]


def _by_project(
    database: Database, user: str, projects: Iterable[Project], resources: Iterable[Resource]
) -> dict[str, ByResource]:
    """The six figures of each holding of a user, by project and resource."""
    found: dict[str, ByResource] = {}
    holdings = database.book.holdings
    for project in projects:
        for resource in resources:
            own = holdings.get(member_holding(user, project.uuid, resource.name))
            if own is not None:
                whole = holdings.get(project_holding(project.uuid, resource.name))
                figures = {**_figures(own, ""), **_figures(whole, "project_")}
                found.setdefault(project.uuid, {})[resource.name] = figures
    return found


def _figures(holding: Holding | None, prefix: str) -> HoldingFigures:
    if holding is None:
        return {f"{prefix}limit": 0, f"{prefix}usage": 0, f"{prefix}pending": 0}
    return {
        f"{prefix}limit": holding.limit,
        f"{prefix}usage": holding.usage_max,
        f"{prefix}pending": holding.usage_max - holding.usage_min,
    }
