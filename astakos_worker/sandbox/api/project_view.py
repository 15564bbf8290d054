"""How the API shows projects, applications and memberships (the protocol, section 3.11, 3.14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astakos_worker.sandbox.projects.membership import allowed_actions
from astakos_worker.sandbox.projects.visibility import is_in_charge

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from astakos_worker.sandbox.astakos import Astakos
    from astakos_worker.sandbox.records import Application, Capacity, Membership, Project, User


def describe_project(astakos: Astakos, caller: User, project: Project) -> dict[str, object]:
    """A project object; what is being applied for is for its owner and admins."""
    shown: dict[str, object] = {
        "id": project.uuid,
        "state": project.state,
        "name": project.name,
        "owner": project.owner,
        "creation_date": astakos.time(project.creation_date),
        "end_date": astakos.time(project.end_date),
        "homepage": project.homepage,
        "description": project.description,
        "join_policy": project.join_policy,
        "leave_policy": project.leave_policy,
        "max_members": project.max_members,
        "private": project.private,
        "system_project": project.is_system,
        "resources": _visible_capacities(astakos, project.capacities),
    }
    if is_in_charge(caller, project):
        if project.last_application is not None:
            application = astakos.world.applications[project.last_application]
            shown["last_application"] = _describe_application(astakos, application)
        if project.deactivation_date is not None:
            shown["deactivation_date"] = astakos.time(project.deactivation_date)
    return shown


def describe_membership(astakos: Astakos, caller: User, row: Membership) -> dict[str, object]:
    """A membership object, with what the caller could do about it."""
    return {
        "id": row.id,
        "user": row.user,
        "project": row.project,
        "state": row.state,
        "allowed_actions": allowed_actions(astakos.world, caller, row),
        **{state: astakos.time(moment) for state, moment in row.since.items()},
    }


def _describe_application(astakos: Astakos, application: Application) -> dict[str, object]:
    wishes = application.wishes
    return {
        "id": application.id,
        "applicant": application.applicant,
        "state": application.state,
        "name": wishes.name,
        "owner": wishes.owner,
        "homepage": wishes.homepage,
        "description": wishes.description,
        "comments": wishes.comments,
        "start_date": _time_or_none(astakos, wishes.start_date),
        "end_date": _time_or_none(astakos, wishes.end_date),
        "join_policy": wishes.join_policy,
        "leave_policy": wishes.leave_policy,
        "max_members": wishes.max_members,
        "private": wishes.private,
        "resources": _visible_capacities(astakos, wishes.resources),
    }


def _visible_capacities(
    astakos: Astakos, capacities: Mapping[str, Capacity]
) -> dict[str, dict[str, int]]:
    return {
        name: {"project_capacity": capacity.project, "member_capacity": capacity.member}
        for name, capacity in capacities.items()
        if astakos.world.resources[name].api_visible
    }


def _time_or_none(astakos: Astakos, moment: datetime | None) -> str | None:
    return None if moment is None else astakos.time(moment)
