"""Many new commissions in one call: what may be said of each. Pure.

The words are those of `Commissions.issue` and `issue_generic`, with the same meaning.
"""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from astakos_worker.ledger.request import Request
from astakos_worker.service import arguments
from astakos_worker.service.options import How, Options
from astakosclient.errors import BadValue

_WHAT = {"name", "force"}
_HOW = How.__annotations__.keys()
_ONE = {"user", "project", "provisions"}
_GENERIC = {"user_provisions", "project_provisions"}


class NewCommission(Options, total=False):
    """One of `Commissions.issue_many`: user, project and provisions, or the generic ones."""

    key: str | None
    user: str
    project: str
    provisions: Mapping[str, int]
    user_provisions: Mapping[tuple[str, str, str], int]
    project_provisions: Mapping[tuple[str, str], int]


def listed(commissions: Iterable[NewCommission]) -> list[NewCommission]:
    """Return what was given as a list; `BadValue` for what is none."""
    if isinstance(commissions, str | Mapping) or not isinstance(commissions, Iterable):
        text = f"give a list of commissions, each a mapping, not {commissions!r:.80}"
        raise BadValue(text)
    return list(commissions)


def read(given: NewCommission) -> tuple[Request, str | None, How]:
    """Return request, key and options of one; `BadValue` for what cannot be right."""
    if not isinstance(given, Mapping):
        raise BadValue(f"a commission must be a mapping, not {given!r:.80}")
    fields: dict[str, Any] = dict(given)
    key = fields.pop("key", None)
    how = {name: fields.pop(name) for name in _HOW & fields.keys()}
    what = {name: fields.pop(name) for name in _WHAT & fields.keys()}
    if fields.keys() == _ONE:
        request = arguments.one(**fields, **what)
    elif fields and fields.keys() <= _GENERIC:
        user, project = (fields.get(f"{one}_provisions") for one in ("user", "project"))
        request = arguments.generic(user, project, **what)
    else:
        names = ", ".join(sorted(map(str, fields))) or "nothing"
        raise BadValue(
            "give user, project and provisions, or user_provisions and/or project_provisions, "
            f"besides key and options; not {names}"
        )
    return request, key, cast("How", how)
