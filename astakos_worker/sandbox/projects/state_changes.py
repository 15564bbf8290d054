"""Suspending, terminating and bringing back projects (the protocol, section 3.13)."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from astakos_worker.sandbox.errors import ApiFaultError
from astakos_worker.sandbox.projects.finding import (
    find_project,
    name_is_taken,
    reset_default_projects,
)
from astakos_worker.sandbox.records import ProjectState

if TYPE_CHECKING:
    from astakos_worker.sandbox.astakos import Astakos
    from astakos_worker.sandbox.records import Project, User


class Change(StrEnum):
    """What an admin can do to a project."""

    SUSPEND = "suspend"
    UNSUSPEND = "unsuspend"
    TERMINATE = "terminate"
    REINSTATE = "reinstate"


_FROM: Final = {
    Change.SUSPEND: frozenset({ProjectState.ACTIVE}),
    Change.UNSUSPEND: frozenset({ProjectState.SUSPENDED}),
    Change.TERMINATE: frozenset({ProjectState.ACTIVE, ProjectState.SUSPENDED}),
    Change.REINSTATE: frozenset({ProjectState.TERMINATED}),
}
_TO: Final = {
    Change.SUSPEND: ProjectState.SUSPENDED,
    Change.UNSUSPEND: ProjectState.ACTIVE,
    Change.TERMINATE: ProjectState.TERMINATED,
    Change.REINSTATE: ProjectState.ACTIVE,
}


def change_state(astakos: Astakos, caller: User, name: str, change: Change) -> None:
    """Do it, and set the limits of the project's holdings afresh; usage stays."""
    project = find_project(astakos, name)
    if project is None:
        raise ApiFaultError(404, "There is no such project")
    if not caller.is_admin:
        raise ApiFaultError(403, "You are no admin")
    if project.state not in _FROM[change]:
        raise ApiFaultError(409, f"The project is {project.state}")
    if change is Change.TERMINATE and project.is_system:
        raise ApiFaultError(409, "A system project cannot be terminated")
    if change is Change.REINSTATE and name_is_taken(astakos.world, project, project.name):
        raise ApiFaultError(409, "The name is taken")
    _enter(astakos, project, _TO[change])
    astakos.changed()


def terminate_expired(astakos: Astakos) -> list[str]:
    """End the projects whose end date has passed, as an operator's nightly command does."""
    now = astakos.clock.now()
    expired = [
        project
        for project in astakos.world.projects.values()
        if project.state.is_alive and not project.is_system and project.end_date <= now
    ]
    for project in expired:
        _enter(astakos, project, ProjectState.TERMINATED)
    if expired:
        astakos.changed()
    return [project.uuid for project in expired]


def _enter(astakos: Astakos, project: Project, state: ProjectState) -> None:
    project.state = state
    if state is not ProjectState.ACTIVE:
        project.deactivation_date = astakos.clock.now()
    if state is ProjectState.TERMINATED:
        reset_default_projects(astakos.world, project)
    astakos.world.recompute(project)
