"""The database as JSON and back, for state files and snapshots.

Tokens are in it too: they open nothing but a sandbox. Rows are converted by the types of their
fields, so that a new field needs no code here.
"""

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from astakos_worker.sandbox.database import Database
from astakos_worker.sandbox.database_rows import (
    Component,
    Membership,
    Project,
    ProjectApplication,
    Resource,
    Service,
    User,
)
from astakos_worker.sandbox.errors import StateFileError
from astakos_worker.sandbox.oauth import OAuthClient, OAuthCode, OAuthToken
from astakos_worker.sandbox.quota import Commission, Holding, HoldingKey

_VERSION: Final = 4


@dataclass(frozen=True, slots=True)
class _Content:
    """All rows, table by table."""

    version: int
    next_serial: int
    components: list[Component]
    services: list[Service]
    resources: list[Resource]
    users: list[User]
    projects: list[Project]
    applications: list[ProjectApplication]
    memberships: list[Membership]
    holdings: list[tuple[HoldingKey, Holding]]
    commissions: list[Commission]
    oauth_clients: list[OAuthClient]
    oauth_codes: list[OAuthCode]
    oauth_tokens: list[OAuthToken]


def dump_database(database: Database) -> dict[str, Any]:
    """Return all that a database holds, as JSON can hold it."""
    book, oauth = database.book, database.oauth
    content = _Content(
        version=_VERSION,
        next_serial=book.next_serial,
        components=list(database.components.values()),
        services=list(database.services.values()),
        resources=list(database.resources.values()),
        users=list(database.users.values()),
        projects=list(database.projects.values()),
        applications=list(database.applications.values()),
        memberships=list(database.memberships.values()),
        holdings=list(book.holdings.items()),
        commissions=list(book.commissions.values()),
        oauth_clients=list(oauth.clients.values()),
        oauth_codes=list(oauth.codes.values()),
        oauth_tokens=list(oauth.tokens.values()),
    )
    packed: dict[str, Any] = msgspec.to_builtins(content)
    return packed


def load_database(packed: dict[str, Any]) -> Database:
    """Return the database that `dump_database` wrote; raises `StateFileError`, or `ValueError`."""
    if packed.get("version") != _VERSION:
        raise StateFileError(
            f"the state is of version {packed.get('version')!r}, this sandbox reads {_VERSION}"
        )
    content, database = msgspec.convert(packed, _Content), Database()
    for component in content.components:
        database.add_component(component)
    for user in content.users:
        database.restore_user(user)
    for membership in content.memberships:
        database.restore_membership(membership)
    for commission in content.commissions:
        database.book.record(commission)
    database.services = {row.name: row for row in content.services}
    database.resources = {row.name: row for row in content.resources}
    database.projects = {row.uuid: row for row in content.projects}
    database.applications = {row.id: row for row in content.applications}
    database.oauth.clients = {row.id: row for row in content.oauth_clients}
    database.oauth.codes = {row.code: row for row in content.oauth_codes}
    database.oauth.tokens = {row.token: row for row in content.oauth_tokens}
    database.book.holdings = dict(content.holdings)
    database.book.next_serial = content.next_serial
    return database
