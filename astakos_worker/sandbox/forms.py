"""Bodies that are forms, as browsers send them: url-encoded or multipart."""

from __future__ import annotations

from email.parser import BytesParser
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from astakos_worker.sandbox.wire import Request

URLENCODED: Final = "application/x-www-form-urlencoded"
_MULTIPART: Final = "multipart/form-data"


def form_of(request: Request) -> dict[str, str]:
    """The fields of a form; a body of any other type is an empty one."""
    kind = request.content_type.partition(";")[0].strip().lower()
    if kind == URLENCODED:
        return urlencoded(request)
    if kind == _MULTIPART:
        return _multipart(request)
    return {}


def urlencoded(request: Request) -> dict[str, str]:
    """The fields of a body that is url-encoded; of several of one name the last counts."""
    return dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))


def _multipart(request: Request) -> dict[str, str]:
    # No header can follow from what stands in one line.
    head = request.content_type.replace("\r", " ").replace("\n", " ")
    message = BytesParser().parsebytes(
        b"Content-Type: " + head.encode("latin-1", "replace") + b"\r\n\r\n" + request.body
    )
    form: dict[str, str] = {}
    for part in message.get_payload() if message.is_multipart() else ():
        if isinstance(part, str):
            continue
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            form[name] = content.decode("utf-8", "replace")
    return form
