"""Requests and replies as values: what the API's shape is, apart from how they travel.

The bodies of faults, the headers of every answer and the spelling of times stand here, once
(the protocol, section 3.1).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import parse_qs

from astakos_worker.sandbox.errors import ApiFaultError
from astakos_worker.sandbox.quirks import Quirk

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

JSON_TYPE: Final = "application/json; charset=UTF-8"
HTML_TYPE: Final = "text/html; charset=UTF-8"

FAULT_NAMES: Final = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "notAllowed",
    409: "conflict",
    413: "overLimit",
    500: "internalServerError",
    502: "badGateway",
    503: "serviceUnavailable",
    504: "gatewayTimeout",
}


@dataclass(slots=True)
class Request:
    """One request, its body read; header names are in lower case."""

    method: str
    path: str
    # Query, headers and body may hold a token.
    query_string: bytes = field(default=b"", repr=False)
    headers: Mapping[bytes, bytes] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    base_url: str = ""
    # What the path names: a serial, say.
    argument: str = ""
    quirks: frozenset[Quirk] = frozenset()

    @property
    def query(self) -> dict[str, list[str]]:
        """The query's parameters, empty ones included."""
        if not self.query_string:
            return {}
        text = self.query_string.decode("latin-1")
        return parse_qs(text, keep_blank_values=True)

    @property
    def token(self) -> str:
        """The credential; one in the query wins if it is not empty."""
        if self.query_string:
            for token in self.query.get("X-Auth-Token", ()):
                if token:
                    return token
        return self.headers.get(b"x-auth-token", b"").decode("latin-1")

    @property
    def content_type(self) -> str:
        """The Content-Type as it was sent."""
        return self.headers.get(b"content-type", b"").decode("latin-1")

    def json(self, *, whatever_type: bool = False) -> object:
        """The body decoded; a 400 if it cannot be."""
        if not whatever_type and not self.content_type.startswith("application/json"):
            raise ApiFaultError(400, "Content-Type must be application/json")
        return self._decode()

    def json_object(
        self, *, whatever_type: bool = False, uncaught: bool = False
    ) -> dict[str, object]:
        """The body decoded; a 400 if it is not a JSON object, `uncaught` by the real server."""
        content = self.json(whatever_type=whatever_type)
        if not isinstance(content, dict):
            raise ApiFaultError(400, "The body must be a JSON object", uncaught=uncaught)
        return content

    def parameter(self, name: str) -> str | None:
        """The last value of that name in the query, if it is there."""
        values = self.query.get(name)
        return None if values is None else values[-1]

    def _decode(self) -> object:
        try:
            content: object = json.loads(self.body.decode())
        except (ValueError, RecursionError) as cause:
            raise ApiFaultError(400, "The body is not valid JSON") from cause
        return content


class Reply(NamedTuple):
    """One answer, before it travels."""

    status: int
    body: bytes = b""
    content_type: str = JSON_TYPE
    allow: tuple[str, ...] | None = None
    location: str | None = None


def reply_json(content: object, status: int = 200) -> Reply:
    """Answer with a JSON document."""
    return Reply(status, json.dumps(content).encode())


def reply_oauth(content: object, quirks: frozenset[Quirk], status: int = 200) -> Reply:
    """Answer as the OAuth 2 endpoints do: JSON, whatever the label says (section 3.15)."""
    reply = reply_json(content, status)
    if Quirk.OAUTH_HTML in quirks:
        return reply._replace(content_type=HTML_TYPE)
    if Quirk.OAUTH_OCTET_STREAM in quirks:
        return reply._replace(content_type="application/octet-stream")
    return reply


def reply_fault(fault: ApiFaultError) -> Reply:
    """Answer with a fault in Astakos' own shape."""
    if fault.message is None:
        return Reply(fault.status)
    content = fault_body(fault.status, fault.message)
    if fault.data is None:
        content["details"] = ""
    else:
        content["data"] = dict(fault.data)
    body = json.dumps({fault_name(fault.status): content}).encode()
    return Reply(fault.status, body, allow=fault.allow)


def fault_body(status: int, message: str) -> dict[str, object]:
    """The inner part of a fault that every fault has."""
    return {"code": status, "message": message}


def fault_name(status: int) -> str:
    """The key under which a fault of that status stands."""
    return FAULT_NAMES.get(status, "internalServerError" if status >= 500 else "badRequest")


def headers_of(reply: Reply) -> list[tuple[bytes, bytes]]:
    """The headers that every answer of the API carries."""
    headers = [
        (b"content-type", reply.content_type.encode()),
        (b"content-length", str(len(reply.body)).encode()),
        (b"vary", b"X-Auth-Token"),
        (b"cache-control", b"no-cache, no-store, must-revalidate, max-age=0"),
    ]
    if reply.allow is not None:
        headers.append((b"allow", ",".join(reply.allow).encode()))
    if reply.location is not None:
        headers.append((b"location", reply.location.encode("ascii", "xmlcharrefreplace")))
    return headers


def iso_time(moment: datetime) -> str:
    """A UTC time as the API spells it: microseconds unless they are zero, and `+00:00`."""
    return moment.isoformat()
