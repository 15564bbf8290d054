"""A seed: a readable TOML file that says what world the sandbox starts with.

Compact on purpose: one table makes twenty users. What the file leaves out is derived from names
(uuids with `uuid5`), so that the same seed makes the same world everywhere and a test can compute
what it needs. `docs/sandbox.md` describes the format.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from importlib import resources
from typing import TYPE_CHECKING, Final

from astakos_worker.sandbox.errors import NameTakenError, SeedError, UnknownNameError
from astakos_worker.sandbox.oauth import OAuthClient, normalized
from astakos_worker.sandbox.quantities import quantity_in
from astakos_worker.sandbox.quota import INT64_MAX
from astakos_worker.sandbox.records import Component, Resource, Service, User
from astakos_worker.sandbox.seed_projects import add_project, project_uuid, uuid_of
from astakos_worker.sandbox.toml_table import Document, Table
from astakos_worker.sandbox.world import World

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["LONG_AGO", "NEVER", "default_seed", "load_seed", "project_uuid", "user_uuid"]

NEVER: Final = datetime(2099, 12, 31, tzinfo=UTC)
LONG_AGO: Final = datetime(2001, 1, 1, tzinfo=UTC)

# Without these no client finds anything; a seed may say otherwise under the same names.
_ASTAKOS: Final = Component("astakos", "sandbox-token-of-astakos", "/ui")
_OWN_SERVICES: Final[tuple[tuple[str, str, str, str, dict[str, str]], ...]] = (
    ("astakos_account", "account", "v1.0", "/account/v1.0", {"SNF:exposeVersion": "True"}),
    ("astakos_identity", "identity", "v2.0", "/identity/v2.0", {}),
    ("astakos_oauth2", "astakos_auth", "", "/oauth2", {}),
    ("astakos_weblogin", "astakos_weblogin", "v1.0", "/weblogin", {}),
)


def user_uuid(name: str) -> str:
    """The uuid of a seeded user whose table gives none."""
    return uuid_of("user", name.lower())


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
    document.only("component", "service", "resource", "users", "project", "oauth_client")
    world = World()
    for table in document.tables("component"):
        _add_component(world, table)
    _add_astakos(world)
    for table in document.tables("service"):
        _add_service(world, table)
    for table in document.tables("resource"):
        _add_resource(world, table)
    for table in document.tables("users"):
        _add_users(world, table)
    for table in document.tables("project"):
        add_project(world, table)
    for table in document.tables("oauth_client"):
        _add_oauth_client(world, table)
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


def _add_astakos(world: World) -> None:
    if _ASTAKOS.name not in world.components:
        try:
            world.add_component(replace(_ASTAKOS))
        except NameTakenError as cause:
            raise SeedError(f"{cause}: {_ASTAKOS.token!r} is that of Astakos itself") from cause
    for name, kind, version, path, more in _OWN_SERVICES:
        endpoint = {"versionId": version, "publicURL": path, **more}
        world.add_service(Service(name, kind, _ASTAKOS.name, (endpoint,)))


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
        system_default=quantity_in(table, "system_default", INT64_MAX),
        project_default=quantity_in(table, "project_default", 0 if visible else INT64_MAX),
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
    moderated = table.get("moderated", bool, default=True)
    rejected = table.get("rejected", bool, default=False)
    admin = table.get("admin", bool, default=False)
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
            is_moderated=moderated,
            is_rejected=rejected,
            is_admin=admin,
        )
        try:
            world.add_user(user, limits)
        except NameTakenError as cause:
            raise table.complaint("", str(cause)) from cause


def _add_oauth_client(world: World, table: Table) -> None:
    identifier, secret = table.required("id", str), table.optional("secret", str, None)
    redirect_uris = table.get("redirect_uris", list, [])
    trusted = table.get("trusted", bool, default=False)
    table.finish()
    if not redirect_uris or not all(isinstance(uri, str) for uri in redirect_uris):
        raise table.complaint("redirect_uris", "must be a list of URLs, the usual one first")
    try:
        uris = tuple(map(normalized, redirect_uris))
        world.oauth.add_client(OAuthClient(identifier, uris, secret, trusted))
    except (NameTakenError, ValueError) as cause:
        raise table.complaint("", str(cause)) from cause


def _quantities(world: World, table: Table) -> dict[str, int]:
    quantities = {}
    for resource in table.names():
        if resource not in world.resources:
            raise table.complaint(resource, "is no resource; add a [[resource]] first")
        quantities[resource] = quantity_in(table, resource, 0)
    return quantities


def _numbered(pattern: str, number: int) -> str:
    """Put the number in place of a `%d` or `%02d`; any other percent sign stays."""
    return re.sub(
        r"%(0\d+)?d", lambda match: format(number, f"{match[1] or ''}d"), pattern, count=1
    )
