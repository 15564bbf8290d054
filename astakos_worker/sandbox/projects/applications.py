"""Applications: submitting one, and deciding about it (the protocol, sections 3.12 and 3.13).

Each pending application costs its applicant one `astakos.pending_app`, charged and given back by
commissions of the component `astakos`, as on the real server. Without that resource nothing is
charged.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import uuid4

from astakos_worker.sandbox.astakos import SandboxAstakos
from astakos_worker.sandbox.database import Database
from astakos_worker.sandbox.database_rows import (
    PROJECT_FIELDS,
    ApplicationBody,
    ApplicationState,
    Project,
    ProjectApplication,
    ProjectState,
    User,
)
from astakos_worker.sandbox.errors import ApiFaultError, QuotaRefusalError
from astakos_worker.sandbox.projects.application_body import check_bounds, check_owner, complete
from astakos_worker.sandbox.projects.visibility import find_project, is_in_charge
from astakos_worker.sandbox.quota import Commission, Provision

_COMPONENT: Final = "astakos"
_FIXED_IN_SYSTEM_PROJECTS: Final = ("owner", "name", "homepage", "description")


class ApplicationAction(StrEnum):
    """The actions on an application."""

    APPROVE = "approve"
    DENY = "deny"
    CANCEL = "cancel"
    DISMISS = "dismiss"


class _Rule(NamedTuple):
    """An action: the state in which it is allowed, the state after it, and by whom."""

    from_state: ApplicationState
    to_state: ApplicationState
    by_applicant: bool


_RULES: Final = {
    ApplicationAction.APPROVE: _Rule(ApplicationState.PENDING, ApplicationState.APPROVED, False),
    ApplicationAction.DENY: _Rule(ApplicationState.PENDING, ApplicationState.DENIED, False),
    ApplicationAction.CANCEL: _Rule(ApplicationState.PENDING, ApplicationState.CANCELLED, True),
    ApplicationAction.DISMISS: _Rule(ApplicationState.DENIED, ApplicationState.DISMISSED, True),
}


def apply(astakos: SandboxAstakos, applicant: User, body: ApplicationBody) -> ProjectApplication:
    """Apply for a new project, which is uninitialized until an admin approves."""
    check_owner(body, astakos)
    body = complete(body, applicant.uuid)
    check_bounds(body, astakos)
    charge = _charge_for(astakos, applicant)
    project = Project(
        uuid=str(uuid4()),
        name=body.name or "",
        state=ProjectState.UNINITIALIZED,
        is_system=False,
        owner=body.owner,
        capacities={},
        creation_date=astakos.clock.now(),
    )
    _carry_out(project, body)
    astakos.database.add_project(project)
    return _submit(astakos, project, applicant, body, charge)


def modify(
    astakos: SandboxAstakos, applicant: User, name: str, body: ApplicationBody
) -> ProjectApplication:
    """Apply for a change of a project; an application that is still pending is replaced.

    An unknown owner is found before anything is known about the project, bounds afterwards.
    """
    check_owner(body, astakos)
    project = find_project(astakos, name)
    if not is_in_charge(applicant, project):
        raise ApiFaultError(403, "You are neither the owner nor an admin")
    if not project.state.is_initialized:
        raise ApiFaultError(409, f"The project is {project.state}")
    check_bounds(body, astakos)
    fixed = (getattr(body, field) for field in _FIXED_IN_SYSTEM_PROJECTS)
    if project.is_system and any(value is not None for value in fixed):
        raise ApiFaultError(409, "A system project keeps its name, owner and texts")
    replaced = _pending(astakos.database, project)
    charge = _charge_for(astakos, applicant, replaced)
    if replaced is not None:
        replaced.state = ApplicationState.REPLACED
    return _submit(astakos, project, applicant, body, charge)


def decide(
    astakos: SandboxAstakos, caller: User, name: str, app_id: int, action: ApplicationAction
) -> None:
    """Approve, deny, cancel or dismiss the latest application of a project."""
    database, rule = astakos.database, _RULES[action]
    application = database.applications.get(app_id)
    if application is None:
        raise ApiFaultError(404, "There is no such application")
    project = find_project(astakos, name, missing=409)
    if project.last_application != app_id:
        raise ApiFaultError(409, "It is not the latest application of this project")
    if not (caller.is_admin or (rule.by_applicant and caller.uuid == application.applicant)):
        raise ApiFaultError(403, f"You cannot {action} this application")
    if application.state is not rule.from_state:
        raise ApiFaultError(409, f"The application is {application.state}")
    name_asked_for = application.body.name
    if action is ApplicationAction.APPROVE and database.name_is_taken(
        project, name_asked_for or project.name
    ):
        # The real server checks a name that the application gives, and fails on another.
        raise ApiFaultError(409, "The name is taken", uncaught=name_asked_for is None)
    application.state = rule.to_state
    refund: tuple[Commission, ...] = ()
    if rule.from_state is ApplicationState.PENDING:
        refund = _issue(astakos, _releases(database, application), force=False)
    if action is ApplicationAction.APPROVE:
        _carry_out(project, application.body)
        project.state = ProjectState.ACTIVE
        database.recompute(project)
    elif action is not ApplicationAction.DENY and project.state is ProjectState.UNINITIALIZED:
        project.state = ProjectState.DELETED
    astakos.changed(*refund)


def _carry_out(project: Project, body: ApplicationBody) -> None:
    """Give the project the values that the application asks for."""
    for field in PROJECT_FIELDS:
        value = getattr(body, field)
        if value is not None:
            setattr(project, field, value)
    project.capacities.update(body.resources)


def _submit(
    astakos: SandboxAstakos,
    project: Project,
    applicant: User,
    body: ApplicationBody,
    charge: tuple[Commission, ...],
) -> ProjectApplication:
    application = astakos.database.add_application(
        project, applicant.uuid, ApplicationState.PENDING, body
    )
    astakos.changed(*charge)
    return application


def _pending(database: Database, project: Project) -> ProjectApplication | None:
    latest = database.applications.get(project.last_application or 0)
    return latest if latest is not None and latest.state is ApplicationState.PENDING else None


def _charge_for(
    astakos: SandboxAstakos, applicant: User, replaced: ProjectApplication | None = None
) -> tuple[Commission, ...]:
    """Charge the applicant for one more, and give back the charge of the one replaced.

    Raises a 409 if that is too much. An admin is charged beyond the limit.
    """
    database = astakos.database
    provisions = [Provision(*key, 1) for key in database.pending_app_holdings(applicant.uuid)]
    if replaced is not None:
        provisions += _releases(database, replaced)
    try:
        return _issue(astakos, provisions, force=applicant.is_admin)
    except QuotaRefusalError as refusal:
        raise ApiFaultError(409, "There are too many pending applications") from refusal


def _releases(database: Database, application: ProjectApplication) -> list[Provision]:
    """Releases only as far as there is usage: services may have charged these holdings too."""
    return [
        Provision(*key, -1)
        for key in database.pending_app_holdings(application.applicant)
        if database.book.holdings[key].usage_min > 0
    ]


def _issue(
    astakos: SandboxAstakos, provisions: Sequence[Provision], *, force: bool
) -> tuple[Commission, ...]:
    if not provisions:
        return ()
    commission = astakos.database.book.issue(
        _COMPONENT, provisions, at=astakos.clock.now(), force=force, auto_accept=True
    )
    return (commission,)
