"""Controls that show the content of the sandbox: each answers one `GET` below `/_control/`."""

from astakos_worker.sandbox.api_messages import iso_time
from astakos_worker.sandbox.input_tables import Table
from astakos_worker.sandbox.quota import INT64_MAX
from astakos_worker.sandbox.sandbox import Sandbox


def show_holdings(sandbox: Sandbox, body: Table) -> object:
    """All holdings, or one holder's."""
    holder = body.optional("holder", str, None)
    return [
        {
            **key._asdict(),
            "limit": holding.limit,
            "usage_min": holding.usage_min,
            "usage_max": holding.usage_max,
        }
        for key, holding in sandbox.astakos.database.book.holdings.items()
        if holder in {None, key.holder}
    ]


def show_commissions(sandbox: Sandbox, body: Table) -> object:
    """The pending commissions by serial, all or one component's."""
    component = body.optional("component", str, None)
    return [
        {
            "serial": serial,
            "component": commission.component,
            "name": commission.name,
            "issue_time": iso_time(commission.issue_time),
            "provisions": [provision.describe() for provision in commission.provisions],
        }
        for serial, commission in sorted(sandbox.astakos.database.book.commissions.items())
        if component in {None, commission.component}
    ]


def show_world(sandbox: Sandbox, _: Table) -> object:
    """Users, components, projects and resources; tokens too, which open nothing but a sandbox."""
    database = sandbox.astakos.database
    return {
        "users": [
            {"uuid": user.uuid, "username": user.username, "token": user.token}
            for user in database.users.values()
        ],
        "components": [
            {"name": component.name, "token": component.token}
            for component in database.components.values()
        ],
        "projects": [
            {
                "uuid": project.uuid,
                "name": project.name,
                "state": project.state,
                "owner": project.owner,
                "members": [
                    row.user
                    for row in database.members_of(project.uuid)
                    if row.state.is_actually_accepted
                ],
            }
            for project in database.projects.values()
            if not project.is_system
        ],
        "resources": list(database.resources),
    }


def show_audit(sandbox: Sandbox, _: Table) -> object:
    """Requests, the most at once, and commissions' events."""
    audit = sandbox.astakos.audit
    requests: dict[str, dict[str, int]] = {}
    for (route, outcome), count in sorted(audit.requests.items()):
        requests.setdefault(route, {})[outcome] = count
    return {
        "requests": requests,
        "in_flight": {route: count for route, count in audit.in_flight.items() if count},
        "most_in_flight": audit.most_in_flight,
        "events": audit.events,
        "last_sequence": audit.last_sequence,
        "forgotten": audit.forgotten,
    }


def show_journal(sandbox: Sandbox, body: Table) -> object:
    """The events of commissions after a sequence number."""
    after, most = body.quantity("after", 0), body.quantity("limit", INT64_MAX)
    entries: list[object] = []
    for entry in sandbox.astakos.audit.journal:
        if entry.sequence > after:
            if len(entries) >= most:
                break
            entries.append(entry._asdict())
    return entries


def show_feedback(sandbox: Sandbox, _: Table) -> object:
    """The feedback of users."""
    return [entry._asdict() for entry in sandbox.astakos.audit.feedback]


def show_faults(sandbox: Sandbox, _: Table) -> object:
    """The fault rules in force, and how often each has struck."""
    plan = sandbox.faults
    rules = [rule.describe() for rule in plan.rules]
    return {"seed": plan.seed, "rules": rules, "hits": plan.hits}


def show_cost(sandbox: Sandbox, _: Table) -> object:
    """The cost model in force."""
    return sandbox.servers.model.describe()
