"""Memberships: list, look at, join, enroll, act (the protocol, section 3.14)."""

from astakos_worker.sandbox.api.endpoint import ByUser, replies
from astakos_worker.sandbox.api_messages import Reply, reply_json
from astakos_worker.sandbox.database_rows import Membership
from astakos_worker.sandbox.errors import ApiFaultError
from astakos_worker.sandbox.projects import memberships
from astakos_worker.sandbox.projects.memberships import MembershipAction


@replies
def list_memberships(call: ByUser) -> Reply:
    """`GET projects/memberships`: the caller's own and those of the caller's projects."""
    wanted = call.request.query.get("project")
    return reply_json(
        [
            _describe(call, row)
            for row in call.database.memberships.values()
            if memberships.may_see(call.database, call.caller, row)
            and wanted in {None, row.project}
        ]
    )


@replies
def show(call: ByUser) -> Reply:
    """`GET projects/memberships/<id>`: one, for the member, the project's owner and admins."""
    row = _find(call)
    if not memberships.may_see(call.database, call.caller, row):
        raise ApiFaultError(403, "It is not your membership, nor your project")
    return reply_json(_describe(call, row))


@replies
def create(call: ByUser) -> Reply:
    """`POST projects/memberships`: join, or enroll somebody.

    The membership of one user in one project has the same number each time.
    """
    way, details = call.request.one_key_of(("join", "enroll"))
    if not isinstance(details, dict):
        raise ApiFaultError(400, f"{way} must be an object", uncaught=True)
    project, email = details.get("project"), details.get("user")
    if isinstance(project, bool) or not isinstance(project, str | int):
        raise ApiFaultError(400, "project must be a string or a number")
    if way == "join":
        row = memberships.join(call.astakos, call.caller, project)
    elif isinstance(email, str):
        row = memberships.enroll(call.astakos, call.caller, project, email)
    else:
        raise ApiFaultError(400, "user must be an address", uncaught=True)
    return reply_json({"id": row.id})


@replies
def act(call: ByUser) -> Reply:
    """`POST projects/memberships/<id>/action`: one recognized key, whose value is the reason."""
    action, _ = call.request.one_key_of(MembershipAction)
    memberships.act(call.astakos, call.caller, _find(call), MembershipAction(action))
    return Reply(200)


def _find(call: ByUser) -> Membership:
    row = None if call.number is None else call.database.memberships.get(call.number)
    if row is None:
        raise ApiFaultError(404, "There is no such membership")
    return row


def _describe(call: ByUser, row: Membership) -> dict[str, object]:
    """Return a membership object, with the actions that would succeed for the caller now."""
    return {
        "id": row.id,
        "user": row.user,
        "project": row.project,
        "state": row.state,
        "allowed_actions": memberships.allowed_actions(call.database, call.caller, row),
        **{state: call.astakos.time(moment) for state, moment in row.since.items()},
    }
