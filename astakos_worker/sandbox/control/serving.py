"""Serving the control interface: the table of controls, and their errors."""

import json
from typing import Final

from astakos_worker.sandbox.api_messages import ApiRequest, Reply, reply_json
from astakos_worker.sandbox.control import PREFIX, add, change, view
from astakos_worker.sandbox.errors import (
    ControlError,
    FaultRuleError,
    NameTakenError,
    UnknownNameError,
)
from astakos_worker.sandbox.input_tables import Table
from astakos_worker.sandbox.sandbox import Sandbox


def serve_control(sandbox: Sandbox, request: ApiRequest) -> Reply:
    """Answer a request to the control interface; errors are `{"error": "what to do"}`."""
    control = _CONTROLS.get((request.method, request.path.removeprefix(PREFIX).rstrip("/")))
    if control is None:
        known = ", ".join(f"{method} {PREFIX}{path}" for method, path in sorted(_CONTROLS))
        return reply_json({"error": f"there is no such control; there is: {known}"}, 404)
    try:
        answer = control(sandbox, _read(request))
    except UnknownNameError as error:
        return reply_json({"error": str(error)}, 404)
    except (ControlError, FaultRuleError, NameTakenError) as error:
        return reply_json({"error": str(error)}, 400)
    return reply_json({} if answer is None else answer)


def _read(request: ApiRequest) -> Table:
    """A JSON object; parameters of the query count too, for `curl`."""
    content: object = {}
    if request.body:
        try:
            content = json.loads(request.body)
        except ValueError as cause:
            raise ControlError(f"the body is not valid JSON: {cause}") from cause
    if not isinstance(content, dict):
        raise ControlError("the body must be a JSON object")
    return Table({**request.query, **content}, ControlError)


_CONTROLS: Final[dict[tuple[str, str], add.Control]] = {
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
    ("DELETE", "faults"): lambda sandbox, _: sandbox.set_faults(()),
    ("PUT", "cost"): change.set_cost,
    ("PUT", "quirks"): change.set_quirks,
    ("POST", "tokens/revoke"): change.revoke_token,
    ("POST", "tokens/restore"): change.restore_token,
    ("POST", "tokens/rotate"): change.rotate_token,
    ("POST", "clock/advance"): change.advance_clock,
    ("POST", "outage"): change.begin_outage,
    ("POST", "reset"): lambda sandbox, _: sandbox.reset(),
    ("POST", "snapshot"): lambda sandbox, body: sandbox.take_snapshot(body.get("name", str, "")),
    ("POST", "restore"): lambda sandbox, body: sandbox.restore_snapshot(body.get("name", str, "")),
}
