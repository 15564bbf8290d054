"""The control interface, under `/_control/`: look into the sandbox, and steer it.

It is no part of Astakos: it asks for no token, no fault befalls it and no counter counts it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from astakos_worker.sandbox.control import add, change, view
from astakos_worker.sandbox.errors import (
    ControlError,
    FaultRuleError,
    NameTakenError,
    UnknownNameError,
)
from astakos_worker.sandbox.input_tables import Table
from astakos_worker.sandbox.wire import Reply, reply_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from astakos_worker.sandbox.sandbox import Sandbox
    from astakos_worker.sandbox.wire import Request

    Action = Callable[[Sandbox, Table], object]

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
    except (ControlError, FaultRuleError, NameTakenError) as error:
        return reply_json({"error": str(error)}, 400)


def _body_of(request: Request) -> Table:
    """A JSON object; parameters of a query count too, for whoever steers with `curl`."""
    values: dict[str, object] = {name: each[-1] for name, each in request.query.items()}
    if not request.body:
        return Table(values, ControlError)
    try:
        content = json.loads(request.body)
    except ValueError as cause:
        raise ControlError(f"the body is not valid JSON: {cause}") from cause
    if not isinstance(content, dict):
        raise ControlError("the body must be a JSON object")
    return Table({**values, **content}, ControlError)


_ACTIONS: Final[dict[tuple[str, str], Action]] = {
    ("GET", "holdings"): view.show_holdings,
    ("GET", "commissions"): view.show_commissions,
    ("GET", "world"): view.show_world,
    ("GET", "audit"): view.show_audit,
    ("GET", "journal"): view.show_journal,
    ("GET", "feedback"): view.show_feedback,
    ("GET", "faults"): view.show_faults,
    ("GET", "cost"): view.show_cost,
    ("PUT", "limits"): change.set_limit,
    ("POST", "users"): add.add_user,
    ("POST", "components"): add.add_component,
    ("POST", "resources"): add.add_resource,
    ("POST", "projects"): add.add_project,
    ("POST", "projects/terminate-expired"): change.terminate_expired_projects,
    ("POST", "oauth/clients"): add.add_oauth_client,
    ("POST", "oauth/tokens"): add.add_oauth_token,
    ("PUT", "faults"): change.set_faults,
    ("DELETE", "faults"): change.clear_faults,
    ("PUT", "cost"): change.set_cost,
    ("PUT", "quirks"): change.set_quirks,
    ("POST", "tokens/revoke"): change.revoke_token,
    ("POST", "tokens/restore"): change.restore_token,
    ("POST", "tokens/rotate"): change.rotate_token,
    ("POST", "clock/advance"): change.advance_clock,
    ("POST", "outage"): change.begin_outage,
    ("POST", "reset"): change.reset,
    ("POST", "snapshot"): change.take_snapshot,
    ("POST", "restore"): change.restore_snapshot,
}
