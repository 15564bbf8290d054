"""What the control interface shows: each function answers one `GET` below `/_control/`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astakos_worker.sandbox.quota import INT64_MAX
from astakos_worker.sandbox.wire import iso_time

if TYPE_CHECKING:
    from astakos_worker.sandbox.input_tables import Table
    from astakos_worker.sandbox.sandbox import Sandbox


def show_holdings(sandbox: Sandbox, body: Table) -> object:
    """All holdings, or one holder's."""
    holder = body.optional("holder", str, None)
    return [
        {
            "holder": key.holder,
            "source": key.source,
            "resource": key.resource,
            "limit": holding.limit,
            "usage_min": holding.usage_min,
            "usage_max": holding.usage_max,
        }
        for key, holding in sandbox.astakos.world.book.holdings.items()
        if holder is None or key.holder == holder
    ]


def show_commissions(sandbox: Sandbox, body: Table) -> object:
    """The pending commissions, all or one component's."""
    component = body.optional("component", str, None)
    return [
        {
            "serial": commission.serial,
            "component": commission.component,
            "name": commission.name,
            "issue_time": iso_time(commission.issue_time),
            "provisions": [provision.describe() for provision in commission.provisions],
        }
        for commission in sorted(
            sandbox.astakos.world.book.commissions.values(), key=lambda each: each.serial
        )
        if component is None or commission.component == component
    ]


def show_world(sandbox: Sandbox, body: Table) -> object:  # noqa: ARG001 # no parameters
    """Who and what there is, tokens included: they are a sandbox's."""
    world = sandbox.astakos.world
    return {
        "users": [
            {"uuid": user.uuid, "username": user.username, "token": user.token}
            for user in world.users.values()
        ],
        "components": [
            {"name": component.name, "token": component.token}
            for component in world.components.values()
        ],
        "projects": [
            {
                "uuid": project.uuid,
                "name": project.name,
                "state": project.state,
                "owner": project.owner,
                "members": [
                    row.user
                    for row in world.memberships.values()
                    if row.project == project.uuid and row.state.is_actually_accepted
                ],
            }
            for project in world.projects.values()
            if not project.is_system
        ],
        "resources": list(world.resources),
    }


def show_audit(sandbox: Sandbox, body: Table) -> object:  # noqa: ARG001 # no parameters
    """Requests, the most at once, and commissions' events."""
    audit = sandbox.astakos.audit
    requests: dict[str, dict[str, int]] = {}
    for (route, outcome), count in sorted(audit.requests.items()):
        requests.setdefault(route, {})[outcome] = count
    return {
        "requests": requests,
        "in_flight": {route: count for route, count in audit.in_flight.items() if count},
        "most_in_flight": dict(audit.most_in_flight),
        "events": dict(audit.events),
        "last_sequence": audit.last_sequence,
        "forgotten": audit.forgotten,
    }


def show_journal(sandbox: Sandbox, body: Table) -> object:
    """What happened to commissions, after a sequence number."""
    after, most = body.quantity("after", 0), body.quantity("limit", INT64_MAX)
    entries: list[object] = []
    for entry in sandbox.astakos.audit.journal:
        if entry.sequence > after:
            if len(entries) >= most:
                break
            entries.append(entry._asdict())
    return entries


def show_feedback(sandbox: Sandbox, body: Table) -> object:  # noqa: ARG001 # no parameters
    """What users said."""
    return [entry._asdict() for entry in sandbox.astakos.audit.feedback]


def show_faults(sandbox: Sandbox, body: Table) -> object:  # noqa: ARG001 # no parameters
    """The fault rules in force and how often each has struck."""
    plan = sandbox.faults
    return {
        "seed": plan.seed,
        "rules": [rule.describe() for rule in plan.rules],
        "hits": plan.hits,
    }


def show_cost(sandbox: Sandbox, body: Table) -> object:  # noqa: ARG001 # no parameters
    """The cost model in force."""
    return sandbox.servers.model.describe()
