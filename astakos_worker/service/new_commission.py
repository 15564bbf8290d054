"""`NewCommission`: one of the commissions that `Commissions.issue_many` is given. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from astakos_worker.ledger.request import Request
from astakos_worker.service import arguments
from astakos_worker.service.options import DEFAULTS, Handling, Options, handling, text_and_force
from astakosclient.errors import BadValue

_ONE = {"user", "project", "provisions"}
_GENERIC = {"user_provisions", "project_provisions"}


class NewCommission(Options, total=False):
    """The arguments of `Commissions.issue` or of `Commissions.issue_generic`, as a mapping."""

    key: str | None
    user: str
    project: str
    provisions: Mapping[str, int]
    user_provisions: Mapping[tuple[str, str, str], int]
    project_provisions: Mapping[tuple[str, str], int]


def listed(commissions: Iterable[NewCommission]) -> list[NewCommission]:
    """Return the commissions as a list; `BadValue` if they are none."""
    if isinstance(commissions, str | Mapping) or not isinstance(commissions, Iterable):
        text = f"give a list of commissions, each a mapping, not {commissions!r:.80}"
        raise BadValue(text)
    return list(commissions)


def read(given: NewCommission) -> tuple[Request, str | None, Handling]:
    """Return request, key and handling of one; `BadValue` for what cannot be right."""
    if not isinstance(given, Mapping):
        raise BadValue(f"a commission must be a mapping, not {given!r:.80}")
    fields: dict[str, Any] = dict(given)
    key = fields.pop("key", None)
    options = cast("Options", {one: fields.pop(one) for one in DEFAULTS.keys() & fields.keys()})
    if fields.keys() == _ONE:
        request = arguments.one(**fields, **text_and_force(options))
    elif fields and fields.keys() <= _GENERIC:
        user, project = (fields.get(f"{one}_provisions") for one in ("user", "project"))
        request = arguments.generic(user, project, **text_and_force(options))
    else:
        names = ", ".join(sorted(map(str, fields))) or "nothing"
        raise BadValue(
            "give user, project and provisions, or user_provisions and/or project_provisions, "
            f"besides key and options; not {names}"
        )
    return request, key, handling(options)
