"""Reads the arguments of messages that came by name, as plain JSON.

JSON has no tuples, so provisions are lists of objects here. Arguments that do not fit raise
`BadValue`. The task's result then says why, and the message is not retried (F51).
"""

from collections.abc import Mapping
from typing import Any

from astakos_worker.configuration import names
from astakos_worker.configuration.settings import Settings
from astakos_worker.ledger.request import Request
from astakos_worker.service import arguments
from astakosclient.errors import BadValue

_COMMON = {"name", "force"}


def generic_request(message: Mapping[str, Any]) -> Request:
    """Return the request of a message; `BadValue` if it has none of three forms.

    The forms: `user`, `project`, `provisions: {resource: quantity}`; or `user_provisions` and
    `project_provisions`, lists of `{"user", "project", "resource", "quantity"}` (no user in the
    latter); or `user` and `reassign`, a list of `{"from", "to", "resource", "quantity"}`.
    """
    common = {"name": message.get("name", ""), "force": message.get("force", False)}
    given = message.keys() - _COMMON
    if given == {"user", "project", "provisions"}:
        return arguments.one(message["user"], message["project"], message["provisions"], **common)
    if given and given <= {"user_provisions", "project_provisions"}:
        return arguments.generic(
            _table(message, "user_provisions", ("user", "project", "resource")),
            _table(message, "project_provisions", ("project", "resource")),
            **common,
        )
    if given == {"user", "reassign"}:
        moves = _table(message, "reassign", ("from", "to", "resource"))
        return arguments.reassignment(message["user"], moves, **common)
    raise BadValue(
        "give user, project and provisions; or user_provisions and/or project_provisions; "
        f"or user and reassign; not {', '.join(sorted(given)) or 'nothing'}"
    )


def newer(message: dict[str, Any]) -> bool:
    """Remove the schema from a message; return whether this code is too old to read it."""
    schema = message.pop("schema", names.MESSAGES)
    if isinstance(schema, bool) or not isinstance(schema, int) or schema < 1:
        raise BadValue(f"schema must be a positive integer, not {schema!r:.80}")
    return schema > names.MESSAGES


def served(settings: Settings, service: object) -> str:
    """Return the named service of a message.

    `BadValue` for one that is not configured: no worker would issue its commissions.
    """
    name = settings.service if service is None else arguments.checked_service(service)
    try:
        settings.for_service(name)
    except KeyError as error:
        raise BadValue(str(error.args[0])) from None
    return name


def only(message: Mapping[str, Any], *fields: str) -> None:
    """Raise `BadValue` if a message has another field than these; most likely a misspelt one."""
    if unknown := sorted(message.keys() - set(fields)):
        raise BadValue(f"give {', '.join(fields)}; not {', '.join(unknown)}")


def which(message: Mapping[str, Any]) -> str | int:
    """Return the key or the serial that a decision is about."""
    key, serial = message.get("key"), message.get("serial")
    if (key is None) == (serial is None):
        raise BadValue("give either key or serial")
    return arguments.checked_serial(serial) if key is None else arguments.checked_key(key)


def reason(message: Mapping[str, Any]) -> str:
    """Return the reason of a decision, for operators; empty if there is none."""
    text = message.get("reason", "")
    if not isinstance(text, str):
        raise BadValue(f"reason must be a string, not {type(text).__name__}")
    return text


def items(message: Mapping[str, Any], label: str) -> list[Any]:
    """Return the list of keys and serials under a label; empty if there is none."""
    listed = message.get(label, [])
    if not isinstance(listed, list):
        raise BadValue(f"{label} must be a list, not {type(listed).__name__}")
    return listed


def _table(message: Mapping[str, Any], label: str, fields: tuple[str, ...]) -> dict[Any, int]:
    table: dict[Any, int] = {}
    for row in items(message, label):
        if not isinstance(row, Mapping) or row.keys() != {*fields, "quantity"}:
            raise BadValue(f"{label}: each must be an object of {', '.join(fields)}, quantity")
        key = tuple(row[field] for field in fields)
        if any(not isinstance(part, str) for part in key):
            raise BadValue(f"{label}: {', '.join(fields)} must be strings")
        table[key] = table.get(key, 0) + arguments.checked_quantity(
            row["resource"], row["quantity"]
        )
    return table
