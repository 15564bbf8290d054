"""The control interface, under `/_control/`: look into the sandbox, and steer it.

It is no part of Astakos: it asks for no token, no fault befalls it and no counter counts it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from astakos_worker.sandbox.astakos import Quirk
from astakos_worker.sandbox.cost import PRESETS, CostModel
from astakos_worker.sandbox.errors import ControlError, FaultRuleError, UnknownNameError
from astakos_worker.sandbox.faults import Rule
from astakos_worker.sandbox.quota import INT64_MAX, HoldingKey
from astakos_worker.sandbox.seed import NEVER, user_uuid
from astakos_worker.sandbox.wire import Reply, iso_time, reply_json
from astakos_worker.sandbox.world import Component, User

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from astakos_worker.sandbox.sandbox import Sandbox
    from astakos_worker.sandbox.wire import Request

    Body = Mapping[str, object]
    Action = Callable[[Sandbox, Body], object]

PREFIX: Final = "/_control/"


def serve_control(sandbox: Sandbox, request: Request) -> Reply:
    """Answer a request to the control interface; errors are `{"error": "what to do"}`."""
    action = _ACTIONS.get((request.method, request.path.removeprefix(PREFIX).rstrip("/")))
    if action is None:
        known = ", ".join(f"{method} {PREFIX}{path}" for method, path in sorted(_ACTIONS))
        return reply_json({"error": f"there is no such control; there is: {known}"}, 404)
    try:
        return reply_json(action(sandbox, _body_of(request)))
    except UnknownNameError as error:
        return reply_json({"error": str(error)}, 404)
    except (ControlError, FaultRuleError) as error:
        return reply_json({"error": str(error)}, 400)


def _body_of(request: Request) -> Body:
    """A JSON object; parameters of a query count too, for whoever steers with `curl`."""
    values: dict[str, object] = {name: each[-1] for name, each in request.query.items()}
    if not request.body:
        return values
    try:
        content = json.loads(request.body)
    except ValueError as cause:
        raise ControlError(f"the body is not valid JSON: {cause}") from cause
    if not isinstance(content, dict):
        raise ControlError("the body must be a JSON object")
    return {**values, **content}


# Looking


def _show_holdings(sandbox: Sandbox, body: Body) -> object:
    holder = body.get("holder")
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


def _show_commissions(sandbox: Sandbox, body: Body) -> object:
    component = body.get("component")
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


def _show_world(sandbox: Sandbox, body: Body) -> object:  # noqa: ARG001 # no parameters
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


def _show_audit(sandbox: Sandbox, body: Body) -> object:  # noqa: ARG001 # no parameters
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


def _show_journal(sandbox: Sandbox, body: Body) -> object:
    after, most = _number(body, "after", 0), _number(body, "limit", INT64_MAX)
    entries: list[object] = []
    for entry in sandbox.astakos.audit.journal:
        if entry.sequence > after:
            if len(entries) >= most:
                break
            entries.append(entry._asdict())
    return entries


def _show_faults(sandbox: Sandbox, body: Body) -> object:  # noqa: ARG001 # no parameters
    plan = sandbox.faults
    return {
        "seed": plan.seed,
        "rules": [rule.describe() for rule in plan.rules],
        "hits": plan.hits,
    }


def _show_cost(sandbox: Sandbox, body: Body) -> object:  # noqa: ARG001 # no parameters
    return sandbox.servers.model.describe()


# Steering


def _set_limit(sandbox: Sandbox, body: Body) -> object:
    source = body.get("source")
    if source is not None and not isinstance(source, str):
        raise ControlError("source is a string or null")
    key = HoldingKey(_text(body, "holder"), source, _text(body, "resource"))
    limit = _number(body, "limit")
    if not 0 <= limit <= INT64_MAX:
        raise ControlError("limit is between 0 and 2**63 - 1")
    sandbox.astakos.world.book.change_limit(key, limit)
    sandbox.astakos.changed()
    return {}


def _add_user(sandbox: Sandbox, body: Body) -> object:
    world = sandbox.astakos.world
    name = _text(body, "name").lower()
    if world.user_by_name(name) is not None:
        raise ControlError(f"there is a user {name!r} already")
    token = str(body.get("token", f"sandbox-token-of-{name}"))
    if world.user_by_token(token) is not None:
        raise ControlError("another user has that token; give each their own")
    uuid = str(body.get("uuid", user_uuid(name)))
    limits = body.get("limits", {})
    if not isinstance(limits, dict) or not all(type(limit) is int for limit in limits.values()):
        raise ControlError("limits are numbers by resource")
    world.add_user(
        User(
            uuid=uuid,
            username=name,
            first_name="Sandbox",
            last_name="User",
            token=token,
            default_project=uuid,
            token_expires=NEVER,
        ),
        limits,
    )
    sandbox.astakos.changed()
    return {"uuid": uuid, "username": name, "token": token}


def _add_component(sandbox: Sandbox, body: Body) -> object:
    name = _text(body, "name")
    if name in sandbox.astakos.world.components:
        raise ControlError(f"there is a component {name!r} already")
    component = Component(name, str(body.get("token", f"sandbox-token-of-{name}")))
    sandbox.astakos.world.add_component(component)
    sandbox.astakos.changed()
    return {"name": name, "token": component.token}


def _set_faults(sandbox: Sandbox, body: Body) -> object:
    rules = body.get("rules", [])
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        raise ControlError("rules is a list of objects, each with at least a kind")
    sandbox.set_faults([Rule.of(rule) for rule in rules], _number(body, "seed", 0))
    return _show_faults(sandbox, {})


def _clear_faults(sandbox: Sandbox, body: Body) -> object:  # noqa: ARG001 # no parameters
    sandbox.set_faults(())
    return {}


def _set_cost(sandbox: Sandbox, body: Body) -> object:
    preset = body.get("preset")
    if preset is not None and preset not in PRESETS:
        raise ControlError(f"there is no preset {preset!r}; there is: {', '.join(PRESETS)}")
    base = {} if preset is None else PRESETS[str(preset)].describe()
    given = {name: value for name, value in body.items() if name != "preset"}
    sandbox.set_cost(CostModel.of({**base, **given}))
    return _show_cost(sandbox, {})


def _revoke_token(sandbox: Sandbox, body: Body) -> object:
    _owner(sandbox, body).is_revoked = True
    sandbox.astakos.changed()
    return {}


def _restore_token(sandbox: Sandbox, body: Body) -> object:
    _owner(sandbox, body).is_revoked = False
    sandbox.astakos.changed()
    return {}


def _rotate_token(sandbox: Sandbox, body: Body) -> object:
    world, owner = sandbox.astakos.world, _owner(sandbox, body)
    token = _text(body, "token")
    if isinstance(owner, User):
        world.change_user_token(owner, token)
    else:
        world.change_component_token(owner, token)
    sandbox.astakos.changed()
    return {}


def _set_quirks(sandbox: Sandbox, body: Body) -> object:
    wanted = body.get("quirks", [])
    if not isinstance(wanted, list) or any(quirk not in set(Quirk) for quirk in wanted):
        raise ControlError(f"quirks is a list of: {', '.join(Quirk)}")
    sandbox.astakos.quirks = frozenset(Quirk(quirk) for quirk in wanted)
    return {}


def _advance_clock(sandbox: Sandbox, body: Body) -> object:
    seconds = body.get("seconds")
    if type(seconds) not in {int, float}:
        raise ControlError("seconds is a number")
    sandbox.astakos.clock.advance(float(str(seconds)))
    return {"now": iso_time(sandbox.astakos.clock.now())}


def _reset(sandbox: Sandbox, body: Body) -> object:  # noqa: ARG001 # no parameters
    sandbox.reset()
    return {}


def _take_snapshot(sandbox: Sandbox, body: Body) -> object:
    sandbox.take_snapshot(str(body.get("name", "")))
    return {}


def _restore_snapshot(sandbox: Sandbox, body: Body) -> object:
    sandbox.restore_snapshot(str(body.get("name", "")))
    return {}


def _owner(sandbox: Sandbox, body: Body) -> Component | User:
    world = sandbox.astakos.world
    if "component" in body:
        return world.component(_text(body, "component"))
    return world.user(_text(body, "user"))


def _text(body: Body, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise ControlError(f"{name} is missing; give it a string")
    return value


def _number(body: Body, name: str, default: int | None = None) -> int:
    value = body.get(name, default)
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if type(value) is not int:
        raise ControlError(f"{name} is missing; give it a whole number")
    return value


_ACTIONS: Final[dict[tuple[str, str], Action]] = {
    ("GET", "holdings"): _show_holdings,
    ("GET", "commissions"): _show_commissions,
    ("GET", "world"): _show_world,
    ("GET", "audit"): _show_audit,
    ("GET", "journal"): _show_journal,
    ("GET", "faults"): _show_faults,
    ("GET", "cost"): _show_cost,
    ("PUT", "limits"): _set_limit,
    ("POST", "users"): _add_user,
    ("POST", "components"): _add_component,
    ("PUT", "faults"): _set_faults,
    ("DELETE", "faults"): _clear_faults,
    ("PUT", "cost"): _set_cost,
    ("PUT", "quirks"): _set_quirks,
    ("POST", "tokens/revoke"): _revoke_token,
    ("POST", "tokens/restore"): _restore_token,
    ("POST", "tokens/rotate"): _rotate_token,
    ("POST", "clock/advance"): _advance_clock,
    ("POST", "reset"): _reset,
    ("POST", "snapshot"): _take_snapshot,
    ("POST", "restore"): _restore_snapshot,
}
