"""Joining, enrolling, and the actions on a membership (the protocol, section 3.14)."""

from enum import StrEnum
from typing import Final, NamedTuple

from astakos_worker.sandbox.astakos import SandboxAstakos
from astakos_worker.sandbox.database import Database
from astakos_worker.sandbox.database_rows import Membership, MembershipState, Policy, Project, User
from astakos_worker.sandbox.errors import ApiFaultError
from astakos_worker.sandbox.projects.visibility import find_project, is_in_charge


class MembershipAction(StrEnum):
    """The actions on a membership, in the order in which the API lists them."""

    LEAVE = "leave"
    CANCEL = "cancel"
    ACCEPT = "accept"
    REJECT = "reject"
    REMOVE = "remove"


class _Rule(NamedTuple):
    """An action: from a request or from a membership, by whom, and the state it leads to."""

    from_requested: bool
    by_member: bool
    to_state: MembershipState


_RULES: Final = {
    MembershipAction.LEAVE: _Rule(False, True, MembershipState.REMOVED),
    MembershipAction.CANCEL: _Rule(True, True, MembershipState.CANCELLED),
    MembershipAction.ACCEPT: _Rule(True, False, MembershipState.ACCEPTED),
    MembershipAction.REJECT: _Rule(True, False, MembershipState.REJECTED),
    MembershipAction.REMOVE: _Rule(False, False, MembershipState.REMOVED),
}


def join(astakos: SandboxAstakos, user: User, name: str | int) -> Membership:
    """Ask to be a member; a private project can be joined by anybody who knows the uuid."""
    database = astakos.database
    project = find_project(astakos, name)
    _require_open(project)
    row = database.membership(user.uuid, project.uuid)
    if row is not None and row.state.is_associated:
        raise ApiFaultError(409, f"The membership is {row.state}")
    at_once = project.join_policy is Policy.AUTO and _has_room(database, project)
    row = _enter(astakos, user.uuid, project, MembershipState.REQUESTED)
    return _enter(astakos, user.uuid, project, MembershipState.ACCEPTED) if at_once else row


def enroll(astakos: SandboxAstakos, caller: User, name: str | int, email: str) -> Membership:
    """Make a user a member without a request; `email` as the account spells it."""
    database = astakos.database
    user = database.user_by_name(email)
    if user is None or user.email != email or not user.is_accepted:
        raise ApiFaultError(409, "There is no such user")
    project = find_project(astakos, name, missing=409)
    if not user.is_active:
        raise ApiFaultError(409, "The user is inactive")
    if not is_in_charge(caller, project):
        raise ApiFaultError(403, "You are neither the owner nor an admin")
    _require_open(project)
    _require_room(database, project)
    row = database.membership(user.uuid, project.uuid)
    if row is not None and row.state.is_any_accepted:
        raise ApiFaultError(409, f"The membership is {row.state}")
    return _enter(astakos, user.uuid, project, MembershipState.ACCEPTED)


def act(astakos: SandboxAstakos, caller: User, row: Membership, action: MembershipAction) -> None:
    """Do something about a membership; raises `ApiFaultError`."""
    database = astakos.database
    _check(database, caller, row, action)
    project = database.projects[row.project]
    state = _RULES[action].to_state
    if action is MembershipAction.LEAVE and project.leave_policy is Policy.MODERATED:
        state = MembershipState.LEAVE_REQUESTED
    if state is MembershipState.REMOVED:
        database.reset_default_projects(project, user=row.user)
    _enter(astakos, row.user, project, state)


def allowed_actions(database: Database, caller: User, row: Membership) -> list[MembershipAction]:
    """Return the actions that would succeed for the caller at this moment."""
    allowed = []
    for action in MembershipAction:
        try:
            _check(database, caller, row, action)
        except ApiFaultError:
            continue
        allowed.append(action)
    return allowed


def may_see(database: Database, caller: User, row: Membership) -> bool:
    """Return whether it is the caller's own membership, or the caller's project."""
    return caller.uuid == row.user or is_in_charge(caller, database.projects[row.project])


def _check(database: Database, caller: User, row: Membership, action: MembershipAction) -> None:
    """Raise the fault that forbids the action, if any, in the API's order of checks."""
    project, rule = database.projects[row.project], _RULES[action]
    requested = row.state is MembershipState.REQUESTED
    if not (requested if rule.from_requested else row.state.is_any_accepted):
        raise ApiFaultError(409, f"The membership is {row.state}")
    if action is MembershipAction.ACCEPT and not database.users[row.user].is_active:
        raise ApiFaultError(409, "The user is inactive")
    allowed = caller.uuid == (row.user if rule.by_member else project.owner)
    if not (allowed or caller.is_admin):
        raise ApiFaultError(403, f"You cannot {action} this membership")
    if action is MembershipAction.ACCEPT:
        _require_open(project)
        _require_room(database, project)
    _require_alive(project)
    if not rule.from_requested and project.leave_policy is Policy.CLOSED:
        raise ApiFaultError(409, "Nobody can leave this project")


def _require_alive(project: Project) -> None:
    if not project.state.is_alive:
        raise ApiFaultError(409, f"The project is {project.state}")


def _require_open(project: Project) -> None:
    _require_alive(project)
    if project.join_policy is Policy.CLOSED:
        raise ApiFaultError(409, "Nobody can join this project")


def _has_room(database: Database, project: Project) -> bool:
    members = sum(row.state.is_any_accepted for row in database.members_of(project.uuid))
    return members < project.max_members


def _require_room(database: Database, project: Project) -> None:
    if not _has_room(database, project):
        raise ApiFaultError(409, "The project has as many members as it may have")


def _enter(
    astakos: SandboxAstakos, user: str, project: Project, state: MembershipState
) -> Membership:
    row = astakos.database.set_membership(user, project.uuid, state, astakos.clock.now())
    astakos.changed()
    return row
