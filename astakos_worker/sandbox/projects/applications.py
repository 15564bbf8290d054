"""Applications: submitting one, and what becomes of it (the protocol, sections 3.12 and 3.13).

A project is what its applications made of it: they carry wishes, a verdict fulfils them or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from astakos_worker.sandbox.errors import ApiFaultError
from astakos_worker.sandbox.projects.charging import charge_for, refund_for
from astakos_worker.sandbox.projects.finding import drop_if_unborn, find_project, name_is_taken
from astakos_worker.sandbox.projects.visibility import is_in_charge
from astakos_worker.sandbox.projects.wishing import complete, judge, judge_owner
from astakos_worker.sandbox.records import PROJECT_FIELDS, ApplicationState, Project, ProjectState

if TYPE_CHECKING:
    from collections.abc import Callable

    from astakos_worker.sandbox.astakos import Astakos
    from astakos_worker.sandbox.quota import Commission
    from astakos_worker.sandbox.records import Application, User, Wishes
    from astakos_worker.sandbox.world import World

_FIXED_IN_SYSTEM_PROJECTS: Final = ("owner", "name", "homepage", "description")


def apply(astakos: Astakos, applicant: User, wishes: Wishes) -> Application:
    """Apply for a new project, which is uninitialized until somebody approves."""
    judge_owner(wishes, astakos)
    wishes = complete(wishes, applicant.uuid)
    judge(wishes, astakos)
    charge = charge_for(astakos, applicant)
    project = Project(
        uuid=str(uuid4()),
        name=wishes.name or "",
        state=ProjectState.UNINITIALIZED,
        is_system=False,
        owner=wishes.owner,
        capacities={},
        creation_date=astakos.clock.now(),
    )
    _fulfil(project, wishes)
    astakos.world.add_project(project)
    return _submit(astakos, project, applicant, wishes, charge)


def modify(astakos: Astakos, applicant: User, name: str, wishes: Wishes) -> Application:
    """Apply for a change of a project; it takes the place of an application still pending.

    An unknown owner is found before anything is known about the project, bounds afterwards.
    """
    judge_owner(wishes, astakos)
    project = find_project(astakos, name)
    if project is None:
        raise ApiFaultError(404, "There is no such project")
    if not is_in_charge(applicant, project):
        raise ApiFaultError(403, "You are neither the owner nor an admin")
    if not project.state.is_initialized:
        raise ApiFaultError(409, f"The project is {project.state}")
    judge(wishes, astakos)
    if project.is_system and any(
        getattr(wishes, field) is not None for field in _FIXED_IN_SYSTEM_PROJECTS
    ):
        raise ApiFaultError(409, "A system project keeps its name, owner and texts")
    replaced = _pending(astakos.world, project)
    charge = charge_for(astakos, applicant, replaced)
    if replaced is not None:
        replaced.state = ApplicationState.REPLACED
    return _submit(astakos, project, applicant, wishes, charge)


class Verdict(StrEnum):
    """What can be done about an application."""

    APPROVE = "approve"
    DENY = "deny"
    CANCEL = "cancel"
    DISMISS = "dismiss"


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a verdict needs and leads to."""

    from_state: ApplicationState
    to_state: ApplicationState
    by_applicant: bool


_RULES: Final = {
    Verdict.APPROVE: _Rule(ApplicationState.PENDING, ApplicationState.APPROVED, False),
    Verdict.DENY: _Rule(ApplicationState.PENDING, ApplicationState.DENIED, False),
    Verdict.CANCEL: _Rule(ApplicationState.PENDING, ApplicationState.CANCELLED, True),
    Verdict.DISMISS: _Rule(ApplicationState.DENIED, ApplicationState.DISMISSED, True),
}


def decide(astakos: Astakos, caller: User, name: str, app_id: int, verdict: Verdict) -> None:
    """Approve, deny, cancel or dismiss the latest application of a project."""
    application = astakos.world.applications.get(app_id)
    if application is None:
        raise ApiFaultError(404, "There is no such application")
    project = find_project(astakos, name)
    if project is None or project.last_application != app_id:
        raise ApiFaultError(409, "It is not the latest application of this project")
    rule = _RULES[verdict]
    if not (caller.is_admin or (rule.by_applicant and caller.uuid == application.applicant)):
        raise ApiFaultError(403, f"You cannot {verdict} this application")
    if application.state is not rule.from_state:
        raise ApiFaultError(409, f"The application is {application.state}")
    if verdict is Verdict.APPROVE:
        _check_name(astakos.world, project, application)
    application.state = rule.to_state
    refund = refund_for(astakos, application) if rule.from_state is ApplicationState.PENDING else ()
    _FOLLOW_UP[verdict](astakos.world, project, application)
    astakos.changed(*refund)


def _check_name(world: World, project: Project, application: Application) -> None:
    wanted = application.wishes.name
    if name_is_taken(world, project, wanted or project.name):
        # The real server looks at a name that the application gives, and stumbles over another.
        raise ApiFaultError(409, "The name is taken", uncaught=wanted is None)


def _approve(world: World, project: Project, application: Application) -> None:
    _fulfil(project, application.wishes)
    project.state = ProjectState.ACTIVE
    world.initialize(project)


def _bury(_: World, project: Project, __: Application) -> None:
    drop_if_unborn(project)


def _leave_alone(_: World, __: Project, ___: Application) -> None:
    """A denied application changes nothing: it may still be dismissed."""


_FOLLOW_UP: Final[dict[Verdict, Callable[[World, Project, Application], None]]] = {
    Verdict.APPROVE: _approve,
    Verdict.DENY: _leave_alone,
    Verdict.CANCEL: _bury,
    Verdict.DISMISS: _bury,
}


def _fulfil(project: Project, wishes: Wishes) -> None:
    """Make the project what was asked for."""
    for field in PROJECT_FIELDS:
        wanted = getattr(wishes, field)
        if wanted is not None:
            setattr(project, field, wanted)
    project.capacities.update(wishes.resources)


def _submit(
    astakos: Astakos,
    project: Project,
    applicant: User,
    wishes: Wishes,
    charge: tuple[Commission, ...],
) -> Application:
    application = astakos.world.add_application(
        project, applicant.uuid, ApplicationState.PENDING, wishes
    )
    astakos.changed(*charge)
    return application


def _pending(world: World, project: Project) -> Application | None:
    if project.last_application is None:
        return None
    latest = world.applications[project.last_application]
    return latest if latest.state is ApplicationState.PENDING else None
