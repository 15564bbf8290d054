"""From a reply to an answer, or to an error with its outcome. Pure.

Status codes are read here and nowhere else. The class of an error follows from the status alone,
as the user's document has it. The outcome is *refused* only if the body is Astakos' own: the page
of a proxy is no verdict, so its outcome is *ambiguous*.
"""

from __future__ import annotations

import http
import json
from typing import TYPE_CHECKING, Any

from astakosclient.errors import (
    AstakosClientException,
    BadRequest,
    Forbidden,
    InvalidResponse,
    NotFound,
    Outcome,
    Unauthorized,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from astakosclient.http_messages import HttpReply, HttpRequest

_CLASSES = {400: BadRequest, 401: Unauthorized, 403: Forbidden, 404: NotFound}
# The key of the fault in Astakos' own body. A page of a proxy, or of another API, has no such key.
_FAULTS = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "notAllowed",
    409: "conflict",
    413: "overLimit",
}
_SHAPES: dict[type, str] = {dict: "an object", list: "a list"}


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def decoded(request: HttpRequest, reply: HttpReply) -> Any:
    """Return the JSON of a 2xx reply, checked; None if the request expects nothing.

    Raises `InvalidResponse` if the body is not JSON, `AstakosClientException` if the JSON is not
    what the request expects. Both are ambiguous.
    """
    text = reply.body.decode("utf-8", "replace")
    said, garbled = None, None
    if reply.body:
        try:
            said = json.loads(reply.body.decode("utf-8"), parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            garbled = str(error).partition(" for")[0]
    if garbled is not None:
        # Raised here and not above: the error of `json` keeps the body, and with it a token.
        raise InvalidResponse("the reply is not JSON", garbled, response=text)
    expects = request.expects
    if expects is None:
        return None
    if not isinstance(said, expects):
        flaw: str | None = f"the reply is {'not ' + _SHAPES[expects] if reply.body else 'empty'}"
    else:
        flaw = request.flaw(said) if request.flaw else None
    if flaw:
        raise AstakosClientException(flaw, response=text)
    return said


def _object_in(text: str) -> dict[str, Any]:
    """Return the JSON object in a body, or an empty one."""
    if not text.lstrip().startswith("{"):
        return {}
    try:
        said: dict[str, Any] = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return said


def fault_of(reply: HttpReply, text: str) -> Mapping[str, Any] | None:
    """Return the fault if the body is Astakos' own, else None (the protocol, section 3.1)."""
    name = _FAULTS.get(reply.status)
    if name is None:
        return None
    said = _object_in(text)
    fault = said.get(name) if len(said) == 1 else None
    return fault if isinstance(fault, dict) and fault.get("code") == reply.status else None


def _is_refusal_without_fault(request: HttpRequest, reply: HttpReply, text: str) -> bool:
    """Return whether this is a refusal that has no fault in its body.

    There are two: the empty 404 of a single commission (section 3.1 of the protocol), and the
    400 of OAuth 2 (section 3.15).
    """
    if request.bare_404 and reply.status == 404:
        return reply.ended and not reply.body
    return request.oauth and reply.status == 400 and isinstance(_object_in(text).get("error"), str)


def error_of(request: HttpRequest, reply: HttpReply) -> AstakosClientException:
    """Return the error for a reply whose status is not 2xx."""
    text = reply.body.decode("utf-8", "replace")
    fault = fault_of(reply, text)
    refused = fault is not None or _is_refusal_without_fault(request, reply, text)
    outcome = Outcome.REFUSED if refused else Outcome.AMBIGUOUS
    reason = _one_line(reply.reason)
    if not reason or reason == "OK":  # the protocol, section 10.2: "404 OK" is common
        known = reply.status in set(http.HTTPStatus)
        reason = http.HTTPStatus(reply.status).phrase if known else f"status {reply.status}"
    if reply.status == 413 and request.over_limit is not None:
        return request.over_limit(reason, text, fault, outcome)
    specific = _CLASSES.get(reply.status)
    if specific is not None:
        return specific(reason, text, response=text, outcome=outcome)
    said = _one_line(fault.get("message")) if fault else ""
    message = f"{reason}: {said}" if said else reason
    return AstakosClientException(message, "", reply.status, text, outcome=outcome)


def _one_line(said: object) -> str:
    """Return a text from the network as one line, safe for a terminal and a log."""
    words = " ".join(said.split()) if isinstance(said, str) else ""
    return "".join(one if one.isprintable() else "?" for one in words)
