"""Controls that add rows: each takes the keys of the seed's table of that kind."""

from collections.abc import Callable
from datetime import datetime, timedelta

from astakos_worker.sandbox import seed
from astakos_worker.sandbox.database import Database
from astakos_worker.sandbox.errors import ControlError
from astakos_worker.sandbox.input_tables import Table
from astakos_worker.sandbox.oauth import TOKEN_SECONDS
from astakos_worker.sandbox.sandbox import Sandbox

Control = Callable[[Sandbox, Table], object]


def _adding(add: Callable[[Database, Table, datetime], object], *shown: str) -> Control:
    """Return a control that adds a row now, and answers with these fields of it."""

    def control(sandbox: Sandbox, body: Table) -> object:
        row = add(sandbox.astakos.database, body, sandbox.astakos.clock.now())
        sandbox.astakos.changed()
        return {name: getattr(row, name) for name in shown}

    return control


_add_users = _adding(seed.add_users, "uuid", "username", "token")
add_component = _adding(seed.add_component, "name", "token")
add_resource = _adding(seed.add_resource, "name")
add_project = _adding(seed.add_project, "uuid", "name")
add_oauth_client = _adding(seed.add_oauth_client, "id")


def add_user(sandbox: Sandbox, body: Table) -> object:
    """Add one user: with several, an error could leave some of them added."""
    if "count" in body:
        raise ControlError("count is for seeds; add one user at a time")
    return _add_users(sandbox, body)


def add_oauth_token(sandbox: Sandbox, body: Table) -> object:
    """Make an access token of a user, as if a code had been exchanged for it."""
    astakos = sandbox.astakos
    user = astakos.database.user(body.required("user", str))
    client, scope = body.get("client", str, ""), body.get("scope", str, "")
    try:
        lifetime = timedelta(seconds=body.seconds(default=TOKEN_SECONDS))
        expires = astakos.clock.now() + lifetime
    except OverflowError as cause:
        raise ControlError("seconds is too much; leave it out") from cause
    token = astakos.database.oauth.add_token(client, user.uuid, scope, expires)
    astakos.changed()
    return {"token": token.token}
