"""Users: catalogs of names and uuids, feedback, the default project (the protocol, 3.5 and 3.6)."""

from collections.abc import Iterable

from astakos_worker.sandbox.api.endpoint import ApiCall, ApiWork, replies
from astakos_worker.sandbox.api_messages import Reply, reply_json
from astakos_worker.sandbox.database_rows import Component, ProjectState, User
from astakos_worker.sandbox.errors import ApiFaultError


@replies
def look_up_as_user(call: ApiCall[User]) -> Reply:
    """`POST user_catalogs`: null `uuids` ask for nobody."""
    return _look_up(call, of_null=())


@replies
def look_up_as_service(call: ApiCall[Component]) -> Reply:
    """`POST service/user_catalogs`: null `uuids` ask for everybody."""
    return _look_up(call, of_null=call.database.users)


def _look_up(call: ApiCall[User] | ApiCall[Component], of_null: Iterable[str]) -> Reply:
    """Answer with both maps; unknown users are absent."""
    body, database = call.request.json_object(of_any_type=True), call.database
    uuids, names = body.get("uuids", []), body.get("displaynames", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ApiFaultError(400, "displaynames must be a list of strings")
    if uuids is None:
        uuids = of_null
    elif not isinstance(uuids, list | str | dict):
        raise ApiFaultError(400, "uuids must be a list", uncaught=True)
    # The real server looks up each element of a list, string or object. Odd elements find nobody.
    strings = [uuid for uuid in uuids if isinstance(uuid, str)]
    # Of two spellings of one name only the last comes back, in that spelling.
    spellings = {name.lower(): name for name in names}
    found = {name: database.user_by_name(name) for name in spellings.values()}
    return reply_json(
        {
            "uuid_catalog": {
                uuid: database.users[uuid].username for uuid in strings if uuid in database.users
            },
            "displayname_catalog": {name: user.uuid for name, user in found.items() if user},
        }
    )


def send_feedback(call: ApiCall[User]) -> ApiWork:
    """`POST feedback`: a form; the control interface shows its texts."""
    form = call.request.form()
    message = form.get("feedback_msg", "")
    if not message:
        raise ApiFaultError(400, "feedback_msg is missing")

    def perform() -> Reply:
        call.astakos.audit.add_feedback(call.caller.uuid, message, form.get("feedback_data", ""))
        return Reply(200)

    return ApiWork(perform)


@replies
def set_default_project(call: ApiCall[User]) -> Reply:
    """`POST myaccount/default_project`: the project to charge unless a service is told another."""
    user, database = call.caller, call.database
    wanted = call.request.json_object(uncaught=True).get("project_id")
    if wanted is None:
        raise ApiFaultError(403, "project_id is missing")
    if not user.is_accepted:
        raise ApiFaultError(405, "The account is not ready", allow=())
    project = database.projects.get(str(wanted))
    if project is None:
        raise ApiFaultError(404, "There is no such project")
    if not project.state.is_alive:
        raise ApiFaultError(409, f"The project is {project.state}", uncaught=True)
    row = database.membership(user.uuid, project.uuid)
    if row is None:
        raise ApiFaultError(404, "You are no member of this project")
    if not row.state.is_actually_accepted or project.state is ProjectState.SUSPENDED:
        raise ApiFaultError(403, "You cannot draw on this project")
    user.default_project = project.uuid
    call.astakos.changed()
    return Reply(200)
