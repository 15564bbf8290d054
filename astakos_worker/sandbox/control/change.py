"""Controls that change limits, faults, costs, quirks, tokens and the clock."""

from astakos_worker.sandbox.api_messages import iso_time
from astakos_worker.sandbox.control.view import show_cost, show_faults
from astakos_worker.sandbox.cost import PRESETS, CostModel
from astakos_worker.sandbox.database_rows import Component, User
from astakos_worker.sandbox.errors import ControlError
from astakos_worker.sandbox.faults import Rule
from astakos_worker.sandbox.input_tables import Table
from astakos_worker.sandbox.projects.state_changes import terminate_expired
from astakos_worker.sandbox.quirks import Quirk
from astakos_worker.sandbox.quota import HoldingKey
from astakos_worker.sandbox.sandbox import Sandbox


def set_limit(sandbox: Sandbox, body: Table) -> None:
    """Change the limit of a holding that is there; a recomputation may change it again."""
    source = body.optional("source", str, None)
    key = HoldingKey(body.required("holder", str), source, body.required("resource", str))
    sandbox.astakos.database.book.change_limit(key, body.quantity("limit"))
    sandbox.astakos.changed()


def set_faults(sandbox: Sandbox, body: Table) -> object:
    """Put other fault rules in force."""
    rules = [Rule.of(rule.contents()) for rule in body.inners("rules")]
    sandbox.set_faults(rules, body.get("seed", int, 0))
    return show_faults(sandbox, body)


def set_cost(sandbox: Sandbox, body: Table) -> object:
    """Change the cost model: a preset, single figures, or figures over a preset."""
    given = body.contents()
    preset = given.pop("preset", "none")
    if preset not in PRESETS:
        raise ControlError(f"there is no preset {preset!r}; there is: {', '.join(PRESETS)}")
    sandbox.set_cost(CostModel.of({**PRESETS[str(preset)].describe(), **given}))
    return show_cost(sandbox, body)


def revoke_token(sandbox: Sandbox, body: Table) -> None:
    """Make a token stop working."""
    _owner(sandbox, body).is_revoked = True
    sandbox.astakos.changed()


def restore_token(sandbox: Sandbox, body: Table) -> None:
    """Make a revoked token work again."""
    _owner(sandbox, body).is_revoked = False
    sandbox.astakos.changed()


def rotate_token(sandbox: Sandbox, body: Table) -> None:
    """Give a component or user another token."""
    owner = _owner(sandbox, body)
    sandbox.astakos.database.change_token(owner, body.required("token", str))
    sandbox.astakos.changed()


def set_quirks(sandbox: Sandbox, body: Table) -> None:
    """Switch these accidents of the real server on, and the others off."""
    sandbox.astakos.quirks = body.choices("quirks", Quirk)


def advance_clock(sandbox: Sandbox, body: Table) -> object:
    """Move the sandbox's clock forward."""
    try:
        sandbox.astakos.clock.advance(body.seconds())
    except OverflowError as cause:
        raise ControlError("seconds is so much that there would be no time any more") from cause
    sandbox.astakos.changed()
    return {"now": iso_time(sandbox.astakos.clock.now())}


def terminate_expired_projects(sandbox: Sandbox, _: Table) -> object:
    """End the projects whose end date has passed."""
    return {"terminated": terminate_expired(sandbox.astakos)}


def begin_outage(sandbox: Sandbox, body: Table) -> None:
    """Refuse connections for some seconds, and drop those there are."""
    duration = body.seconds()
    if sandbox.begin_outage is None:
        raise ControlError("this sandbox has no listening socket of its own to close")
    sandbox.begin_outage(duration)


def _owner(sandbox: Sandbox, body: Table) -> Component | User:
    database = sandbox.astakos.database
    if "component" in body:
        return database.component(body.required("component", str))
    return database.user(body.required("user", str))
