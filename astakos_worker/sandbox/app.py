"""The ASGI application: a request's straight way through the sandbox.

Plain ASGI, with no framework under it: the protocol fixes an order of evaluation that frameworks
have their own ideas about, and what the sandbox costs is measured along with what runs against it.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from typing import TYPE_CHECKING, Final

from astakos_worker.sandbox.control import PREFIX, serve_control
from astakos_worker.sandbox.delivery import Delivery
from astakos_worker.sandbox.errors import ApiFaultError, OAuthFaultError
from astakos_worker.sandbox.faults import BEFORE, Decision, Kind, Rule
from astakos_worker.sandbox.misbehaviour import error_reply, page, refused, spoiled
from astakos_worker.sandbox.operation import PublicOperation
from astakos_worker.sandbox.quirks import Quirk
from astakos_worker.sandbox.routes import NoSuchPageError, Route, find_route
from astakos_worker.sandbox.wire import Reply, Request, reply_fault, reply_oauth

if TYPE_CHECKING:
    from astakos_worker.sandbox.astakos import Astakos
    from astakos_worker.sandbox.delivery import Receive, Scope, Send
    from astakos_worker.sandbox.sandbox import Sandbox

_TOKEN_IN_PATH: Final = re.compile(r"/tokens/.+", re.DOTALL)

_log = logging.getLogger(__name__)
_access_log = logging.getLogger("astakos_worker.sandbox.access")


class Application:
    """Serves one sandbox; `base_path` is a site's prefix before `/identity` and the rest."""

    def __init__(self, sandbox: Sandbox, *, base_path: str = "", access_log: bool = False) -> None:
        self.sandbox = sandbox
        self._base_path = base_path.rstrip("/")
        self._access_log = access_log
        self._closing = asyncio.Event()
        self._ghosts: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        """Let go of the requests that are waiting for something."""
        self._closing.set()
        for ghost in self._ghosts:
            ghost.cancel()

    def let_go(self) -> None:
        """Likewise, and go on for others."""
        self.close()
        self._closing = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        delivery = Delivery(scope, receive, send, self._closing)
        request = await _read(scope, receive)
        request.base_url += self._base_path
        control = request.path.removeprefix(self._base_path)
        if control.startswith(PREFIX):
            request.path = control
            await delivery.send(serve_control(self.sandbox, request))
            return
        began = time.monotonic()
        # A reset puts another in its place; this request belongs to the one it came to.
        audit = self.sandbox.astakos.audit
        try:
            route = find_route(request.method, request.path, self._base_path)
        except (ApiFaultError, NoSuchPageError) as fault:
            name = "unknown"
            audit.enter(name)
            reply = reply_fault(fault) if isinstance(fault, ApiFaultError) else page(404)
            outcome = await delivery.send(reply)
            audit.leave(name, outcome)
        else:
            name, outcome = route.operation.name, "broken"
            request.argument = route.argument
            request.quirks = self.sandbox.astakos.quirks
            audit.enter(name)
            try:
                outcome = await self._serve(route, request, delivery)
            finally:
                audit.leave(name, outcome)
        if self._access_log:
            # Neither the query nor what follows `tokens/`: both may be a token.
            path = _TOKEN_IN_PATH.sub("/tokens/***", request.path)
            took = (time.monotonic() - began) * 1000
            _access_log.info("%s %s %s %s %.1fms", request.method, path, name, outcome, took)

    async def _serve(self, route: Route, request: Request, delivery: Delivery) -> str:
        sandbox = self.sandbox
        astakos = sandbox.astakos
        decision = sandbox.faults.decide(route.operation.name, time.monotonic())
        fault = decision.fault
        await delivery.pause(decision.delay)
        if fault is not None and fault.kind in BEFORE:
            return await self._instead(fault, route, request, delivery)
        if fault is not None and fault.kind is Kind.RESTORE:
            sandbox.restore_what_rules_found()
        reply = await self._work(astakos, route, request)
        return await _deliver(reply, decision, delivery)

    async def _work(self, astakos: Astakos, route: Route, request: Request) -> Reply:
        """Do what is asked, and take as long as the cost model says."""
        try:
            operation = route.operation.admit(astakos, request)
            await self.sandbox.servers.work(operation.load(astakos))
            return operation.perform(astakos)
        except ApiFaultError as fault:
            if fault.uncaught and Quirk.UNCAUGHT_500 in request.quirks:
                return reply_fault(ApiFaultError(500, "Unexpected error"))
            return reply_fault(fault)
        except OAuthFaultError as fault:
            return reply_oauth(
                {"error": "generic_error", "exception": str(fault)}, request.quirks, 400
            )
        except Exception:  # noqa: BLE001 # logged, and answered as the real server would
            # The sandbox goes on serving the others; what broke is in its log.
            _log.exception("%s broke", route.operation.name)
            return reply_fault(ApiFaultError(500, "Unexpected error"))

    async def _instead(
        self, fault: Rule, route: Route, request: Request, delivery: Delivery
    ) -> str:
        """What happens in place of the work."""
        astakos = self.sandbox.astakos
        match fault.kind:
            case Kind.HANG_BEFORE:
                return await delivery.hang()
            case Kind.CUT_BEFORE:
                return await delivery.cut()
            case Kind.GHOST:
                self._work_later(fault.seconds, astakos, route, request)
                return await delivery.cut()
            case Kind.OUTAGE:
                if self.sandbox.begin_outage is not None:
                    self.sandbox.begin_outage(fault.seconds)
                return await delivery.cut()
            case Kind.TOKEN_REVOKED if issubclass(route.operation, PublicOperation):
                reply = await self._work(astakos, route, request)
            case Kind.TOKEN_REVOKED:
                reply = reply_fault(ApiFaultError(401, "Invalid X-Auth-Token"))
            case Kind.NO_HOLDING | Kind.QUOTA_SYNC | Kind.MAIL_FAILURE:
                reply = refused(fault, astakos, route, request)
            case _:
                reply = error_reply(fault)
        return await delivery.send(reply)

    def _work_later(self, seconds: float, astakos: Astakos, route: Route, request: Request) -> None:
        async def haunt() -> None:
            await asyncio.sleep(seconds)
            await self._work(astakos, route, request)

        ghost = asyncio.get_running_loop().create_task(haunt())
        self._ghosts.add(ghost)
        ghost.add_done_callback(self._ghosts.discard)


async def _deliver(reply: Reply, decision: Decision, delivery: Delivery) -> str:
    """Give the answer, or what a fault makes of it."""
    await delivery.pause(decision.delay_after)
    fault = decision.fault
    match fault and fault.kind:
        case Kind.CUT_AFTER:
            return await delivery.cut()
        case Kind.HANG:
            return await delivery.hang()
        case Kind.TRUNCATE:
            return await delivery.truncate(reply)
        case Kind.TRICKLE if fault is not None:
            return await delivery.trickle(reply, fault.seconds)
    return await delivery.send(reply if fault is None else spoiled(fault, reply))


async def _read(scope: Scope, receive: Receive) -> Request:
    """The request with its body; one without a Content-Length has none (section 10.10)."""
    headers = dict(scope["headers"])
    host = headers.get(b"host", b"").decode("latin-1") or "{}:{}".format(*scope["server"])
    body = b""
    if headers.get(b"content-length", b"0") != b"0":
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
    return Request(
        scope["method"],
        scope["path"],
        scope["query_string"],
        headers,
        body,
        f"{scope['scheme']}://{host}",
    )
