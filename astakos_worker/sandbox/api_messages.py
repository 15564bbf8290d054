"""HTTP requests and replies as values, apart from the sockets that carry them.

The bodies of faults, the headers of each reply and the spelling of times stand here, once
(the protocol, section 3.1).
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.parser import BytesParser
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

from astakos_worker.sandbox.errors import ApiFaultError
from astakos_worker.sandbox.quirks import Quirk

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


URLENCODED: Final = "application/x-www-form-urlencoded"


@dataclass(slots=True)
class ApiRequest:
    """One request, its body read; header names are in lower case."""

    method: str
    path: str
    # Query, headers and body may hold a token.
    query_string: bytes = field(default=b"", repr=False)
    headers: Mapping[bytes, bytes] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    base_url: str = ""
    # The variable part of the path, such as a serial.
    argument: str = ""

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the query, empty ones included; of several the last counts."""
        return _parse_form(self.query_string.decode("latin-1"))

    @property
    def token(self) -> str:
        """The first token in the query that is not empty, else the token in the header."""
        for name, token in parse_qsl(self.query_string.decode("latin-1")):
            if name == "X-Auth-Token":
                return token
        return self.headers.get(b"x-auth-token", b"").decode("latin-1")

    @property
    def content_type(self) -> str:
        """The Content-Type as it was sent."""
        return self.headers.get(b"content-type", b"").decode("latin-1")

    def json_object(
        self, *, of_any_type: bool = False, uncaught: bool = False
    ) -> dict[str, object]:
        """Return the body as a JSON object; raises a 400.

        `of_any_type` allows each Content-Type. With `uncaught`, the real server does not catch
        JSON of another shape.
        """
        if not of_any_type and not self.content_type.startswith("application/json"):
            raise ApiFaultError(400, "Content-Type must be application/json")
        try:
            content: object = json.loads(self.body.decode())
        except (ValueError, RecursionError) as cause:
            raise ApiFaultError(400, "The body is not valid JSON") from cause
        if not isinstance(content, dict):
            raise ApiFaultError(400, "The body must be a JSON object", uncaught=uncaught)
        return content

    def one_key_of(self, recognized: Iterable[str]) -> tuple[str, object]:
        """Return the one recognized key of the body and its value; raises a 400."""
        body, known = self.json_object(uncaught=True), [str(key) for key in recognized]
        found = [key for key in known if key in body]
        if len(found) != 1:
            raise ApiFaultError(400, f"Give one of: {', '.join(known)}")
        return found[0], body[found[0]]

    def form(self) -> dict[str, str]:
        """Return the fields of a form; a body of any other type is an empty form."""
        kind = self.content_type.partition(";")[0].strip().lower()
        if kind == URLENCODED:
            return _parse_form(self.body.decode("utf-8", "replace"))
        return self._multipart() if kind == "multipart/form-data" else {}

    def _multipart(self) -> dict[str, str]:
        # One line cannot be read as more headers.
        head = self.content_type.replace("\r", " ").replace("\n", " ")
        message = BytesParser().parsebytes(
            b"Content-Type: " + head.encode("latin-1", "replace") + b"\r\n\r\n" + self.body
        )
        fields: dict[str, str] = {}
        for part in message.get_payload() if message.is_multipart() else ():
            if isinstance(part, str):
                continue
            name = part.get_param("name", header="content-disposition")
            content = part.get_payload(decode=True)
            if isinstance(name, str) and isinstance(content, bytes):
                fields[name] = content.decode("utf-8", "replace")
        return fields


def _parse_form(text: str) -> dict[str, str]:
    return dict(parse_qsl(text, keep_blank_values=True))


class Reply(NamedTuple):
    """One reply, before it is sent."""

    status: int
    body: bytes = b""
    content_type: str = JSON_TYPE
    allow: tuple[str, ...] | None = None
    location: str | None = None


def reply_json(content: object, status: int = 200) -> Reply:
    """Return a reply with a JSON document."""
    return Reply(status, json.dumps(content).encode())


def reply_oauth(content: object, quirks: frozenset[Quirk], status: int = 200) -> Reply:
    """Return a reply of the OAuth 2 endpoints: JSON with any label (section 3.15)."""
    reply = reply_json(content, status)
    if Quirk.OAUTH_HTML in quirks:
        return reply._replace(content_type=HTML_TYPE)
    if Quirk.OAUTH_OCTET_STREAM in quirks:
        return reply._replace(content_type="application/octet-stream")
    return reply


def reply_fault(fault: ApiFaultError) -> Reply:
    """Return a reply with a fault in Astakos' own shape."""
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
    """Return the part that the inner objects of all faults have."""
    return {"code": status, "message": message}


def fault_name(status: int) -> str:
    """Return the key of a fault of that status."""
    return FAULT_NAMES.get(status, "internalServerError" if status >= 500 else "badRequest")


def headers_of(reply: Reply) -> list[tuple[bytes, bytes]]:
    """Return the headers that each reply of the API has."""
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
    """Return a UTC time as the API spells it: microseconds unless zero, and `+00:00`."""
    return moment.isoformat()
