"""What the control interface adds to a running world: users, components, resources, projects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astakos_worker.sandbox.control.body import Body, flag, number, seconds, text
from astakos_worker.sandbox.errors import ControlError, NameTakenError
from astakos_worker.sandbox.oauth import TOKEN_SECONDS, OAuthClient, normalized
from astakos_worker.sandbox.quota import INT64_MAX
from astakos_worker.sandbox.records import (
    Capacity,
    Component,
    MembershipState,
    Policy,
    Project,
    ProjectState,
    Resource,
    User,
)
from astakos_worker.sandbox.seed import NEVER, project_uuid, user_uuid

if TYPE_CHECKING:
    from astakos_worker.sandbox.sandbox import Sandbox
    from astakos_worker.sandbox.world import World


def add_user(sandbox: Sandbox, body: Body) -> object:
    """Add a user with a system project."""
    world = sandbox.astakos.world
    name = text(body, "name").lower()
    token = str(body.get("token", f"sandbox-token-of-{name}"))
    uuid = str(body.get("uuid", user_uuid(name)))
    limits = _quantities(world, body, "limits")
    user = User(
        uuid=uuid,
        username=name,
        first_name="Sandbox",
        last_name="User",
        token=token,
        default_project=uuid,
        token_expires=NEVER,
        is_admin=flag(body, "admin"),
    )
    world.add_user(user, limits)
    sandbox.astakos.changed()
    return {"uuid": uuid, "username": name, "token": token}


def add_component(sandbox: Sandbox, body: Body) -> object:
    """Add a component."""
    name = text(body, "name")
    component = Component(name, str(body.get("token", f"sandbox-token-of-{name}")))
    sandbox.astakos.world.add_component(component)
    sandbox.astakos.changed()
    return {"name": name, "token": component.token}


def add_resource(sandbox: Sandbox, body: Body) -> object:
    """Register a resource of a service that is there; every project gets it at once."""
    world = sandbox.astakos.world
    name = text(body, "name")
    if name in world.resources:
        raise NameTakenError(f"there is a resource {name!r} already")
    visible = flag(body, "visible", default=True)
    default = 0 if visible else INT64_MAX
    world.add_resource(
        Resource(
            name,
            text(body, "service"),
            api_visible=visible,
            ui_visible=visible,
            system_default=_quantity(body, "system_default", INT64_MAX),
            project_default=_quantity(body, "project_default", default),
        )
    )
    sandbox.astakos.changed()
    return {"name": name}


def add_project(sandbox: Sandbox, body: Body) -> object:
    """Add an active project with members, as if it had been applied for and approved."""
    world = sandbox.astakos.world
    name = text(body, "name")
    uuid = str(body.get("uuid", project_uuid(name)))
    owner = world.user(text(body, "owner")).uuid if "owner" in body else None
    names = body.get("members", [])
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise ControlError("members is a list of users' names or uuids")
    members = [world.user(each).uuid for each in names]
    if uuid in world.projects:
        raise NameTakenError(f"there is a project {name!r} already")
    limits, member_limits = (_quantities(world, body, key) for key in ("limits", "member_limits"))
    world.add_project(
        Project(
            uuid,
            name,
            ProjectState.ACTIVE,
            is_system=False,
            owner=owner,
            capacities={
                resource: Capacity(limit, member_limits.get(resource, limit))
                for resource, limit in limits.items()
            },
            creation_date=sandbox.astakos.clock.now(),
            join_policy=_policy(body, "join_policy", Policy.MODERATED),
            leave_policy=_policy(body, "leave_policy", Policy.AUTO),
            max_members=_quantity(body, "max_members", INT64_MAX),
            private=flag(body, "private"),
        )
    )
    for member in members:
        now = sandbox.astakos.clock.now()
        world.set_membership(member, uuid, MembershipState.ACCEPTED, now)
    sandbox.astakos.changed()
    return {"uuid": uuid, "name": name}


def add_oauth_client(sandbox: Sandbox, body: Body) -> object:
    """Register an application that may ask for users' tokens."""
    identifier, uri = text(body, "id"), text(body, "redirect_uri")
    secret = text(body, "secret") if "secret" in body else None
    try:
        uris = (normalized(uri),)
    except ValueError as cause:
        raise ControlError(f"redirect_uri makes no sense: {cause}") from cause
    client = OAuthClient(identifier, uris, secret, flag(body, "trusted"))
    sandbox.astakos.world.oauth.add_client(client)
    sandbox.astakos.changed()
    return {"id": identifier}


def add_oauth_token(sandbox: Sandbox, body: Body) -> object:
    """Make an access token of a user, as if a code had been exchanged for it."""
    astakos = sandbox.astakos
    user = astakos.world.user(text(body, "user"))
    scope = body.get("scope", "")
    if not isinstance(scope, str):
        raise ControlError("scope is a string")
    client = str(body.get("client", ""))
    lifetime = seconds(body, TOKEN_SECONDS)
    try:
        token = astakos.world.oauth.add_token(
            client, user.uuid, scope, astakos.clock.now(), lifetime
        )
    except OverflowError as cause:
        raise ControlError("seconds is too much; leave it out") from cause
    astakos.changed()
    return {"token": token.token}


def _policy(body: Body, name: str, default: Policy) -> Policy:
    value = str(body.get(name, default))
    if value not in set(Policy):
        raise ControlError(f"{name} is one of: {', '.join(Policy)}")
    return Policy(value)


def _quantity(body: Body, name: str, default: int) -> int:
    value = number(body, name, default)
    if not 0 <= value <= INT64_MAX:
        raise ControlError(f"{name} is between 0 and 2**63 - 1")
    return value


def _quantities(world: World, body: Body, name: str) -> dict[str, int]:
    limits = body.get(name, {})
    if not isinstance(limits, dict) or not all(
        resource in world.resources and type(limit) is int and 0 <= limit <= INT64_MAX
        for resource, limit in limits.items()
    ):
        raise ControlError(f"{name} are numbers between 0 and 2**63 - 1, by known resource")
    return limits
