"""A world as JSON and back: what a state file and a snapshot hold.

Everything a world knows is in it, tokens included: they are a sandbox's.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from astakos_worker.sandbox.errors import StateFileError
from astakos_worker.sandbox.quota import Commission, Holding, HoldingKey, Provision
from astakos_worker.sandbox.records import (
    Capacity,
    Component,
    Membership,
    MembershipState,
    Project,
    ProjectState,
    Resource,
    Service,
    User,
)
from astakos_worker.sandbox.world import World

VERSION: Final = 1


def dump_world(world: World) -> dict[str, object]:
    """Everything that a world knows, as JSON can say it."""
    book = world.book
    return {
        "version": VERSION,
        "components": [
            {**asdict(component), "token_expires": _time_or_none(component.token_expires)}
            for component in world.components.values()
        ],
        "services": [asdict(service) for service in world.services.values()],
        "resources": [asdict(resource) for resource in world.resources.values()],
        "users": [
            {**asdict(user), "token_expires": user.token_expires.isoformat()}
            for user in world.users.values()
        ],
        "projects": [asdict(project) for project in world.projects.values()],
        "memberships": [asdict(row) for row in world.memberships.values()],
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
    for values in content["components"]:
        expires = values["token_expires"]
        world.add_component(
            Component(**{**values, "token_expires": expires and datetime.fromisoformat(expires)})
        )
    for values in content["services"]:
        world.add_service(Service(**{**values, "endpoints": tuple(values["endpoints"])}))
    for values in content["resources"]:
        world.resources[values["name"]] = Resource(**values)
    for values in content["users"]:
        expires = datetime.fromisoformat(values["token_expires"])
        groups = tuple(values["groups"])
        world.restore_user(User(**{**values, "token_expires": expires, "groups": groups}))
    for values in content["projects"]:
        capacities = {name: Capacity(**each) for name, each in values["capacities"].items()}
        state = ProjectState(values["state"])
        project = Project(**{**values, "state": state, "capacities": capacities})
        world.projects[project.uuid] = project
    for values in content["memberships"]:
        standing = MembershipState(values["state"])
        world.restore_membership(Membership(**{**values, "state": standing}))
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


def _time_or_none(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None
