"""Finding a project by what a path or a body calls it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astakos_worker.sandbox.quirks import Quirk
from astakos_worker.sandbox.records import ProjectState

if TYPE_CHECKING:
    from astakos_worker.sandbox.astakos import Astakos
    from astakos_worker.sandbox.records import Project
    from astakos_worker.sandbox.world import World


def find_project(astakos: Astakos, name: str | int) -> Project | None:
    """The project of a uuid, or of the database's number with the quirk for that."""
    found = astakos.world.projects.get(str(name))
    if found is not None or Quirk.NUMERIC_PROJECT_IDS not in astakos.quirks:
        return found
    for project in astakos.world.projects.values():
        if str(project.number) == str(name):
            return project
    return None


def name_is_taken(world: World, project: Project, name: str) -> bool:
    """Whether another project that is alive has the name."""
    return any(
        other.name == name
        for other in world.projects.values()
        if other is not project and other.state.is_alive
    )


def reset_default_projects(world: World, project: Project, *, user: str | None = None) -> None:
    """Who drew on a project by default, all or one, does so on their own project again."""
    users = world.users.values() if user is None else [world.users[user]]
    for each in users:
        if each.default_project == project.uuid and not project.is_system:
            each.default_project = each.uuid


def drop_if_unborn(project: Project) -> None:
    """A project whose only application came to nothing never was."""
    if project.state is ProjectState.UNINITIALIZED:
        project.state = ProjectState.DELETED
