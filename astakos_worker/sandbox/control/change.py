"""What the control interface changes: each function does one `PUT`, `POST` or `DELETE`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astakos_worker.sandbox.control.body import Body, number, seconds, text
from astakos_worker.sandbox.control.view import show_cost, show_faults
from astakos_worker.sandbox.cost import PRESETS, CostModel
from astakos_worker.sandbox.errors import ControlError
from astakos_worker.sandbox.faults import Rule
from astakos_worker.sandbox.projects.state_changes import terminate_expired
from astakos_worker.sandbox.quirks import Quirk
from astakos_worker.sandbox.quota import INT64_MAX, HoldingKey
from astakos_worker.sandbox.records import Component, User
from astakos_worker.sandbox.wire import iso_time

if TYPE_CHECKING:
    from astakos_worker.sandbox.sandbox import Sandbox


def set_limit(sandbox: Sandbox, body: Body) -> object:
    """Change the limit of a holding that is there; a recomputation may change it again."""
    source = body.get("source")
    if source is not None and not isinstance(source, str):
        raise ControlError("source is a string or null")
    key = HoldingKey(text(body, "holder"), source, text(body, "resource"))
    limit = number(body, "limit")
    if not 0 <= limit <= INT64_MAX:
        raise ControlError("limit is between 0 and 2**63 - 1")
    sandbox.astakos.world.book.change_limit(key, limit)
    sandbox.astakos.changed()
    return {}


def set_faults(sandbox: Sandbox, body: Body) -> object:
    """Put other fault rules in force."""
    rules = body.get("rules", [])
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        raise ControlError("rules is a list of objects, each with at least a kind")
    sandbox.set_faults([Rule.of(rule) for rule in rules], number(body, "seed", 0))
    return show_faults(sandbox, {})


def clear_faults(sandbox: Sandbox, body: Body) -> object:  # noqa: ARG001 # no parameters
    """Let nothing go wrong from now on."""
    sandbox.set_faults(())
    return {}


def set_cost(sandbox: Sandbox, body: Body) -> object:
    """Change the cost model: a preset, single figures, or figures over a preset."""
    preset = body.get("preset")
    if preset is not None and preset not in PRESETS:
        raise ControlError(f"there is no preset {preset!r}; there is: {', '.join(PRESETS)}")
    base = {} if preset is None else PRESETS[str(preset)].describe()
    given = {name: value for name, value in body.items() if name != "preset"}
    sandbox.set_cost(CostModel.of({**base, **given}))
    return show_cost(sandbox, {})


def revoke_token(sandbox: Sandbox, body: Body) -> object:
    """Make a token stop working."""
    _owner(sandbox, body).is_revoked = True
    sandbox.astakos.changed()
    return {}


def restore_token(sandbox: Sandbox, body: Body) -> object:
    """Make a revoked token work again."""
    _owner(sandbox, body).is_revoked = False
    sandbox.astakos.changed()
    return {}


def rotate_token(sandbox: Sandbox, body: Body) -> object:
    """Give a component or user another token."""
    world, owner = sandbox.astakos.world, _owner(sandbox, body)
    token = text(body, "token")
    if isinstance(owner, User):
        world.change_user_token(owner, token)
    else:
        world.change_component_token(owner, token)
    sandbox.astakos.changed()
    return {}


def set_quirks(sandbox: Sandbox, body: Body) -> object:
    """Switch these accidents of the real server on, and the others off."""
    wanted = body.get("quirks", [])
    if not isinstance(wanted, list) or any(quirk not in set(Quirk) for quirk in wanted):
        raise ControlError(f"quirks is a list of: {', '.join(Quirk)}")
    sandbox.astakos.quirks = frozenset(Quirk(quirk) for quirk in wanted)
    return {}


def advance_clock(sandbox: Sandbox, body: Body) -> object:
    """Move the sandbox's clock forward."""
    try:
        sandbox.astakos.clock.advance(seconds(body))
    except OverflowError as cause:
        raise ControlError("seconds is so much that there would be no time any more") from cause
    sandbox.astakos.changed()
    return {"now": iso_time(sandbox.astakos.clock.now())}


def terminate_expired_projects(sandbox: Sandbox, body: Body) -> object:  # noqa: ARG001 # no parameters
    """End the projects whose end date has passed."""
    return {"terminated": terminate_expired(sandbox.astakos)}


def begin_outage(sandbox: Sandbox, body: Body) -> object:
    """Refuse connections for some seconds, and drop those there are."""
    duration = seconds(body)
    if sandbox.begin_outage is None:
        raise ControlError("this sandbox has no listening socket of its own to close")
    sandbox.begin_outage(duration)
    return {}


def reset(sandbox: Sandbox, body: Body) -> object:  # noqa: ARG001 # no parameters
    """Begin again from the seed."""
    sandbox.reset()
    return {}


def take_snapshot(sandbox: Sandbox, body: Body) -> object:
    """Remember everything that Astakos knows."""
    sandbox.take_snapshot(str(body.get("name", "")))
    return {}


def restore_snapshot(sandbox: Sandbox, body: Body) -> object:
    """Go back to a snapshot."""
    sandbox.restore_snapshot(str(body.get("name", "")))
    return {}


def _owner(sandbox: Sandbox, body: Body) -> Component | User:
    world = sandbox.astakos.world
    if "component" in body:
        return world.component(text(body, "component"))
    return world.user(text(body, "user"))
