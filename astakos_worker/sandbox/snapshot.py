"""A world as JSON and back: what a state file and a snapshot hold.

Everything a world knows is in it, tokens included: they are a sandbox's.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from astakos_worker.sandbox.errors import StateFileError
from astakos_worker.sandbox.oauth import OAuthClient, OAuthCode, OAuthToken
from astakos_worker.sandbox.quota import Commission, Holding, HoldingKey, Provision
from astakos_worker.sandbox.records import (
    Application,
    Component,
    Membership,
    Project,
    Resource,
    Service,
    User,
)
from astakos_worker.sandbox.rows_as_json import pack, unpack
from astakos_worker.sandbox.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Row = TypeVar("Row")

VERSION: Final = 3


def dump_world(world: World) -> dict[str, Any]:
    """Everything that a world knows, as JSON can say it."""
    book, oauth = world.book, world.oauth
    tables: dict[str, Mapping[Any, object]] = {
        "components": world.components,
        "services": world.services,
        "resources": world.resources,
        "users": world.users,
        "projects": world.projects,
        "applications": world.applications,
        "memberships": world.memberships,
        "oauth_clients": oauth.clients,
        "oauth_codes": oauth.codes,
        "oauth_tokens": oauth.tokens,
    }
    return {
        "version": VERSION,
        **{name: [pack(row) for row in table.values()] for name, table in tables.items()},
        "holdings": [
            [*key, holding.limit, holding.usage_min, holding.usage_max]
            for key, holding in book.holdings.items()
        ],
        "next_serial": book.next_serial,
        "commissions": [dump_commission(commission) for commission in book.commissions.values()],
    }


def load_world(content: dict[str, Any]) -> World:
    """The world that `dump_world` wrote."""
    if content.get("version") != VERSION:
        raise StateFileError(
            f"the state is of version {content.get('version')!r}, this sandbox reads {VERSION}"
        )
    world = World()

    def rows(table: str, kind: type[Row]) -> Iterator[Row]:
        return (unpack(kind, values) for values in content[table])

    for component in rows("components", Component):
        world.add_component(component)
    for user in rows("users", User):
        world.restore_user(user)
    for membership in rows("memberships", Membership):
        world.restore_membership(membership)
    world.services = {row.name: row for row in rows("services", Service)}
    world.resources = {row.name: row for row in rows("resources", Resource)}
    world.projects = {row.uuid: row for row in rows("projects", Project)}
    world.applications = {row.id: row for row in rows("applications", Application)}
    world.oauth.clients = {row.id: row for row in rows("oauth_clients", OAuthClient)}
    world.oauth.codes = {row.code: row for row in rows("oauth_codes", OAuthCode)}
    world.oauth.tokens = {row.token: row for row in rows("oauth_tokens", OAuthToken)}
    for holder, source, resource, *counters in content["holdings"]:
        world.book.holdings[HoldingKey(holder, source, resource)] = Holding(*counters)
    for values in content["commissions"]:
        world.book.record(load_commission(values))
    world.book.next_serial = content["next_serial"]
    return world


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
