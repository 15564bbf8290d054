"""A row of the outbox: one call, as JSON that a later version can still read. Pure.

A row holds what the message of a call by name holds, and the incarnation of its commission. So the
ledger recognises a row that is sent a second time.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

from astakos_worker.configuration.settings import Settings
from astakos_worker.ledger.record import WHEN_CLOSED, bare_key
from astakos_worker.ledger.request import Request
from astakos_worker.service import arguments, drafts
from astakos_worker.service.drafts import Checked, Draft
from astakos_worker.service.tokens import NOTHING, UNREAD, Token
from astakosclient.errors import BadValue

#: The newest form of rows that this code reads and writes. Newer rows are left alone.
SCHEMA = 1

RowKind = Literal["issue", "accept", "reject", "extend"]

#: The holder of a row that names several projects: it waits for all older rows of its service,
#: and all newer ones wait for it.
SEVERAL = "several"
#: The holder of a decision whose project is not known yet.
UNKNOWN = ""


class Row(NamedTuple):
    """A row as it is read. `age`: seconds since it was written, by the database's clock."""

    id: int
    schema: int
    kind: str
    service: str
    key: str
    holder: str
    incarnation: str
    arguments: str
    age: float


class NewRow(NamedTuple):
    """A row as it is written; the database adds its id and its time.

    A row with the holder `UNKNOWN` gets that of the newest row of its key, if there is one.
    """

    schema: int
    kind: RowKind
    service: str
    key: str
    holder: str
    incarnation: str
    arguments: str


@dataclass(frozen=True, slots=True)
class OutboxDecision:
    """A row's decision, or its new deadline."""

    kind: Literal["accept", "reject", "extend"]
    which: str | int
    reason: str = ""
    deadline: float = 0.0  # seconds from the row's time
    incarnation: str | None = None  # the use of the key that it is for; None: whichever it is

    @property
    def plain(self) -> bool:
        """Whether it says nothing but its verb."""
        return not self.reason and self.incarnation is None


# --- Writing ----------------------------------------------------------------------------------


def issue(service: str, request: Request, checked: Checked) -> NewRow:
    """Return the row of a new commission."""
    users: list[dict[str, Any]] = []
    projects: list[dict[str, Any]] = []
    for holder, source, resource, quantity in request.provisions:
        if source is None:
            fields = {"project": _bare(holder), "resource": resource, "quantity": quantity}
            projects.append(fields)
        else:
            fields = {"user": _bare(holder), "project": _bare(source), "resource": resource}
            users.append({**fields, "quantity": quantity})
    given = {
        "user_provisions": users,
        "project_provisions": projects,
        "name": request.name,
        "force": request.force,
        "accept": checked.accept,
        "deadline": checked.deadline,
        "callback": checked.callback,
        "callback_on": list(checked.moments),
        "reuse": _reuse(checked),
    }
    token = checked.token
    about = (service, token.key, holder_of(request), token.incarnation)
    return NewRow(SCHEMA, "issue", *about, _json(given))


def decision(service: str, said: OutboxDecision) -> NewRow:
    """Return the row of a decision, or of a new deadline."""
    given: dict[str, Any] = {"reason": said.reason, "deadline": said.deadline}
    if isinstance(said.which, str):
        about = (service, said.which, UNKNOWN, said.incarnation or "")
    else:
        about = (service, bare_key(said.which), alone(str(said.which)), said.incarnation or "")
        given["serial"] = said.which
    return NewRow(SCHEMA, said.kind, *about, _json(given))


def holder_of(request: Request) -> str:
    """Return whose order a commission is a part of: its project, or `SEVERAL`."""
    holders = {one.source or one.holder for one in request.provisions}
    return holders.pop() if len(holders) == 1 else SEVERAL


def alone(key: str) -> str:
    """Return the holder of a decision that no project's order is known to concern."""
    return f"key:{key}"


def _json(given: Mapping[str, Any]) -> str:
    return json.dumps({name: value for name, value in given.items() if _says(name, value)})


def _says(name: str, value: object) -> bool:
    """Return whether a field says more than its default."""
    if name == "callback_on":
        return value != list(WHEN_CLOSED)
    return bool(value)


def _reuse(checked: Checked) -> bool | str:
    if checked.token.replaces in (UNREAD, NOTHING):
        return checked.reuse
    return checked.token.replaces


def _bare(holder: str) -> str:
    return holder.partition(":")[2]


# --- Reading ----------------------------------------------------------------------------------


def read(row: Row, settings: Settings, now: float) -> Draft | OutboxDecision:
    """Return what a row says, as of the row's time; `BadValue` for what cannot be right.

    `now`: the ledger's time.
    """
    fields: dict[str, Any] = json.loads(row.arguments)
    match row.kind:
        case "issue":
            return _draft(row, fields, settings, now)
        case "accept" | "reject" | "extend" as kind:
            which = arguments.checked_which(fields.get("serial", row.key))
            more = (fields.get("reason", ""), fields.get("deadline", 0.0), row.incarnation or None)
            return OutboxDecision(kind, which, *more)
    raise BadValue(f"a row must be of the kind {', '.join(get_args(RowKind))}; not {row.kind!r}")


def _draft(row: Row, fields: dict[str, Any], settings: Settings, now: float) -> Draft:
    given = dict(fields)
    request = arguments.generic(
        _table(given.pop("user_provisions", ()), ("user", "project", "resource")),
        _table(given.pop("project_provisions", ()), ("project", "resource")),
        name=given.pop("name", ""),
        force=given.pop("force", False),
    )
    unread = given.get("reuse", False) is True
    replaces = UNREAD if unread else given.get("reuse") or NOTHING
    token = Token(row.incarnation, replaces, row.key)
    checked = drafts.check(row.service, settings, request, row.key, token=str(token), **given)
    return checked.draft(row.service, request, now - row.age)


def _table(rows: Iterable[Mapping[str, Any]], names: tuple[str, ...]) -> dict[Any, int]:
    return {tuple(row[name] for name in names): row["quantity"] for row in rows}
