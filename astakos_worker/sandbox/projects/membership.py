"""Joining, enrolling, and what can become of a membership (the protocol, section 3.14)."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from astakos_worker.sandbox.errors import ApiFaultError
from astakos_worker.sandbox.projects.finding import find_project, reset_default_projects
from astakos_worker.sandbox.projects.visibility import is_in_charge
from astakos_worker.sandbox.records import MembershipState, Policy

if TYPE_CHECKING:
    from astakos_worker.sandbox.astakos import Astakos
    from astakos_worker.sandbox.records import Membership, Project, User
    from astakos_worker.sandbox.world import World


class Action(StrEnum):
    """What can be done about a membership, in the order in which the API lists them."""

    LEAVE = "leave"
    CANCEL = "cancel"
    ACCEPT = "accept"
    REJECT = "reject"
    REMOVE = "remove"


_BY_MEMBER: Final = frozenset({Action.LEAVE, Action.CANCEL})
_FROM_REQUESTED: Final = frozenset({Action.ACCEPT, Action.REJECT, Action.CANCEL})
_TO: Final = {
    Action.CANCEL: MembershipState.CANCELLED,
    Action.ACCEPT: MembershipState.ACCEPTED,
    Action.REJECT: MembershipState.REJECTED,
    Action.REMOVE: MembershipState.REMOVED,
}


def join(astakos: Astakos, user: User, name: str | int) -> Membership:
    """Ask to be a member; privacy does not matter to who knows the uuid."""
    world = astakos.world
    project = find_project(astakos, name)
    if project is None:
        raise ApiFaultError(404, "There is no such project")
    _require_alive(project)
    _require_open(project)
    row = world.membership(user.uuid, project.uuid)
    if row is not None and row.state.is_associated:
        raise ApiFaultError(409, f"The membership is {row.state}")
    at_once = project.join_policy is Policy.AUTO and _has_room(world, project)
    row = _enter(astakos, user.uuid, project, MembershipState.REQUESTED)
    if at_once:
        row = _enter(astakos, user.uuid, project, MembershipState.ACCEPTED)
    return row


def enroll(astakos: Astakos, caller: User, name: str | int, email: str) -> Membership:
    """Make somebody a member without being asked."""
    world = astakos.world
    user = world.user_by_name(email)
    if user is None or user.email != email or not user.is_accepted:
        raise ApiFaultError(409, "There is no such user")
    project = find_project(astakos, name)
    if project is None:
        raise ApiFaultError(409, "There is no such project")
    if not user.is_active:
        raise ApiFaultError(409, "The user is inactive")
    if not is_in_charge(caller, project):
        raise ApiFaultError(403, "You are neither the owner nor an admin")
    _require_alive(project)
    _require_open(project)
    _require_room(world, project)
    row = world.membership(user.uuid, project.uuid)
    if row is not None and row.state.is_any_accepted:
        raise ApiFaultError(409, f"The membership is {row.state}")
    return _enter(astakos, user.uuid, project, MembershipState.ACCEPTED)


def visible_membership(world: World, caller: User, number: int) -> Membership:
    """One membership, for the member, the project's owner and admins."""
    row = world.memberships.get(number)
    if row is None:
        raise ApiFaultError(404, "There is no such membership")
    if not _may_see(world, caller, row):
        raise ApiFaultError(403, "It is not your membership, nor your project")
    return row


def listed_memberships(world: World, caller: User, project: str | None) -> list[Membership]:
    """The caller's own and those of the caller's projects, or those of one project."""
    return [
        row
        for row in world.memberships.values()
        if _may_see(world, caller, row) and project in {None, row.project}
    ]


def act(astakos: Astakos, caller: User, number: int, action: Action) -> None:
    """Do something about a membership."""
    world = astakos.world
    row = world.memberships.get(number)
    if row is None:
        raise ApiFaultError(404, "There is no such membership")
    refusal = _refusal(world, caller, row, action)
    if refusal is not None:
        raise refusal
    project = world.projects[row.project]
    if action is Action.LEAVE:
        moderated = project.leave_policy is Policy.MODERATED
        state = MembershipState.LEAVE_REQUESTED if moderated else MembershipState.REMOVED
    else:
        state = _TO[action]
    if state is MembershipState.REMOVED:
        reset_default_projects(world, project, user=row.user)
    _enter(astakos, row.user, project, state)


def allowed_actions(world: World, caller: User, row: Membership) -> list[Action]:
    """What the caller could do about it at this moment."""
    return [action for action in Action if _refusal(world, caller, row, action) is None]


def _refusal(world: World, caller: User, row: Membership, action: Action) -> ApiFaultError | None:
    """Why the caller cannot do it, or None; the order of the questions is the API's."""
    project = world.projects[row.project]
    if action in _FROM_REQUESTED:
        fits = row.state is MembershipState.REQUESTED
    else:
        fits = row.state.is_any_accepted
    if not fits:
        return ApiFaultError(409, f"The membership is {row.state}")
    if action is Action.ACCEPT and not world.users[row.user].is_active:
        return ApiFaultError(409, "The user is inactive")
    by_member = action in _BY_MEMBER
    allowed = caller.uuid == row.user if by_member else caller.uuid == project.owner
    if not (allowed or caller.is_admin):
        return ApiFaultError(403, f"You cannot {action} this membership")
    try:
        _require_alive(project)
        if action is Action.ACCEPT:
            _require_open(project)
            _require_room(world, project)
    except ApiFaultError as refusal:
        return refusal
    if action in {Action.LEAVE, Action.REMOVE} and project.leave_policy is Policy.CLOSED:
        return ApiFaultError(409, "Nobody can leave this project")
    return None


def _may_see(world: World, caller: User, row: Membership) -> bool:
    return caller.uuid == row.user or is_in_charge(caller, world.projects[row.project])


def _require_alive(project: Project) -> None:
    if not project.state.is_alive:
        raise ApiFaultError(409, f"The project is {project.state}")


def _require_open(project: Project) -> None:
    if project.join_policy is Policy.CLOSED:
        raise ApiFaultError(409, "Nobody can join this project")


def _has_room(world: World, project: Project) -> bool:
    members = sum(row.state.is_any_accepted for row in world.members_of(project.uuid))
    return members < project.max_members


def _require_room(world: World, project: Project) -> None:
    if not _has_room(world, project):
        raise ApiFaultError(409, "The project has as many members as it may have")


def _enter(astakos: Astakos, user: str, project: Project, state: MembershipState) -> Membership:
    row = astakos.world.set_membership(user, project.uuid, state, astakos.clock.now())
    astakos.changed()
    return row
