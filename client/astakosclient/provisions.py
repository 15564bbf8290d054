"""Provisions, and the bodies of issue requests. Pure.

An argument that cannot be right raises `BadValue` here, before anything is sent. Astakos would
answer some of them with a 500, and then nobody knows what became of the request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from astakosclient.errors import BadValue
from astakosclient.texts import text

if TYPE_CHECKING:
    from astakosclient.answer_types import Provision

LONGEST_NAME = 4096
_LARGEST = 2**63 - 1


def member_provision(holder: str, source: str, resource: str, quantity: int) -> Provision:
    """Return the provision for what the user `holder` takes from the project `source`."""
    return {
        "holder": f"user:{holder}",
        "source": f"project:{source}",
        "resource": resource,
        "quantity": quantity,
    }


def project_provision(project: str, resource: str, quantity: int) -> Provision:
    """Return the provision for what all members of a project together take."""
    return {
        "holder": f"project:{project}",
        "source": None,
        "resource": resource,
        "quantity": quantity,
    }


def mk_provisions(holder: str, source: str, resource: str, quantity: int) -> list[Provision]:
    """Return two provisions: one charges the user `holder`, one the project `source`.

    `holder` and `source` are uuids; `quantity` is an integer in the unit of the resource, less
    than 0 to release. Raises `BadValue` if a uuid or the resource is not a non-empty string.
    """
    _strings("mk_provisions", holder, source, resource)
    return [
        member_provision(holder, source, resource, quantity),
        project_provision(source, resource, quantity),
    ]


def _strings(what: str, *parts: object) -> None:
    if not all(isinstance(part, str) and part for part in parts):
        raise BadValue(f"{what}: uuids and resources must be non-empty strings, not {parts!r}")


def _keyed(
    provisions: object, arity: int, shape: str, make: Callable[..., Iterable[Provision]]
) -> list[Provision]:
    """Return the provisions that `make` returns for each key and quantity of a mapping.

    Each key must be a tuple of `arity` strings; `shape` describes it in an error.
    """
    if not isinstance(provisions, Mapping):
        raise BadValue(f"provisions must be a dict {{{shape}: quantity}}, not {provisions!r}")
    made: list[Provision] = []
    for key, quantity in provisions.items():
        if not isinstance(key, tuple) or len(key) != arity:
            raise BadValue(f"each key of the provisions must be {shape}, not {key!r}")
        _strings(shape, *key)
        made.extend(make(*key, quantity))
    return made


def generic_provisions(user_provisions: object, project_provisions: object) -> list[Provision]:
    """Return one provision for each key of both dicts, and no others."""
    return [
        *_keyed(
            user_provisions,
            3,
            "(user, project, resource)",
            lambda user, project, resource, q: [member_provision(user, project, resource, q)],
        ),
        *_keyed(
            project_provisions,
            2,
            "(project, resource)",
            lambda project, resource, q: [project_provision(project, resource, q)],
        ),
    ]


def reassignment_provisions(holder: object, provisions: object) -> list[Provision]:
    """Return the provisions that move each quantity between two projects: four for each key."""
    _strings("holder", holder)

    def move(old: str, new: str, resource: str, quantity: int) -> list[Provision]:
        return [
            *mk_provisions(str(holder), old, resource, -_quantity(quantity)),
            *mk_provisions(str(holder), new, resource, quantity),
        ]

    return _keyed(provisions, 3, "(from_project, to_project, resource)", move)


class OneCommission(NamedTuple):
    """The arguments of `issue_one_commission`, in one form."""

    provisions: list[Provision]
    name: object
    force: object
    auto_accept: object


def one_commission(
    holder: object, source: object, provisions: object, options: tuple[object, object, object]
) -> OneCommission:
    """Return the arguments of `issue_one_commission`, which has two forms.

    The user's document has `(holder, source, {resource: q}, name, force, auto_accept)`; the
    later package has `(holder, {(source, resource): q}, name, force, auto_accept)` (the
    protocol, section 4.5). In the second form, arguments given by position arrive one place too
    early, and are moved here.
    """
    if holder is None:
        raise BadValue("holder must be a user's uuid, not None")
    _strings("holder", holder)
    pairs: object
    if isinstance(source, Mapping):
        pairs, options = source, _one_place_early(provisions, *options)
    elif source is None:
        pairs = provisions
    elif isinstance(source, str) and isinstance(provisions, Mapping):
        if not all(isinstance(resource, str) for resource in provisions):
            raise BadValue("with a source, the keys of the provisions must be resources")
        pairs = {(source, resource): quantity for resource, quantity in provisions.items()}
    else:
        raise BadValue("give (holder, source, {resource: q}) or (holder, {(source, resource): q})")
    made = _keyed(
        pairs,
        2,
        "(source, resource)",
        lambda project, resource, q: mk_provisions(str(holder), project, resource, q),
    )
    return OneCommission(made, *options)


def _one_place_early(
    first: object, second: object, third: object, fourth: object
) -> tuple[object, object, object]:
    """Return name, force and auto_accept from the values of four parameters.

    The parameters are provisions, name, force and auto_accept. An argument given by keyword is
    in its own parameter; one given by position is one too early. So a text in the second
    parameter is the name, and a boolean there is `force`.
    """
    if first is None:
        return second, third, fourth
    if second == "":
        return first, third, fourth
    if isinstance(second, bool):
        return first, second, third or fourth
    raise BadValue(f"issue_one_commission got two names, {first!r} and {second!r}")


def commission_body(
    provisions: Sequence[Provision], name: object, force: object, auto_accept: object
) -> dict[str, Any]:
    """Return the body of an issue request, after checking all of it."""
    if isinstance(provisions, str | Mapping) or not isinstance(provisions, Sequence):
        raise BadValue(f"provisions must be a list of provisions, not {provisions!r}")
    for flag, value in (("force", force), ("auto_accept", auto_accept)):
        if not isinstance(value, bool):
            raise BadValue(f"{flag} must be True or False, not {value!r}")
    return {
        "name": _name(name),
        "force": force,
        "auto_accept": auto_accept,
        "provisions": [_checked(provision) for provision in provisions],
    }


def _name(given: object) -> str:
    name = text("name", given)
    if len(name) > LONGEST_NAME:
        raise BadValue(f"name has {len(name)} characters; it may have {LONGEST_NAME}")
    if "\0" in name:
        raise BadValue("name must not contain a NUL character")
    return name


def _quantity(quantity: object) -> int:
    if not isinstance(quantity, int) or isinstance(quantity, bool):
        raise BadValue(f"a quantity must be an integer, not {quantity!r}")
    if abs(quantity) > _LARGEST:
        raise BadValue(f"the quantity {quantity} does not fit into 64 bits")
    return quantity


def _checked(provision: object) -> dict[str, Any]:
    if not isinstance(provision, Mapping):
        raise BadValue(f"a provision must be a dict, not {provision!r}")
    try:
        holder, source = provision["holder"], provision["source"]
        resource, quantity = provision["resource"], provision["quantity"]
    except KeyError as missing:
        raise BadValue(f"the provision {dict(provision)!r} lacks {missing}") from None
    if not isinstance(holder, str) or not isinstance(resource, str):
        raise BadValue(f"holder and resource must be strings in {dict(provision)!r}")
    if source is not None and not isinstance(source, str):
        raise BadValue(f"source must be a string or None in {dict(provision)!r}")
    return {
        "holder": holder,
        "source": source,
        "resource": resource,
        "quantity": _quantity(quantity),
    }


def merged(provisions: Iterable[Provision]) -> list[Provision]:
    """Return the provisions as Astakos merges them: one for each holding, quantities summed."""
    sums: dict[tuple[str, str | None, str], int] = {}
    for one in provisions:
        key = (one["holder"], one["source"], one["resource"])
        sums[key] = sums.get(key, 0) + one["quantity"]
    return [
        {"holder": holder, "source": source, "resource": resource, "quantity": quantity}
        for (holder, source, resource), quantity in sums.items()
    ]
