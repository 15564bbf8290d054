"""The body of an application for a project: reading it, and checking it, in two steps.

A wrong type is found before anything is known about the project, a value out of bounds afterwards
(the protocol, section 3.12). Both are a 400.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from astakos_worker.sandbox.astakos import SandboxAstakos
from astakos_worker.sandbox.database_rows import ApplicationBody, Policy, ProjectCapacity
from astakos_worker.sandbox.errors import ApiFaultError
from astakos_worker.sandbox.input_tables import parse_quantity
from astakos_worker.sandbox.quota import INT64_MAX

Body = Mapping[str, object]


Value = TypeVar("Value")

_TEXTS: Final = ("name", "owner", "homepage", "description", "comments")
# How many characters a text may have.
_LONGEST: Final = {"name": 80, "homepage": 255, "description": 4096, "comments": 4096}
# The values of an application for a new project where it gives none.
_DEFAULTS: Final[dict[str, Any]] = {
    "homepage": "",
    "description": "",
    "comments": "",
    "join_policy": Policy.MODERATED,
    "leave_policy": Policy.AUTO,
    "max_members": INT64_MAX,
    "private": False,
}
# At least two labels, the last of two to six letters.
_DOMAIN: Final = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,6}", re.ASCII | re.IGNORECASE
)


def read_application(body: Body) -> ApplicationBody:
    """Return the fields that are given; null means not given. Raises a 400 for wrong types."""
    texts = {name: _value(body, name, str) for name in _TEXTS}
    return ApplicationBody(
        **texts,
        start_date=_date(body, "start_date"),
        end_date=_date(body, "end_date"),
        join_policy=_policy(body, "join_policy"),
        leave_policy=_policy(body, "leave_policy"),
        max_members=_members(body),
        private=_value(body, "private", bool),
        resources={
            name: _capacity(name, values)
            for name, values in (_value(body, "resources", dict) or {}).items()
        },
    )


def complete(body: ApplicationBody, applicant: str) -> ApplicationBody:
    """Return the application for a new project with its defaults; raises a 400."""
    if body.name is None or body.end_date is None:
        raise ApiFaultError(400, "A project needs a name and an end_date")
    defaults = {**_DEFAULTS, "owner": applicant}
    missing = {name: value for name, value in defaults.items() if getattr(body, name) is None}
    return replace(body, **missing)


def check_owner(body: ApplicationBody, astakos: SandboxAstakos) -> None:
    """Raise a 400 for an owner who is no user with an accepted account."""
    owner = None if body.owner is None else astakos.database.users.get(body.owner)
    if body.owner is not None and (owner is None or not owner.is_accepted):
        raise ApiFaultError(400, "The owner is no user")


def check_bounds(body: ApplicationBody, astakos: SandboxAstakos) -> None:
    """Raise a 400 for a value out of bounds, or a resource that is not there."""
    for name, longest in _LONGEST.items():
        if len(getattr(body, name) or "") > longest:
            raise ApiFaultError(400, f"{name} is longer than {longest} characters")
    if body.name is not None and not _DOMAIN.fullmatch(body.name):
        raise ApiFaultError(400, "The name must be shaped as a domain, such as lab.example.org")
    if body.max_members is not None and not 0 <= body.max_members <= INT64_MAX:
        raise ApiFaultError(400, "max_members is out of bounds")
    if body.end_date is not None and body.end_date <= astakos.clock.now():
        raise ApiFaultError(400, "The end date has passed")
    for name, capacity in body.resources.items():
        resource = astakos.database.resources.get(name)
        if resource is None or not resource.api_visible:
            raise ApiFaultError(400, "There is no such resource")
        if not 0 <= capacity.member <= capacity.project <= INT64_MAX:
            raise ApiFaultError(400, "A member cannot have more than the project, nor less than 0")


def _value(body: Body, name: str, kind: type[Value]) -> Value | None:
    value = body.get(name)
    if value is not None and not isinstance(value, kind):
        raise ApiFaultError(400, f"{name} is of a wrong type")
    return value


def _date(body: Body, name: str) -> datetime | None:
    text = _value(body, name, str)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ApiFaultError(400, f"{name} lacks a time zone")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as cause:
        raise ApiFaultError(400, f"{name} is no time") from cause


def _policy(body: Body, name: str) -> Policy | None:
    text = _value(body, name, str)
    if text is None:
        return None
    try:
        return Policy(text)
    except ValueError:
        raise ApiFaultError(400, f"{name} is one of: {', '.join(Policy)}") from None


def _members(body: Body) -> int | None:
    """A number, or a string such as "inf" or "4 KiB"."""
    value = body.get("max_members")
    number = parse_quantity(value) if isinstance(value, str) else value
    if value is not None and type(number) is not int:
        raise ApiFaultError(400, "max_members is no number")
    return number if isinstance(number, int) else None


def _capacity(name: str, values: object) -> ProjectCapacity:
    if not isinstance(values, dict):
        raise ApiFaultError(400, f"The capacities of {name} must be an object", uncaught=True)
    project, member = values.get("project_capacity"), values.get("member_capacity")
    if type(project) is not int or type(member) is not int:
        raise ApiFaultError(400, f"{name} needs whole numbers for both capacities")
    return ProjectCapacity(project, member)
