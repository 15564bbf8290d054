"""Who sees which projects (the protocol, section 3.11)."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from astakos_worker.sandbox.errors import ApiFaultError
from astakos_worker.sandbox.records import ProjectState

if TYPE_CHECKING:
    from collections.abc import Callable

    from astakos_worker.sandbox.records import Project, User
    from astakos_worker.sandbox.world import World


class Mode(StrEnum):
    """Which projects a listing is to show."""

    DEFAULT = "default"
    RELATED = "related"
    MEMBER = "member"
    ACTIVE = "active"


def is_in_charge(caller: User, project: Project) -> bool:
    """Whether the caller may decide about a project's members and see its applications."""
    return caller.is_admin or caller.uuid == project.owner


def is_public(project: Project) -> bool:
    """Whether anybody may see it."""
    return project.state is ProjectState.ACTIVE and not project.private


def is_related(world: World, caller: User, project: Project) -> bool:
    """Whether the caller owns it or is any kind of member."""
    row = world.membership(caller.uuid, project.uuid)
    return caller.uuid == project.owner or (row is not None and row.state.is_any_accepted)


def visible_project(world: World, caller: User, uuid: str) -> Project:
    """One project; 404 if there is none, 403 if it is none of the caller's business."""
    project = world.projects.get(uuid)
    if project is None:
        raise ApiFaultError(404, "There is no such project")
    if not (caller.is_admin or is_public(project) or is_related(world, caller, project)):
        raise ApiFaultError(403, "You cannot see this project")
    return project


def listed_projects(world: World, caller: User, mode: Mode) -> list[Project]:
    """The projects of a mode; an admin sees all, but for the memberships of their own."""

    def is_member(project: Project) -> bool:
        row = world.membership(caller.uuid, project.uuid)
        return (
            project.state is ProjectState.ACTIVE
            and row is not None
            and row.state.is_actually_accepted
        )

    def related(project: Project) -> bool:
        return caller.is_admin or is_related(world, caller, project)

    def active(project: Project) -> bool:
        return caller.is_admin or is_public(project)

    shown: dict[Mode, Callable[[Project], bool]] = {
        Mode.DEFAULT: related,
        Mode.RELATED: related,
        Mode.MEMBER: is_member,
        Mode.ACTIVE: active,
    }
    return list(filter(shown[mode], world.projects.values()))
