"""Suspending, terminating and bringing back projects (the protocol, section 3.13)."""

from enum import StrEnum
from typing import Final

from astakos_worker.sandbox.astakos import SandboxAstakos
from astakos_worker.sandbox.database_rows import Project, ProjectState, User
from astakos_worker.sandbox.errors import ApiFaultError
from astakos_worker.sandbox.projects.visibility import find_project


class ProjectAction(StrEnum):
    """The actions of an admin on a project."""

    SUSPEND = "suspend"
    UNSUSPEND = "unsuspend"
    TERMINATE = "terminate"
    REINSTATE = "reinstate"


# Each action: the states in which it is allowed, and the state that it leads to.
_RULES: Final = {
    ProjectAction.SUSPEND: ({ProjectState.ACTIVE}, ProjectState.SUSPENDED),
    ProjectAction.UNSUSPEND: ({ProjectState.SUSPENDED}, ProjectState.ACTIVE),
    ProjectAction.TERMINATE: (
        {ProjectState.ACTIVE, ProjectState.SUSPENDED},
        ProjectState.TERMINATED,
    ),
    ProjectAction.REINSTATE: ({ProjectState.TERMINATED}, ProjectState.ACTIVE),
}


def change_state(astakos: SandboxAstakos, caller: User, name: str, action: ProjectAction) -> None:
    """Do it, and set the limits of the project's holdings again; usage stays."""
    project = find_project(astakos, name)
    from_states, to_state = _RULES[action]
    if not caller.is_admin:
        raise ApiFaultError(403, "You are no admin")
    if project.state not in from_states:
        raise ApiFaultError(409, f"The project is {project.state}")
    if action is ProjectAction.TERMINATE and project.is_system:
        raise ApiFaultError(409, "A system project cannot be terminated")
    if action is ProjectAction.REINSTATE and astakos.database.name_is_taken(project, project.name):
        raise ApiFaultError(409, "The name is taken")
    _enter(astakos, project, to_state)
    astakos.changed()


def terminate_expired(astakos: SandboxAstakos) -> list[str]:
    """End the projects whose end date has passed, and return their uuids.

    An operator's nightly command does this on the real server.
    """
    now = astakos.clock.now()
    expired = [
        project
        for project in astakos.database.projects.values()
        if project.state.is_alive and not project.is_system and project.end_date <= now
    ]
    for project in expired:
        _enter(astakos, project, ProjectState.TERMINATED)
    if expired:
        astakos.changed()
    return [project.uuid for project in expired]


def _enter(astakos: SandboxAstakos, project: Project, state: ProjectState) -> None:
    project.state = state
    if state is not ProjectState.ACTIVE:
        project.deactivation_date = astakos.clock.now()
    if state is ProjectState.TERMINATED:
        astakos.database.reset_default_projects(project)
    astakos.database.recompute(project)
