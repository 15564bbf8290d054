"""The database as JSON and back, for state files and snapshots.

Tokens are in it too: they open nothing but a sandbox. Rows are packed by the types of their
fields, so that a new field needs no code here.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_args, get_origin, get_type_hints

from astakos_worker.sandbox.database import Database
from astakos_worker.sandbox.errors import StateFileError
from astakos_worker.sandbox.oauth import OAuthClient, OAuthCode, OAuthToken
from astakos_worker.sandbox.quota import Commission, Holding, HoldingKey, Provision
from astakos_worker.sandbox.rows import (
    Component,
    Membership,
    Project,
    ProjectApplication,
    Resource,
    Service,
    User,
)

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping

Row = TypeVar("Row")

VERSION: Final = 3


def dump_database(database: Database) -> dict[str, Any]:
    """Everything that a database knows, as JSON can say it."""
    book, oauth = database.book, database.oauth
    tables: dict[str, Mapping[Any, object]] = {
        "components": database.components,
        "services": database.services,
        "resources": database.resources,
        "users": database.users,
        "projects": database.projects,
        "applications": database.applications,
        "memberships": database.memberships,
        "oauth_clients": oauth.clients,
        "oauth_codes": oauth.codes,
        "oauth_tokens": oauth.tokens,
    }
    return {
        "version": VERSION,
        **{name: [_pack(row) for row in table.values()] for name, table in tables.items()},
        "holdings": [
            [*key, holding.limit, holding.usage_min, holding.usage_max]
            for key, holding in book.holdings.items()
        ],
        "next_serial": book.next_serial,
        "commissions": [dump_commission(commission) for commission in book.commissions.values()],
    }


def load_database(content: dict[str, Any]) -> Database:
    """The database that `dump_database` wrote."""
    if content.get("version") != VERSION:
        raise StateFileError(
            f"the state is of version {content.get('version')!r}, this sandbox reads {VERSION}"
        )
    database = Database()

    def rows(table: str, kind: type[Row]) -> Iterator[Row]:
        return (_unpack(kind, values) for values in content[table])

    for component in rows("components", Component):
        database.add_component(component)
    for user in rows("users", User):
        database.restore_user(user)
    for membership in rows("memberships", Membership):
        database.restore_membership(membership)
    database.services = {row.name: row for row in rows("services", Service)}
    database.resources = {row.name: row for row in rows("resources", Resource)}
    database.projects = {row.uuid: row for row in rows("projects", Project)}
    database.applications = {row.id: row for row in rows("applications", ProjectApplication)}
    database.oauth.clients = {row.id: row for row in rows("oauth_clients", OAuthClient)}
    database.oauth.codes = {row.code: row for row in rows("oauth_codes", OAuthCode)}
    database.oauth.tokens = {row.token: row for row in rows("oauth_tokens", OAuthToken)}
    for holder, source, resource, *counters in content["holdings"]:
        database.book.holdings[HoldingKey(holder, source, resource)] = Holding(*counters)
    for values in content["commissions"]:
        database.book.record(load_commission(values))
    database.book.next_serial = content["next_serial"]
    return database


def dump_commission(commission: Commission) -> dict[str, object]:
    """A commission as JSON can say it."""
    return {
        "serial": commission.serial,
        "component": commission.component,
        "name": commission.name,
        "issue_time": commission.issue_time.isoformat(),
        "provisions": [list(provision) for provision in commission.provisions],
    }


def load_commission(values: dict[str, Any]) -> Commission:
    """The commission that `dump_commission` wrote."""
    return Commission(
        serial=values["serial"],
        component=values["component"],
        name=values["name"],
        issue_time=datetime.fromisoformat(values["issue_time"]),
        provisions=tuple(Provision(*provision) for provision in values["provisions"]),
    )


def _pack(value: Any) -> Any:
    """What JSON can say of a value."""
    if isinstance(value, datetime):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _pack(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {str(key): _pack(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [_pack(inner) for inner in value]
    return value


def _unpack(kind: type[Row], values: dict[str, Any]) -> Row:
    """The row of which `pack` said these values; a field that is not there keeps its default."""
    key: Any = kind
    hints = _hints(key)
    return kind(**{name: _revived(hints[name], value) for name, value in values.items()})


@cache
def _hints(kind: Hashable) -> dict[str, Any]:
    return get_type_hints(kind)


def _revived(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    if get_origin(hint) is not None:
        return _filled(hint, value)
    if is_dataclass(hint):
        kind: Any = hint
        return _unpack(kind, value)
    if hint is datetime:
        return datetime.fromisoformat(value)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return hint(value)
    return value


def _filled(hint: Any, value: Any) -> Any:
    """A type with types in it: `X | None`, a tuple, a dict."""
    inner = get_args(hint)
    if get_origin(hint) is tuple:
        return tuple(_revived(inner[0], element) for element in value)
    if get_origin(hint) is dict:
        return {_revived(inner[0], key): _revived(inner[1], each) for key, each in value.items()}
    return _revived(inner[0], value)
