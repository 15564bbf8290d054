"""What an application asks for: reading it, and judging it, in two steps.

A wrong type is found before anything is known about the project, a value out of bounds afterwards
(the protocol, section 3.12); each is a 400.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeVar

from astakos_worker.sandbox.errors import ApiFaultError
from astakos_worker.sandbox.input_tables import parse_quantity
from astakos_worker.sandbox.quota import INT64_MAX
from astakos_worker.sandbox.records import Capacity, Policy, Wishes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from astakos_worker.sandbox.astakos import Astakos

    Body = Mapping[str, object]

Kind = TypeVar("Kind")

LONGEST_NAME: Final = 80
LONGEST_HOMEPAGE: Final = 255
LONGEST_TEXT: Final = 4096

# At least two labels, the last of two to six letters.
_DOMAIN: Final = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,6}", re.ASCII | re.IGNORECASE
)


def read_wishes(body: Body) -> Wishes:
    """The fields that are given; null is the same as not given. Raises a 400 for wrong types."""
    return Wishes(
        name=_value(body, "name", str),
        owner=_value(body, "owner", str),
        homepage=_value(body, "homepage", str),
        description=_value(body, "description", str),
        comments=_value(body, "comments", str),
        start_date=_date(body, "start_date"),
        end_date=_date(body, "end_date"),
        join_policy=_policy(body, "join_policy"),
        leave_policy=_policy(body, "leave_policy"),
        max_members=_members(body),
        private=_value(body, "private", bool),
        resources=_resources(body),
    )


def complete(wishes: Wishes, applicant: str) -> Wishes:
    """The wishes for a new project: what they must have is there, and the rest has its default."""
    if wishes.name is None or wishes.end_date is None:
        raise ApiFaultError(400, "A project needs a name and an end_date")
    return Wishes(
        name=wishes.name,
        owner=wishes.owner or applicant,
        homepage=wishes.homepage or "",
        description=wishes.description or "",
        comments=wishes.comments or "",
        start_date=wishes.start_date,
        end_date=wishes.end_date,
        join_policy=wishes.join_policy or Policy.MODERATED,
        leave_policy=wishes.leave_policy or Policy.AUTO,
        max_members=INT64_MAX if wishes.max_members is None else wishes.max_members,
        private=bool(wishes.private),
        resources=wishes.resources,
    )


def judge_owner(wishes: Wishes, astakos: Astakos) -> None:
    """Raise a 400 for an owner who is no user with an accepted account."""
    owner = None if wishes.owner is None else astakos.world.users.get(wishes.owner)
    if wishes.owner is not None and (owner is None or not owner.is_accepted):
        raise ApiFaultError(400, "The owner is no user")


def judge(wishes: Wishes, astakos: Astakos) -> None:
    """Raise a 400 for a value out of bounds, or a resource that is not there."""
    _judge_texts(wishes)
    if wishes.max_members is not None and not 0 <= wishes.max_members <= INT64_MAX:
        raise ApiFaultError(400, "max_members is out of bounds")
    if wishes.end_date is not None and wishes.end_date <= astakos.clock.now():
        raise ApiFaultError(400, "The end date has passed")
    for name, capacity in wishes.resources.items():
        resource = astakos.world.resources.get(name)
        if resource is None or not resource.api_visible:
            raise ApiFaultError(400, "There is no such resource")
        if not 0 <= capacity.member <= capacity.project <= INT64_MAX:
            raise ApiFaultError(400, "A member cannot have more than the project, nor less than 0")


def _judge_texts(wishes: Wishes) -> None:
    if wishes.name is not None and (
        len(wishes.name) > LONGEST_NAME or not _DOMAIN.fullmatch(wishes.name)
    ):
        raise ApiFaultError(400, "The name must be shaped as a domain, such as lab.example.org")
    for text, longest in (
        (wishes.homepage, LONGEST_HOMEPAGE),
        (wishes.description, LONGEST_TEXT),
        (wishes.comments, LONGEST_TEXT),
    ):
        if text is not None and len(text) > longest:
            raise ApiFaultError(400, f"A text is longer than {longest} characters")


def _value(body: Body, name: str, kind: type[Kind]) -> Kind | None:
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
    if isinstance(value, str):
        value = parse_quantity(value)
        if value is None:
            raise ApiFaultError(400, "max_members is no number")
    if value is not None and type(value) is not int:
        raise ApiFaultError(400, "max_members is no number")
    return value


def _resources(body: Body) -> dict[str, Capacity]:
    given = _value(body, "resources", dict)
    return {name: _capacity(name, values) for name, values in (given or {}).items()}


def _capacity(name: str, values: object) -> Capacity:
    if not isinstance(values, dict):
        raise ApiFaultError(400, f"The capacities of {name} must be an object", uncaught=True)
    project, member = values.get("project_capacity"), values.get("member_capacity")
    if type(project) is not int or type(member) is not int:
        raise ApiFaultError(400, f"{name} needs whole numbers for both capacities")
    return Capacity(project, member)
