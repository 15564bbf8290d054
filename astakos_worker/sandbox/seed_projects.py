"""The projects of a seed, and the uuids of what a seed names without giving one."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, TypeVar
from uuid import UUID, uuid5

from astakos_worker.sandbox.quantities import quantity_in
from astakos_worker.sandbox.quota import INT64_MAX
from astakos_worker.sandbox.records import (
    FAR_AWAY,
    Capacity,
    MembershipState,
    Policy,
    Project,
    ProjectState,
)

if TYPE_CHECKING:
    from astakos_worker.sandbox.toml_table import Table
    from astakos_worker.sandbox.world import World

Choice = TypeVar("Choice", bound=StrEnum)

# The root of all uuids that a seed does not spell out.
NAMESPACE: Final = UUID("a57a405a-0000-4000-8000-5a9db0c5eed5")


def uuid_of(kind: str, name: str) -> str:
    """The uuid of something that has a name only: the same everywhere."""
    return str(uuid5(NAMESPACE, f"{kind}:{name}"))


def project_uuid(name: str) -> str:
    """The uuid of a seeded project whose table gives none."""
    return uuid_of("project", name)


def add_project(world: World, table: Table) -> None:
    """One table, one project with its members."""
    name = table.required("name", str)
    uuid = table.get("uuid", str, project_uuid(name))
    patterns = [*table.get("members", list, [])]
    project = Project(
        uuid,
        name,
        state=_choice(table, "state", ProjectState.ACTIVE),
        is_system=False,
        owner=_owner(world, table),
        capacities=_capacities(world, table.inner("resources")),
        end_date=_end_date(table),
        homepage=table.get("homepage", str, ""),
        description=table.get("description", str, ""),
        join_policy=_choice(table, "join_policy", Policy.MODERATED),
        leave_policy=_choice(table, "leave_policy", Policy.AUTO),
        max_members=quantity_in(table, "max_members", INT64_MAX),
        private=table.get("private", bool, default=False),
    )
    table.finish()
    if uuid in world.projects:
        raise table.complaint("name", f"there is a project {name!r} already")
    world.add_project(project)
    for pattern in patterns:
        members = [
            user.uuid for user in world.users.values() if fnmatchcase(user.username, str(pattern))
        ]
        if not members:
            raise table.complaint("members", f"no user matches {pattern!r}")
        for member in members:
            world.set_membership(member, uuid, MembershipState.ACCEPTED)


def _owner(world: World, table: Table) -> str | None:
    name = table.optional("owner", str, None)
    found = None if name is None else world.user_by_name(name)
    if name is not None and found is None:
        raise table.complaint("owner", f"there is no user {name!r}")
    return None if found is None else found.uuid


def _capacities(world: World, mentioned: Table) -> dict[str, Capacity]:
    capacities = {}
    for resource in mentioned.names():
        if resource not in world.resources:
            raise mentioned.complaint(resource, "is no resource; add a [[resource]] first")
        inner = mentioned.inner(resource)
        capacity = Capacity(quantity_in(inner, "project", 0), quantity_in(inner, "member", 0))
        inner.finish()
        capacities[resource] = capacity
    return capacities


def _end_date(table: Table) -> datetime:
    moment = table.get("end_date", datetime, FAR_AWAY)
    if moment.tzinfo is None:
        raise table.complaint("end_date", "lacks a time zone; add a Z, or +02:00")
    return moment


def _choice(table: Table, key: str, default: Choice) -> Choice:
    kind = type(default)
    text = table.get(key, str, str(default))
    if text not in set(kind):
        raise table.complaint(key, f"must be one of: {', '.join(kind)}")
    return kind(text)
