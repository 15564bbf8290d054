"""A seed: a readable TOML file that says with which rows the sandbox starts.

One table can make twenty users. What the file leaves out is derived from names (uuids with
`uuid5`), so that the same seed gives the same rows everywhere, and a test can compute a uuid.
`docs/sandbox.md` describes the format. The control interface adds rows through the same functions.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from importlib import resources
from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID, uuid5

from msgspec import to_builtins

from astakos_worker.sandbox.database import Database
from astakos_worker.sandbox.database_rows import (
    FAR_AWAY,
    FOUNDED,
    PROJECT_FIELDS,
    ApplicationBody,
    ApplicationState,
    Component,
    MembershipState,
    Policy,
    Project,
    ProjectCapacity,
    ProjectState,
    Resource,
    Service,
    User,
)
from astakos_worker.sandbox.errors import NameTakenError, SeedError, UnknownNameError
from astakos_worker.sandbox.input_tables import Document, Table
from astakos_worker.sandbox.oauth import OAuthClient, normalized
from astakos_worker.sandbox.quirks import Quirk
from astakos_worker.sandbox.quota import INT64_MAX

NEVER: Final = datetime(2099, 12, 31, tzinfo=UTC)
LONG_AGO: Final = datetime(2001, 1, 1, tzinfo=UTC)

# The root of all uuids that a seed does not give.
_NAMESPACE: Final = UUID("a57a405a-0000-4000-8000-5a9db0c5eed5")
# No client finds anything without these services. A seed may describe them otherwise.
_ASTAKOS: Final = Component("astakos", "sandbox-token-of-astakos", "/ui")
_OWN_SERVICES: Final[tuple[tuple[str, str, str, str, dict[str, str]], ...]] = (
    ("astakos_account", "account", "v1.0", "/account/v1.0", {"SNF:exposeVersion": "True"}),
    ("astakos_identity", "identity", "v2.0", "/identity/v2.0", {}),
    ("astakos_oauth2", "astakos_auth", "", "/oauth2", {}),
    ("astakos_weblogin", "astakos_weblogin", "v1.0", "/weblogin", {}),
)


# The token of a component or user for which the seed gives none begins so.
_TOKEN: Final = "sandbox-token-of-"  # noqa: S105 # opens nothing but a sandbox
# The flags of a `[[users]]` table: their fields, and their values if they are left out.
_USER_FLAGS: Final = {
    "active": ("is_active", True),
    "email_verified": ("email_verified", True),
    "signed_terms": ("has_signed_terms", True),
    "moderated": ("is_moderated", True),
    "rejected": ("is_rejected", False),
    "admin": ("is_admin", False),
}


class Seed(NamedTuple):
    """The content of a seed: the rows to start with, and the quirks that are on."""

    database: Database
    quirks: frozenset[Quirk]


def user_uuid(name: str) -> str:
    """Return the uuid of a seeded user whose table gives none."""
    return str(uuid5(_NAMESPACE, f"user:{name.lower()}"))


def project_uuid(name: str) -> str:
    """Return the uuid of a seeded project whose table gives none."""
    return str(uuid5(_NAMESPACE, f"project:{name}"))


def default_seed() -> str:
    """Return the text of the seed that is shipped."""
    return resources.files(__package__).joinpath("default.toml").read_text(encoding="utf-8")


def load_seed(seed: Path | str | None = None) -> Database:
    """Return the rows of a seed: a path, the text itself, or None for the shipped one.

    Raises:
        SeedError: the seed cannot be read or makes no sense.

    """
    return read_seed(seed).database


def read_seed(seed: Path | str | None = None) -> Seed:
    """Return all that a seed says; see `load_seed`."""
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


def _build(document: Document) -> Seed:
    document.only("quirks", *_TABLES)
    database = Database()
    for name, add in _TABLES.items():
        for table in document.tables(name):
            try:
                add(database, table)
            except (NameTakenError, UnknownNameError) as cause:
                raise table.error("", str(cause)) from cause
        if name == "component":
            _add_astakos(database)
    return Seed(database, document.top.choices("quirks", Quirk))


def add_component(database: Database, table: Table, _: datetime = FOUNDED) -> Component:
    """Add the component of a `[[component]]` table."""
    name = table.required("name", str)
    component = Component(
        name,
        table.get("token", str, f"{_TOKEN}{name}"),
        table.optional("url", str, None),
        LONG_AGO if table.get("expired", bool, default=False) else None,
        verbose_name=table.optional("verbose_name", str, None),
        order=table.optional("order", int, None),
        # As JSON: TOML also has dates.
        dashboard=to_builtins(table.inner("dashboard").contents()),
        cloudbar=to_builtins(table.inner("cloudbar").contents()),
    )
    table.finish()
    database.add_component(component)
    return component


def _add_astakos(database: Database) -> None:
    if _ASTAKOS.name not in database.components:
        try:
            database.add_component(replace(_ASTAKOS))
        except NameTakenError as cause:
            raise SeedError(f"{cause}: {_ASTAKOS.token!r} is that of Astakos itself") from cause
    for name, kind, version, path, more in _OWN_SERVICES:
        endpoint = {"versionId": version, "publicURL": path, **more}
        database.add_service(Service(name, kind, _ASTAKOS.name, (endpoint,)))


def _add_service(database: Database, table: Table) -> None:
    name, kind = table.required("name", str), table.required("type", str)
    component = table.required("component", str)
    endpoints = []
    for inner in table.inners("endpoints"):
        endpoint = {key: inner.get(key, str, "") for key in inner.names()}
        if "publicURL" not in endpoint:
            raise inner.error("publicURL", "is missing; give a URL, or a path of the sandbox")
        endpoints.append({"versionId": "", **endpoint})
    table.finish()
    try:
        database.add_service(Service(name, kind, component, tuple(endpoints)))
    except UnknownNameError as cause:
        raise table.error("component", f"{cause}; add a [[component]] first") from cause


def add_resource(database: Database, table: Table, _: datetime = FOUNDED) -> Resource:
    """Add the resource of a `[[resource]]` table; `visible` sets both visibilities."""
    visible = table.get("api_visible", bool, default=table.get("visible", bool, default=True))
    resource = Resource(
        name=table.required("name", str),
        service=table.required("service", str),
        description=table.get("description", str, ""),
        unit=table.optional("unit", str, None),
        api_visible=visible,
        ui_visible=table.get("ui_visible", bool, default=visible),
        system_default=table.quantity("system_default", INT64_MAX),
        project_default=table.quantity("project_default", 0 if visible else INT64_MAX),
    )
    table.finish()
    if resource.ui_visible and not resource.api_visible:
        raise table.error("ui_visible", "implies api_visible; set both, or neither")
    try:
        database.add_resource(resource)
    except UnknownNameError as cause:
        raise table.error("service", f"{cause}; add a [[service]] first") from cause
    return resource


def add_users(database: Database, table: Table, at: datetime = FOUNDED) -> User:
    """Add the users of a `[[users]]` table, and return the last one.

    One table gives `count` users; `%d` in name, token, first and last name is the number, from 1.
    """
    count, name = table.get("count", int, 1), table.required("name", str)
    if count < 1:
        raise table.error("count", "must be 1 or more")
    texts = {"name": name, "token": table.get("token", str, f"{_TOKEN}{name}")}
    texts["first_name"] = table.get("first_name", str, "Sandbox")
    texts["last_name"] = table.get("last_name", str, "User")
    uuid = table.optional("uuid", str, None)
    flags = {
        field: table.get(key, bool, default=default)
        for key, (field, default) in _USER_FLAGS.items()
    }
    expired = table.get("token_expired", bool, default=False)
    groups = table.strings("groups")
    state = table.choice("system_project", ProjectState.ACTIVE)
    if state not in {ProjectState.ACTIVE, ProjectState.SUSPENDED}:
        raise table.error("system_project", "must be one of: active, suspended")
    limits = _limits(database, table.inner("limits"))
    table.finish()
    for key in ("name", "token"):
        if count > 1 and _numbered(texts[key], 1) == texts[key]:
            raise table.error(key, f"needs a number such as %02d in it, to make {count} users")
    if uuid is not None and count > 1:
        raise table.error("uuid", f"cannot be the same for {count} users; leave it out")
    for number in range(1, count + 1):
        name, token, first, last = (_numbered(text, number) for text in texts.values())
        own = uuid or user_uuid(name)
        user = User(
            uuid=own,
            username=name.lower(),
            email=name,
            first_name=first,
            last_name=last,
            token=token,
            default_project=own,
            token_expires=LONG_AGO if expired else NEVER,
            groups=groups,
            **flags,
        )
        database.add_user(user, limits, suspended=state is ProjectState.SUSPENDED, at=at)
    return user


def add_project(database: Database, table: Table, at: datetime = FOUNDED) -> Project:
    """Add the project of a `[[project]]` table, with its members.

    A project with an owner has an application, as if it had been applied for and approved.
    """
    name = table.required("name", str)
    uuid = table.get("uuid", str, project_uuid(name))
    owner = None if "owner" not in table else database.user(table.required("owner", str)).uuid
    project = Project(
        uuid,
        name,
        state=table.choice("state", ProjectState.ACTIVE),
        is_system=False,
        owner=owner,
        capacities=_capacities(database, table),
        creation_date=at,
        end_date=table.moment("end_date", FAR_AWAY),
        homepage=table.get("homepage", str, ""),
        description=table.get("description", str, ""),
        join_policy=table.choice("join_policy", Policy.MODERATED),
        leave_policy=table.choice("leave_policy", Policy.AUTO),
        max_members=table.quantity("max_members", INT64_MAX),
        private=table.get("private", bool, default=False),
    )
    if project.state in {ProjectState.SUSPENDED, ProjectState.TERMINATED}:
        project.deactivation_date = at
    members: dict[str, None] = {}
    for pattern in table.strings("members"):
        matching = [user.uuid for user in database.users.values() if _matches(user, pattern)]
        if not matching:
            raise table.error("members", f"no user matches {pattern!r}")
        members.update(dict.fromkeys(matching))
    table.finish()
    if uuid in database.projects:
        raise table.error("name", f"there is a project {name!r} already")
    body = ApplicationBody(
        **{field: getattr(project, field) for field in PROJECT_FIELDS},
        comments="",
        resources=dict(project.capacities),
    )
    database.add_project(project)
    if owner is not None:
        state = _APPLICATION_OF.get(project.state, ApplicationState.APPROVED)
        database.add_application(project, owner, state, body)
        if state is ApplicationState.PENDING:
            for key in database.pending_app_holdings(owner):
                database.book.holdings[key].usage_min += 1
                database.book.holdings[key].usage_max += 1
    for member in members:
        database.set_membership(member, uuid, MembershipState.ACCEPTED, at)
    return project


# In which state the application of a seeded project is, if it was not approved.
_APPLICATION_OF: Final = {
    ProjectState.UNINITIALIZED: ApplicationState.PENDING,
    ProjectState.DELETED: ApplicationState.CANCELLED,
}


def add_oauth_client(database: Database, table: Table, _: datetime = FOUNDED) -> OAuthClient:
    """Add the client of an `[[oauth_client]]` table."""
    identifier, secret = table.required("id", str), table.optional("secret", str, None)
    usual = table.optional("redirect_uri", str, None)
    redirect_uris = (*([usual] if usual else ()), *table.strings("redirect_uris"))
    trusted = table.get("trusted", bool, default=False)
    table.finish()
    if not redirect_uris:
        raise table.error("redirect_uris", "must be a list of URLs, the usual one first")
    try:
        uris = tuple(map(normalized, redirect_uris))
    except ValueError as cause:
        raise table.error("redirect_uris", str(cause)) from cause
    client = OAuthClient(identifier, uris, secret, trusted)
    database.oauth.add_client(client)
    return client


def _add_oauth_token(database: Database, table: Table) -> None:
    """Add the access token of an `[[oauth_token]]` table."""
    token, user = table.required("token", str), database.user(table.required("user", str))
    client, scope = table.get("client", str, ""), table.get("scope", str, "")
    expires = table.moment("expires", NEVER)
    table.finish()
    if client and client not in database.oauth.clients:
        raise table.error("client", f"there is no OAuth client {client!r}")
    database.oauth.add_token(client, user.uuid, scope, expires, token)


_TABLES: Final[dict[str, Callable[[Database, Table], object]]] = {
    "component": add_component,
    "service": _add_service,
    "resource": add_resource,
    "users": add_users,
    "project": add_project,
    "oauth_client": add_oauth_client,
    "oauth_token": _add_oauth_token,
}


def _matches(user: User, pattern: str) -> bool:
    return pattern == user.uuid or fnmatchcase(user.username, pattern.lower())


def _require_resource(database: Database, table: Table, name: str) -> None:
    if name not in database.resources:
        raise table.error(name, "is no resource; add a [[resource]] first")


def _limits(database: Database, table: Table) -> dict[str, int]:
    for name in table.names():
        _require_resource(database, table, name)
    return {name: table.quantity(name) for name in table.names()}


def _capacities(database: Database, table: Table) -> dict[str, ProjectCapacity]:
    """The capacities of `resources`, or of the shorter `limits` and `member_limits`."""
    limits = _limits(database, table.inner("limits"))
    of_members = {**limits, **_limits(database, table.inner("member_limits"))}
    capacities = {name: ProjectCapacity(limit, of_members[name]) for name, limit in limits.items()}
    resources = table.inner("resources")
    for name in resources.names():
        _require_resource(database, resources, name)
        inner = resources.inner(name)
        capacities[name] = ProjectCapacity(
            inner.quantity("project", 0), inner.quantity("member", 0)
        )
        inner.finish()
    return capacities


def _numbered(pattern: str, number: int) -> str:
    """Put the number in place of a `%d` or `%02d`; any other percent sign stays."""
    return re.sub(
        r"%(0\d+)?d", lambda match: format(number, f"{match[1] or ''}d"), pattern, count=1
    )
