"""Checks the arguments of calls, and makes a request of them; a wrong one raises `BadValue`.

Pure. Whatever Astakos or the ledger could not take later is refused here, before anything is
stored or sent (F22, F28, F61, F83).
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from astakos_worker.configuration.names import NAME, OURS
from astakos_worker.ledger.record import KEY_LIMIT, Moment
from astakos_worker.ledger.request import NAME_LIMIT, Provision, Request, Tag, merge, wire_name
from astakosclient.errors import BadValue

_INT64 = 2**63
#: The ledger's server sorts serials as doubles, which are exact below this. Astakos counts from
#: one: at a thousand commissions a second it would reach this in 285,000 years.
_SERIALS_END = 2**53
_ID_LIMIT = 255
_REASON_LIMIT = 4096
_CALLBACK_LIMIT = 400
_CALLBACK = re.compile(r"[^\s@]+(@[^\s@]+)?")


def one(
    user: str, project: str, provisions: Mapping[str, int], *, name: str = "", force: bool = False
) -> Request:
    """Return a request for `{resource: quantity}` of a user in a project.

    Each quantity is charged to the user's holding and to the project's, as services do.
    """
    holder, source = f"user:{_uuid('user', user)}", f"project:{_uuid('project', project)}"
    built: list[Provision] = []
    for resource, quantity in _items("provisions", provisions):
        label, amount = _id("resource", resource), checked_quantity(resource, quantity)
        built += [
            Provision(holder, source, label, amount),
            Provision(source, None, label, amount),
        ]
    return _request(built, name, force)


def generic(
    user_provisions: Mapping[tuple[str, str, str], int] | None,
    project_provisions: Mapping[tuple[str, str], int] | None,
    *,
    name: str = "",
    force: bool = False,
) -> Request:
    """Return a request with both kinds of provisions exactly as given.

    `user_provisions` is `{(user, project, resource): quantity}`, `project_provisions`
    `{(project, resource): quantity}`.
    """
    built = []
    for key, quantity in _items("user_provisions", user_provisions or {}):
        user, project, resource = _parts("user_provisions", key, 3)
        amount = checked_quantity(resource, quantity)
        built.append(Provision(f"user:{user}", f"project:{project}", resource, amount))
    for key, quantity in _items("project_provisions", project_provisions or {}):
        project, resource = _parts("project_provisions", key, 2)
        built.append(
            Provision(f"project:{project}", None, resource, checked_quantity(resource, quantity))
        )
    return _request(built, name, force)


def reassignment(
    user: str,
    provisions: Mapping[tuple[str, str, str], int],
    *,
    name: str = "",
    force: bool = False,
) -> Request:
    """Return a request that moves `{(from_project, to_project, resource): quantity}` of a user."""
    holder = f"user:{_uuid('user', user)}"
    built: list[Provision] = []
    for key, quantity in _items("provisions", provisions):
        before, after, resource = _parts("provisions", key, 3)
        amount = checked_quantity(resource, quantity)
        for project, signed in ((f"project:{before}", -amount), (f"project:{after}", amount)):
            built += [
                Provision(holder, project, resource, signed),
                Provision(project, None, resource, signed),
            ]
    return _request(built, name, force)


def checked_key(key: object) -> str:
    """Return the idempotency key if it is 1 to 200 printable characters."""
    if not isinstance(key, str):
        raise BadValue(f"key must be a string, not {type(key).__name__}")
    if not 1 <= len(key) <= KEY_LIMIT:
        raise BadValue(f"key must have 1 to {KEY_LIMIT} characters, not {len(key)}")
    if not key.isprintable():
        raise BadValue(f"key must be printable: {key!r}")
    return key


def checked_text(label: str, text: object, limit: int) -> str:
    """Return a text that the ledger can keep: no NUL, no lone surrogate, `limit` characters."""
    if not isinstance(text, str):
        raise BadValue(f"{label} must be a string, not {type(text).__name__}")
    if len(text) > limit:
        raise BadValue(f"{label} must have at most {limit} characters, not {len(text)}")
    if "\0" in text or not _is_utf8(text):
        raise BadValue(f"{label} must have no NUL and no lone surrogate: {text!r:.80}")
    return text


def checked_reason(reason: object) -> str:
    """Return the text of a decision, for operators."""
    return checked_text("reason", reason, _REASON_LIMIT)


def checked_callback(callback: object) -> str:
    """Return a call-back: the name of a Celery task, or `task@queue`."""
    if not isinstance(callback, str):
        raise BadValue(f"callback must be a string, not {type(callback).__name__}")
    fits = len(callback) <= _CALLBACK_LIMIT and callback.isprintable()
    if not fits or not _CALLBACK.fullmatch(callback):
        form = f"task or task@queue, at most {_CALLBACK_LIMIT} printable characters without spaces"
        raise BadValue(f"callback must be {form}, not {callback!r:.80}")
    for what, name in zip(("task", "queue"), callback.split("@"), strict=False):
        if name.startswith(OURS):
            raise BadValue(
                f"callback: the {what} {name!r} is this package's own, which no call-back can use; "
                "name a task of yours, and a queue that your own Celery workers read"
            )
    return callback


def checked_timeout(label: str, seconds: object) -> float:
    """Return a number of seconds, zero included: how long a call waits."""
    if seconds == 0 and not isinstance(seconds, bool):
        return 0.0
    return checked_seconds(label, seconds)


def checked_which(which: object) -> str | int:
    """Return a key, or an integer for a serial."""
    return checked_key(which) if isinstance(which, str) else checked_serial(which)


def checked_incarnation(incarnation: object) -> str | None:
    """Return the name of one use of a key, as outcomes and call-backs have it; None: any use."""
    if incarnation is None:
        return None
    if not isinstance(incarnation, str) or not re.fullmatch(r"[0-9a-f]{8}", incarnation):
        raise BadValue(f"incarnation must be that of an outcome, not {incarnation!r:.80}")
    return incarnation


def checked_service(service: object) -> str:
    """Return the name of a service if it can be one. Whether workers serve it is not known here."""
    if not isinstance(service, str) or not re.fullmatch(NAME, service):
        form = "1 to 32 of a-z, 0-9, _ and -, and begin with a letter"
        raise BadValue(f"the name of a service must be {form}, not {service!r:.80}")
    return service


def checked_serial(serial: object) -> int:
    """Return the serial if it is a positive integer; `True` is none (F28)."""
    if isinstance(serial, bool) or not isinstance(serial, int):
        raise BadValue(f"a serial must be an integer, not {type(serial).__name__}")
    if not 0 < serial < _SERIALS_END:
        raise BadValue(f"a serial must be positive and less than 2**53, not {serial}")
    return serial


def checked_quantity(resource: object, quantity: object) -> int:
    """Return the quantity if it is an integer below 2**63 in size; `True` is none (F61).

    -2**63 fits into 64 bits, but what gives it back does not.
    """
    if isinstance(quantity, bool) or not isinstance(quantity, int):
        kind = type(quantity).__name__
        raise BadValue(f"the quantity of {resource!r} must be an integer, not {kind}")
    if not -_INT64 < quantity < _INT64:
        raise BadValue(
            f"the quantity of {resource!r} must fit into 64 bits, its negative too: {quantity}"
        )
    return quantity


def checked_count(label: str, count: object) -> int:
    """Return a number of things: an integer from one on."""
    if isinstance(count, bool) or not isinstance(count, int) or not 0 < count < _SERIALS_END:
        raise BadValue(f"{label} must be a positive integer, not {count!r:.80}")
    return count


def checked_seconds(label: str, seconds: object) -> float:
    """Return a number of seconds above zero."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise BadValue(f"{label} must be a number of seconds, not {type(seconds).__name__}")
    if not 0 < seconds < 10 * 365 * 86400:
        raise BadValue(f"{label} must be more than 0 and less than ten years, not {seconds}")
    return float(seconds)


def checked_strings(label: str, values: Iterable[str]) -> list[str]:
    """Return a list of strings; a single string is refused, since a list was meant."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise BadValue(f"{label} must be a list of strings, not {values!r:.80}")
    listed = list(values)
    if not all(isinstance(value, str) for value in listed):
        raise BadValue(f"{label} must be a list of strings: {listed!r:.200}")
    for value in listed:
        if "\0" in value or not _is_utf8(value):
            raise BadValue(f"{label} must have no NUL and no lone surrogate: {value!r:.80}")
    return listed


def checked_moments(moments: Iterable[Moment]) -> tuple[Moment, ...]:
    """Return the moments of a call-back: any of "pending", "refused" and "closed"."""
    known = get_args(Moment)
    if isinstance(moments, str) or not isinstance(moments, Iterable):
        raise BadValue(f"callback_on must be a list of {', '.join(known)}, not {moments!r:.80}")
    listed = tuple(moments)
    if not listed or any(moment not in known for moment in listed):
        raise BadValue(f"callback_on must name some of {', '.join(known)}, not {listed!r:.80}")
    return tuple(moment for moment in known if moment in listed)


def check_name(request: Request, tag: Tag) -> None:
    """Raise `BadValue` if the name and its tag are too long for Astakos."""
    try:
        wire_name(request.name, tag)
    except ValueError as error:
        raise BadValue(str(error)) from None


def _request(provisions: Iterable[Provision], name: object, force: object) -> Request:
    merged = merge(provisions)
    if not merged:
        raise BadValue("provisions are empty: there is nothing to reserve")
    for provision in merged:
        checked_quantity(provision.resource, provision.quantity)
    name = checked_text("name", name, NAME_LIMIT)
    if not isinstance(force, bool):
        raise BadValue(f"force must be True or False, not {force!r}")
    return Request(merged, name, force)


def _is_utf8(text: str) -> bool:
    """Return whether a text can be encoded: one with a lone surrogate cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _items(label: str, mapping: object) -> Iterable[tuple[Any, Any]]:
    if not isinstance(mapping, Mapping):
        raise BadValue(f"{label} must be a mapping, not {type(mapping).__name__}")
    return mapping.items()


def _parts(label: str, key: object, length: int) -> tuple[str, ...]:
    if not isinstance(key, tuple) or len(key) != length:
        raise BadValue(f"{label}: each key must be a tuple of {length} strings, not {key!r}")
    *uuids, resource = key
    return *(_uuid(label, one) for one in uuids), _id(label, resource)


def _uuid(label: str, value: object) -> str:
    """Return the uuid of a user or project; a user's name, which is an address, is refused.

    Astakos would say 404 minutes later. What else is no uuid is left to Astakos.
    """
    text = _id(label, value)
    if "@" in text:
        found = f"Lookups().uuid({text!r}) returns the uuid of a user"
        raise BadValue(f"{label} must be a uuid, and {text!r:.80} is a name: {found}")
    return text


def _id(label: str, value: object) -> str:
    if not isinstance(value, str):
        raise BadValue(f"{label} must be a string, not {type(value).__name__}")
    if not 1 <= len(value) <= _ID_LIMIT or not value.isprintable():
        raise BadValue(f"{label} must be 1 to {_ID_LIMIT} printable characters: {value[:80]!r}")
    return value
