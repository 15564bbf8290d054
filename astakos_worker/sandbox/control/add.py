"""Controls that add rows: users, components, resources, projects, OAuth clients and tokens.

Each takes the keys of the seed's table of that kind, and a few shorter ones.
"""

from datetime import timedelta

from astakos_worker.sandbox import seed
from astakos_worker.sandbox.errors import ControlError
from astakos_worker.sandbox.input_tables import Table
from astakos_worker.sandbox.oauth import TOKEN_SECONDS
from astakos_worker.sandbox.sandbox import Sandbox


def add_user(sandbox: Sandbox, body: Table) -> object:
    """Add a user; an accepted one has a system project."""
    astakos = sandbox.astakos
    user = seed.add_users(astakos.database, _with_token(body), astakos.clock.now())
    astakos.changed()
    return {"uuid": user.uuid, "username": user.username, "token": user.token}


def add_component(sandbox: Sandbox, body: Table) -> object:
    """Add a component."""
    component = seed.add_component(sandbox.astakos.database, _with_token(body))
    sandbox.astakos.changed()
    return {"name": component.name, "token": component.token}


def add_resource(sandbox: Sandbox, body: Table) -> object:
    """Register a resource of a service that is there; every project gets a holding at once."""
    values = body.contents()
    if "visible" in values:
        values["api_visible"] = values.pop("visible")
    resource = seed.add_resource(sandbox.astakos.database, Table(values, ControlError))
    sandbox.astakos.changed()
    return {"name": resource.name}


def add_project(sandbox: Sandbox, body: Table) -> object:
    """Add an active project with members, as if it had been applied for and approved."""
    values = body.contents()
    limits = body.inner("limits").contents()
    of_members = {**limits, **body.inner("member_limits").contents()}
    short = {name: {"project": limit, "member": of_members[name]} for name, limit in limits.items()}
    for key in ("limits", "member_limits"):
        values.pop(key, None)
    values["resources"] = {**short, **body.inner("resources").contents()}
    astakos = sandbox.astakos
    table = Table(values, ControlError)
    project = seed.add_project(astakos.database, table, astakos.clock.now())
    astakos.changed()
    return {"uuid": project.uuid, "name": project.name}


def add_oauth_client(sandbox: Sandbox, body: Table) -> object:
    """Register an application that may ask for users' tokens."""
    values = body.contents()
    if "redirect_uri" in values:
        values["redirect_uris"] = [values.pop("redirect_uri")]
    client = seed.add_oauth_client(sandbox.astakos.database, Table(values, ControlError))
    sandbox.astakos.changed()
    return {"id": client.id}


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


def _with_token(body: Table) -> Table:
    token = f"sandbox-token-of-{body.required('name', str)}"
    return Table({"token": token, **body.contents()}, ControlError)
