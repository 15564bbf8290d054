"""What each kind of fault does to a request: instead of the work, or to the reply after it.

`faults.py` decides which fault strikes. Here it is carried out.
"""

import asyncio
import json
from typing import Final

from astakos_worker.sandbox.api_messages import HTML_TYPE, Reply, reply_fault
from astakos_worker.sandbox.errors import ApiFaultError, InternalFailureError
from astakos_worker.sandbox.faults import BEFORE, FaultDecision, Kind, Rule
from astakos_worker.sandbox.quota import merge
from astakos_worker.sandbox.reply_sender import ReplySender
from astakos_worker.sandbox.served_call import ServedCall

# Neither UTF-8 nor JSON, wherever a reader begins.
_GARBAGE: Final = b'\xff\xfe{"ser\x00'
# The refusal of another request, as the real server mixes them up (section 10.1).
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


class FaultInjector:
    """Serves requests with the faults that were decided on, and keeps the ghosts."""

    def __init__(self) -> None:
        self._ghosts: set[asyncio.Task[Reply]] = set()

    def drop_ghosts(self) -> None:
        """Cancel the work of all ghosts."""
        for ghost in self._ghosts:
            ghost.cancel()

    async def serve(self, call: ServedCall, decision: FaultDecision) -> str:
        """Serve one request with its faults, and return the outcome for the counters."""
        fault, sender = decision.fault, call.sender
        await sender.pause(decision.delay)
        if fault is not None and fault.kind in BEFORE:
            return await self._instead_of_work(fault, call)
        if fault is not None and fault.kind is Kind.RESTORE:
            call.sandbox.restore_what_rules_found()
        reply = await call.work()
        await sender.pause(decision.delay_after)
        return await sender.send(reply) if fault is None else await _after(fault, reply, sender)

    async def _instead_of_work(self, fault: Rule, call: ServedCall) -> str:
        sender, sandbox = call.sender, call.sandbox
        match fault.kind:
            case Kind.HANG_BEFORE:
                return await sender.hang()
            case Kind.CUT_BEFORE:
                return await sender.cut()
            case Kind.GHOST:
                ghost = asyncio.get_running_loop().create_task(_work_later(fault.seconds, call))
                self._ghosts.add(ghost)
                ghost.add_done_callback(self._ghosts.discard)
                return await sender.cut()
            case Kind.OUTAGE:
                if sandbox.begin_outage is not None:
                    sandbox.begin_outage(fault.seconds)
                return await sender.cut()
            case Kind.TOKEN_REVOKED if call.endpoint.is_public:
                reply = await call.work()
            case Kind.TOKEN_REVOKED:
                reply = reply_fault(ApiFaultError(401, "Invalid X-Auth-Token"))
            case Kind.NO_HOLDING | Kind.QUOTA_SYNC | Kind.MAIL_FAILURE:
                reply = _refusal(fault, call)
            case _:
                reply = _error(fault)
        return await sender.send(reply)


def page(status: int) -> Reply:
    """Return a web server's own page, in HTML."""
    title = f"{status} from the proxy"
    body = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\r\n"
    return Reply(status, body.encode(), HTML_TYPE)


async def _work_later(seconds: float, call: ServedCall) -> Reply:
    await asyncio.sleep(seconds)
    return await call.work()


def _error(fault: Rule) -> Reply:
    """An error that says nothing about the request."""
    if fault.sends_page:
        return page(fault.status)
    return reply_fault(ApiFaultError(fault.status, "Unexpected error"))


def _refusal(fault: Rule, call: ServedCall) -> Reply:
    """A fault for requests that are good in themselves; a bad request gets its own error."""
    try:
        work = call.endpoint.admit(call.astakos, call.request)
    except ApiFaultError as bad:
        return reply_fault(bad)
    if fault.kind is Kind.MAIL_FAILURE:
        return Reply(502)
    if call.endpoint.name != "commissions.issue":
        # Accepting in the middle of a quota synchronisation (section 10.3).
        return reply_fault(InternalFailureError())
    # As if the first holding were gone for the moment.
    data: dict[str, object] = {"name": "NoHoldingError"}
    if work.provisions:
        data["provision"] = merge(work.provisions)[0].describe()
    return reply_fault(ApiFaultError(404, "There is no such holding", data=data))


async def _after(fault: Rule, reply: Reply, sender: ReplySender) -> str:
    """Send the reply as the fault leaves it."""
    match fault.kind:
        case Kind.CUT_AFTER:
            return await sender.cut()
        case Kind.HANG:
            return await sender.hang()
        case Kind.TRUNCATE:
            return await sender.truncate(reply)
        case Kind.TRICKLE:
            return await sender.trickle(reply, fault.seconds)
        case Kind.ERROR_AFTER:
            reply = _error(fault)
        case Kind.EMPTY_LIST if reply.status == 200:
            reply = reply._replace(body=b"[]")
        case Kind.GARBLE:
            reply = reply._replace(body=reply.body[: len(reply.body) // 2] + _GARBAGE)
        case Kind.STALE_DATA if reply.status in {404, 413}:
            content = json.loads(reply.body)
            for inner in content.values():
                inner["data"] = {**inner["data"], **_STALE}
            reply = reply._replace(body=json.dumps(content).encode())
    return await sender.send(reply)
