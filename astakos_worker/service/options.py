"""The options of a new commission: one list for all calls that issue, with their defaults."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any, TypedDict, TypeVar, cast

from astakos_worker.ledger.record import WHEN_CLOSED, Moment

F = TypeVar("F", bound=Callable[..., Any])


class Handling(TypedDict, total=False):
    """How a commission is to be handled; see `Commissions.issue`."""

    accept: bool
    deadline: float | None
    callback: str | None
    callback_on: Iterable[Moment]
    reuse: bool | str
    token: str | None


class Options(Handling, total=False):
    """All arguments of `Commissions.issue` besides user, project, provisions and key."""

    name: str
    force: bool


#: What each option is where a caller does not give it.
DEFAULTS: Options = {
    "name": "",
    "force": False,
    "accept": False,
    "deadline": None,
    "callback": None,
    "callback_on": WHEN_CLOSED,
    "reuse": False,
    "token": None,
}

_TEXT_AND_FORCE = frozenset({"name", "force"})


def with_options(function: F) -> F:
    """Show the options of `**options` one by one in `help()` and to completion."""
    signature = inspect.signature(function)
    given = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]
    types = Options.__annotations__
    options = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=types[name]
        )
        for name, default in DEFAULTS.items()
    ]
    shown = signature.replace(parameters=[*given, *options])
    vars(function)["__signature__"] = shown
    return function


def handling(options: Options) -> Handling:
    """Return the options that say how a commission is handled."""
    chosen = {name: value for name, value in options.items() if name not in _TEXT_AND_FORCE}
    return cast("Handling", chosen)


def text_and_force(options: Options) -> dict[str, Any]:
    """Return the options that are a part of the request: its name, and whether it is forced."""
    return {name: value for name, value in options.items() if name in _TEXT_AND_FORCE}
