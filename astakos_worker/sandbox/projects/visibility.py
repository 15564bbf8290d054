"""Which project a name means, and who sees which projects (the protocol, section 3.11)."""

from enum import StrEnum

from astakos_worker.sandbox.astakos import SandboxAstakos
from astakos_worker.sandbox.database import Database
from astakos_worker.sandbox.database_rows import Project, ProjectState, User
from astakos_worker.sandbox.errors import ApiFaultError
from astakos_worker.sandbox.quirks import Quirk


class ListMode(StrEnum):
    """Which projects a list shows."""

    DEFAULT = "default"
    RELATED = "related"
    MEMBER = "member"
    ACTIVE = "active"


def find_project(astakos: SandboxAstakos, name: str | int, missing: int = 404) -> Project:
    """Return the project of a uuid; with the quirk for that, of the database's number too.

    Raises a fault with the status `missing` if there is none.
    """
    found = astakos.database.projects.get(str(name))
    if found is None and Quirk.NUMERIC_PROJECT_IDS in astakos.quirks:
        for project in astakos.database.projects.values():
            if str(project.number) == str(name):
                found = project
    if found is None:
        raise ApiFaultError(missing, "There is no such project")
    return found


def is_in_charge(caller: User, project: Project) -> bool:
    """Return whether the caller may decide about members and see applications."""
    return caller.is_admin or caller.uuid == project.owner


def visible_project(database: Database, caller: User, uuid: str) -> Project:
    """Return one project; raises a 404, or a 403 if the caller may not see it."""
    project = database.projects.get(uuid)
    if project is None:
        raise ApiFaultError(404, "There is no such project")
    if not (caller.is_admin or _is_public(project) or _is_related(database, caller, project)):
        raise ApiFaultError(403, "You cannot see this project")
    return project


def listed_projects(database: Database, caller: User, mode: ListMode) -> list[Project]:
    """Return the projects of a mode; an admin sees all of them, except in mode `member`."""

    def is_shown(project: Project) -> bool:
        if mode is ListMode.MEMBER:
            row = database.membership(caller.uuid, project.uuid)
            accepted = row is not None and row.state.is_actually_accepted
            return accepted and project.state is ProjectState.ACTIVE
        if caller.is_admin:
            return True
        if mode is ListMode.ACTIVE:
            return _is_public(project)
        return _is_related(database, caller, project)

    return list(filter(is_shown, database.projects.values()))


def _is_public(project: Project) -> bool:
    return project.state is ProjectState.ACTIVE and not project.private


def _is_related(database: Database, caller: User, project: Project) -> bool:
    """Whether the caller owns the project or is any kind of member."""
    row = database.membership(caller.uuid, project.uuid)
    return caller.uuid == project.owner or (row is not None and row.state.is_any_accepted)
