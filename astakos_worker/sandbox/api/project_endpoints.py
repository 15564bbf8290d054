"""Projects: list, look at, apply, modify, decide (the protocol, sections 3.11 to 3.13)."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from astakos_worker.sandbox.api.endpoint import ApiWork, ByUser, replies
from astakos_worker.sandbox.api_messages import Reply, reply_json
from astakos_worker.sandbox.astakos import SandboxAstakos
from astakos_worker.sandbox.database_rows import (
    PROJECT_FIELDS,
    Project,
    ProjectApplication,
    ProjectCapacity,
    ProjectState,
    User,
)
from astakos_worker.sandbox.errors import ApiFaultError
from astakos_worker.sandbox.projects import applications
from astakos_worker.sandbox.projects.application_body import read_application
from astakos_worker.sandbox.projects.applications import ApplicationAction
from astakos_worker.sandbox.projects.state_changes import ProjectAction, change_state
from astakos_worker.sandbox.projects.visibility import (
    ListMode,
    is_in_charge,
    listed_projects,
    visible_project,
)


@replies
def list_projects(call: ByUser) -> Reply:
    """`GET projects`: those of a mode; unknown parameters do not matter, unknown values do."""
    query = call.request.query
    try:
        mode = ListMode(query.get("mode") or ListMode.DEFAULT)
        states = {ProjectState(query["state"])} if "state" in query else set(ProjectState)
    except ValueError as cause:
        raise ApiFaultError(400, f"There is no such mode or state: {cause}") from cause
    return reply_json(
        [
            _describe(call.astakos, call.caller, project)
            for project in listed_projects(call.database, call.caller, mode)
            if query.get("name", project.name) == project.name
            and query.get("owner", project.owner) == project.owner
            and project.state in states
        ]
    )


@replies
def show(call: ByUser) -> Reply:
    """`GET projects/<uuid>`: one project object."""
    project = visible_project(call.database, call.caller, call.request.argument)
    return reply_json(_describe(call.astakos, call.caller, project))


def create(call: ByUser) -> ApiWork:
    """`POST projects`: apply for a new project."""
    body = read_application(call.request.json_object(uncaught=True))
    return ApiWork(lambda: _submitted(applications.apply(call.astakos, call.caller, body)))


def modify(call: ByUser) -> ApiWork:
    """`PUT projects/<uuid>`: apply for a change."""
    body = read_application(call.request.json_object(uncaught=True))
    project = call.request.argument
    return ApiWork(
        lambda: _submitted(applications.modify(call.astakos, call.caller, project, body))
    )


@replies
def act(call: ByUser) -> Reply:
    """`POST projects/<uuid>/action`: about the project, or about its application.

    The body has one recognized key. Its value may hold a reason; for an application it must hold
    the number of the application.
    """
    astakos, caller, project = call.astakos, call.caller, call.request.argument
    key, details = call.request.one_key_of((*ProjectAction, *ApplicationAction))
    if not isinstance(details, dict):
        raise ApiFaultError(400, f"{key} must be an object", uncaught=True)
    if not isinstance(details.get("reason", ""), str | None):
        raise ApiFaultError(400, "reason must be a string", uncaught=True)
    if key in set(ProjectAction):
        change_state(astakos, caller, project, ProjectAction(key))
        return Reply(200)
    app_id = details.get("app_id")
    if type(app_id) is not int:
        raise ApiFaultError(400, f"{key} needs an app_id", uncaught=True)
    applications.decide(astakos, caller, project, app_id, ApplicationAction(key))
    return Reply(200)


def _submitted(application: ProjectApplication) -> Reply:
    return reply_json({"id": application.project, "application": application.id}, 201)


def _describe(astakos: SandboxAstakos, caller: User, project: Project) -> dict[str, object]:
    """Return a project object; the latest application is for the owner and admins only."""
    shown = {
        "id": project.uuid,
        "system_project": project.is_system,
        **_values(astakos, project, ("state", "creation_date", *PROJECT_FIELDS)),
        "resources": _visible_capacities(astakos, project.capacities),
    }
    if is_in_charge(caller, project):
        if project.last_application is not None:
            application = astakos.database.applications[project.last_application]
            shown["last_application"] = _describe_application(astakos, application)
        if project.deactivation_date is not None:
            shown["deactivation_date"] = astakos.time(project.deactivation_date)
    return shown


def _describe_application(
    astakos: SandboxAstakos, application: ProjectApplication
) -> dict[str, object]:
    return {
        "id": application.id,
        "applicant": application.applicant,
        "state": application.state,
        **_values(astakos, application.body, (*PROJECT_FIELDS, "comments", "start_date")),
        "resources": _visible_capacities(astakos, application.body.resources),
    }


def _values(astakos: SandboxAstakos, row: object, names: Iterable[str]) -> dict[str, object]:
    """Return fields of a row by name, with times as the API spells them."""
    values = {name: getattr(row, name) for name in names}
    return {
        name: astakos.time(value) if isinstance(value, datetime) else value
        for name, value in values.items()
    }


def _visible_capacities(
    astakos: SandboxAstakos, capacities: Mapping[str, ProjectCapacity]
) -> dict[str, dict[str, int]]:
    return {
        name: {"project_capacity": capacity.project, "member_capacity": capacity.member}
        for name, capacity in capacities.items()
        if astakos.database.resources[name].api_visible
    }
