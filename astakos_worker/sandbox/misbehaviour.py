"""What a fault answers instead of Astakos, or makes of Astakos' answer: replies from replies."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from astakos_worker.sandbox.api.commissions import Issue
from astakos_worker.sandbox.errors import ApiFaultError
from astakos_worker.sandbox.faults import Kind, Rule
from astakos_worker.sandbox.quota import merge
from astakos_worker.sandbox.wire import HTML_TYPE, Reply, Request, reply_fault

if TYPE_CHECKING:
    from astakos_worker.sandbox.astakos import Astakos
    from astakos_worker.sandbox.routes import Route

# Neither UTF-8 nor JSON, however it is looked at.
_GARBAGE: Final = b'\xff\xfe{"ser\x00'
# What another request was refused for, as the real server mixes them up (section 10.1).
_STALE: Final[dict[str, object]] = {
    "limit": 3,
    "usage": 2,
    "provision": {
        "holder": "user:00000000-0000-4000-8000-000000000000",
        "source": "project:00000000-0000-4000-8000-000000000000",
        "resource": "cyclades.vm",
        "quantity": 7,
    },
}


def page(status: int) -> Reply:
    """A web server's own page, in HTML."""
    title = f"{status} from the proxy"
    body = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\r\n"
    return Reply(status, body.encode(), HTML_TYPE)


def error_reply(fault: Rule) -> Reply:
    """An error that says nothing about the request."""
    if fault.sends_page:
        return page(fault.status)
    return reply_fault(ApiFaultError(fault.status, "Unexpected error"))


def refused(fault: Rule, astakos: Astakos, route: Route, request: Request) -> Reply:
    """What befalls only a request that is good in itself: a bad one is told so."""
    try:
        operation = route.operation.admit(astakos, request)
    except ApiFaultError as bad:
        return reply_fault(bad)
    if fault.kind is Kind.MAIL_FAILURE:
        return Reply(502)
    if not isinstance(operation, Issue):
        # Accepting in the middle of a quota synchronisation (section 10.3).
        return reply_fault(ApiFaultError(500, "Unexpected error"))
    # As if the holding named first were gone for the moment.
    data: dict[str, object] = {"name": "NoHoldingError"}
    if operation.provisions:
        data["provision"] = merge(operation.provisions)[0].describe()
    return reply_fault(ApiFaultError(404, "There is no such holding", data=data))


def spoiled(fault: Rule, reply: Reply) -> Reply:
    """What a fault makes of an answer that can still be sent whole."""
    match fault.kind:
        case Kind.ERROR_AFTER:
            return error_reply(fault)
        case Kind.EMPTY_LIST:
            return reply._replace(body=b"[]") if reply.status == 200 else reply
        case Kind.GARBLE:
            kept = reply.body[: len(reply.body) // 2]
            return reply._replace(body=kept + _GARBAGE)
        case Kind.STALE_DATA:
            return _with_stale_data(reply)
        case _:
            return reply


def _with_stale_data(reply: Reply) -> Reply:
    if reply.status not in {404, 413}:
        return reply
    content = json.loads(reply.body)
    for inner in content.values():
        inner["data"] = {**inner["data"], **_STALE}
    return reply._replace(body=json.dumps(content).encode())
