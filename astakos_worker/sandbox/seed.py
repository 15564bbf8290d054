"""A seed: a readable TOML file that says what world the sandbox starts with.

Compact on purpose: one table makes twenty users. What the file leaves out is derived from names
(uuids with `uuid5`), so that the same seed makes the same world everywhere and a test can compute
what it needs. `docs/sandbox.md` describes the format.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from importlib import resources
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid5

from astakos_worker.sandbox.errors import NameTakenError, SeedError, UnknownNameError
from astakos_worker.sandbox.quota import INT64_MAX
from astakos_worker.sandbox.records import (
    Capacity,
    Component,
    MembershipState,
    Project,
    ProjectState,
    Resource,
    Service,
    User,
)
from astakos_worker.sandbox.toml_table import Document, Table
from astakos_worker.sandbox.world import World

if TYPE_CHECKING:
    from pathlib import Path

# The root of all uuids that a seed does not spell out.
NAMESPACE: Final = UUID("a57a405a-0000-4000-8000-5a9db0c5eed5")
NEVER: Final = datetime(2099, 12, 31, tzinfo=UTC)
LONG_AGO: Final = datetime(2001, 1, 1, tzinfo=UTC)

_UNITS: Final = {"": 0, "KiB": 10, "MiB": 20, "GiB": 30, "TiB": 40, "PiB": 50}
_QUANTITY: Final = re.compile(r"(\d+) ?([KMGTP]iB)?")


def user_uuid(name: str) -> str:
    """The uuid of a seeded user whose table gives none."""
    return str(uuid5(NAMESPACE, f"user:{name.lower()}"))


def project_uuid(name: str) -> str:
    """The uuid of a seeded project whose table gives none."""
    return str(uuid5(NAMESPACE, f"project:{name}"))


def default_seed() -> str:
    """The text of the seed that is shipped."""
    return resources.files(__package__).joinpath("default.toml").read_text(encoding="utf-8")


def load_seed(seed: Path | str | None = None) -> World:
    """Build the world of a seed: a path, the text itself, or None for the shipped one.

    Raises:
        SeedError: it cannot be read or makes no sense.

    """
    if seed is None:
        return _build(Document(default_seed(), "the default seed", SeedError))
    if isinstance(seed, str):
        return _build(Document(seed, "the seed", SeedError))
    try:
        text = seed.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as cause:
        raise SeedError(
            f"the seed {seed} cannot be read ({cause}); give the path of a TOML file, or leave it "
            f"out for the one that is shipped"
        ) from cause
    return _build(Document(text, str(seed), SeedError))


def _build(document: Document) -> World:
    document.only("component", "service", "resource", "users", "project")
    world = World()
    for table in document.tables("component"):
        _add_component(world, table)
    for table in document.tables("service"):
        _add_service(world, table)
    for table in document.tables("resource"):
        _add_resource(world, table)
    for table in document.tables("users"):
        _add_users(world, table)
    for table in document.tables("project"):
        _add_project(world, table)
    return world


def _add_component(world: World, table: Table) -> None:
    name, token = table.required("name", str), table.required("token", str)
    expired = table.get("expired", bool, default=False)
    url = table.optional("url", str, None)
    table.finish()
    try:
        world.add_component(Component(name, token, url, LONG_AGO if expired else None))
    except NameTakenError as cause:
        raise table.complaint("", str(cause)) from cause


def _add_service(world: World, table: Table) -> None:
    name, kind = table.required("name", str), table.required("type", str)
    component = table.required("component", str)
    endpoints = []
    for inner in table.inners("endpoints"):
        endpoint = {key: inner.required(key, str) for key in inner.names()}
        if "publicURL" not in endpoint:
            raise inner.complaint("publicURL", "is missing; give a URL, or a path of the sandbox")
        endpoints.append({"versionId": "", **endpoint})
    table.finish()
    try:
        world.add_service(Service(name, kind, component, tuple(endpoints)))
    except UnknownNameError as cause:
        raise table.complaint("component", f"{cause}; add a [[component]] first") from cause


def _add_resource(world: World, table: Table) -> None:
    visible = table.get("api_visible", bool, default=True)
    resource = Resource(
        name=table.required("name", str),
        service=table.required("service", str),
        description=table.get("description", str, ""),
        unit=table.optional("unit", str, None),
        api_visible=visible,
        ui_visible=table.get("ui_visible", bool, default=visible),
        system_default=_quantity(table, "system_default", INT64_MAX),
        project_default=_quantity(table, "project_default", 0 if visible else INT64_MAX),
    )
    table.finish()
    if resource.ui_visible and not resource.api_visible:
        raise table.complaint("ui_visible", "implies api_visible; set both, or neither")
    try:
        world.add_resource(resource)
    except UnknownNameError as cause:
        raise table.complaint("service", f"{cause}; add a [[service]] first") from cause


def _add_users(world: World, table: Table) -> None:
    """One table, `count` users; `%d` in name and token is the number, from 1."""
    count = table.get("count", int, 1)
    name, token = table.required("name", str), table.required("token", str)
    first, last = table.get("first_name", str, "Sandbox"), table.get("last_name", str, "User")
    uuid = table.optional("uuid", str, None)
    active = table.get("active", bool, default=True)
    verified = table.get("email_verified", bool, default=True)
    signed = table.get("signed_terms", bool, default=True)
    expired = table.get("token_expired", bool, default=False)
    limits = _quantities(world, table.inner("limits"))
    table.finish()
    for key, pattern in (("name", name), ("token", token)):
        if count > 1 and _numbered(pattern, 1) == pattern:
            raise table.complaint(key, f"needs a number such as %02d in it, to make {count} users")
    if uuid is not None and count > 1:
        raise table.complaint("uuid", f"cannot be the same for {count} users; leave it out")
    for number in range(1, count + 1):
        username = _numbered(name, number).lower()
        user = User(
            uuid=uuid or user_uuid(username),
            username=username,
            first_name=_numbered(first, number),
            last_name=_numbered(last, number),
            token=_numbered(token, number),
            default_project=uuid or user_uuid(username),
            token_expires=LONG_AGO if expired else NEVER,
            is_active=active,
            email_verified=verified,
            has_signed_terms=signed,
        )
        try:
            world.add_user(user, limits)
        except NameTakenError as cause:
            raise table.complaint("", str(cause)) from cause


def _add_project(world: World, table: Table) -> None:
    name = table.required("name", str)
    owner = table.optional("owner", str, None)
    uuid = table.get("uuid", str, project_uuid(name))
    state = table.get("state", str, "active")
    patterns = [*table.get("members", list, [])]
    capacities = {}
    mentioned = table.inner("resources")
    for resource in mentioned.names():
        if resource not in world.resources:
            raise mentioned.complaint(resource, "is no resource; add a [[resource]] first")
        inner = mentioned.inner(resource)
        capacity = Capacity(_quantity(inner, "project", 0), _quantity(inner, "member", 0))
        inner.finish()
        capacities[resource] = capacity
    table.finish()
    if state not in set(ProjectState):
        raise table.complaint("state", f"must be one of: {', '.join(ProjectState)}")
    if uuid in world.projects:
        raise table.complaint("name", f"there is a project {name!r} already")
    found = None if owner is None else world.user_by_name(owner)
    if owner is not None and found is None:
        raise table.complaint("owner", f"there is no user {owner!r}")
    world.add_project(
        Project(uuid, name, ProjectState(state), False, found.uuid if found else None, capacities)
    )
    for pattern in patterns:
        members = [
            user.uuid for user in world.users.values() if fnmatchcase(user.username, str(pattern))
        ]
        if not members:
            raise table.complaint("members", f"no user matches {pattern!r}")
        for member in members:
            world.set_membership(member, uuid, MembershipState.ACCEPTED)


def _quantities(world: World, table: Table) -> dict[str, int]:
    quantities = {}
    for resource in table.names():
        if resource not in world.resources:
            raise table.complaint(resource, "is no resource; add a [[resource]] first")
        quantities[resource] = _quantity(table, resource, 0)
    return quantities


def _quantity(table: Table, key: str, default: int) -> int:
    """A number, a string with a binary unit such as "20 GiB", or "unlimited"."""
    if key not in table:
        table.optional(key, int, None)
        return default
    try:
        text = table.required(key, str)
    except SeedError:
        quantity = table.required(key, int)
    else:
        match = _QUANTITY.fullmatch(text)
        if text == "unlimited":
            return INT64_MAX
        if match is None:
            raise table.complaint(key, f'{text!r} is no quantity; write 7, "20 GiB" or "unlimited"')
        quantity = int(match[1]) << _UNITS[match[2] or ""]
    if not 0 <= quantity <= INT64_MAX:
        raise table.complaint(key, "must be between 0 and 2**63 - 1")
    return quantity


def _numbered(pattern: str, number: int) -> str:
    """Put the number in place of a `%d` or `%02d`; any other percent sign stays."""
    return re.sub(
        r"%(0\d+)?d", lambda match: format(number, f"{match[1] or ''}d"), pattern, count=1
    )
