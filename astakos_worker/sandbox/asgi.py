"""The ASGI application: finds the endpoint of a request, counts it, and has it served.

Plain ASGI without a framework: the protocol fixes an order of checks that frameworks change, and
the sandbox has to cost little CPU beside the services that are measured against it.
"""

import asyncio
import logging
import re
import time
from typing import Final

from astakos_worker.sandbox.api_messages import ApiRequest, reply_fault
from astakos_worker.sandbox.control import PREFIX
from astakos_worker.sandbox.control.serving import serve_control
from astakos_worker.sandbox.errors import ApiFaultError
from astakos_worker.sandbox.fault_effects import FaultInjector, page
from astakos_worker.sandbox.reply_sender import AsgiScope, Receive, ReplySender, Send
from astakos_worker.sandbox.routes import NoSuchPageError, find_route
from astakos_worker.sandbox.sandbox import Sandbox
from astakos_worker.sandbox.served_call import ServedCall

_TOKEN_IN_PATH: Final = re.compile(r"/tokens/.+", re.DOTALL)

_access_log = logging.getLogger("astakos_worker.sandbox.access")


class SandboxApp:
    """Serves one sandbox; `base_path` is a site's prefix before `/identity` and the others."""

    def __init__(self, sandbox: Sandbox, *, base_path: str = "", access_log: bool = False) -> None:
        self.sandbox = sandbox
        self._base_path = base_path.rstrip("/")
        self._access_log = access_log
        self._closing = asyncio.Event()
        self._injector = FaultInjector()

    def close(self) -> None:
        """End the waiting of all requests that wait for something."""
        self._closing.set()
        self._injector.drop_ghosts()

    def let_go(self) -> None:
        """End the waiting of all requests that wait now; later ones may wait again."""
        self.close()
        self._closing = asyncio.Event()

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        sender = ReplySender(scope, receive, send, self._closing)
        request = await _read(scope, receive)
        request.base_url += self._base_path
        control = request.path.removeprefix(self._base_path)
        if control.startswith(PREFIX):
            request.path = control
            await sender.send(serve_control(self.sandbox, request))
            return
        began = time.monotonic()
        name, outcome = await self._count(request, sender)
        if self._access_log:
            # Neither the query nor what follows `tokens/`: both may be a token.
            path = _TOKEN_IN_PATH.sub("/tokens/***", request.path)
            took = (time.monotonic() - began) * 1000
            _access_log.info("%s %s %s %s %.1fms", request.method, path, name, outcome, took)

    async def _count(self, request: ApiRequest, sender: ReplySender) -> tuple[str, str]:
        """Serve a call of the API, and return the names of its route and of its outcome."""
        # A reset puts another Astakos in its place; this request belongs to the one it came to.
        astakos = self.sandbox.astakos
        name, outcome = "unknown", "broken"
        try:
            route = find_route(request.method, request.path, self._base_path)
            name = route.endpoint.name
            unknown = None
        except ApiFaultError as fault:
            unknown = reply_fault(fault)
        except NoSuchPageError:
            unknown = page(404)
        astakos.audit.enter(name)
        try:
            if unknown is not None:
                outcome = await sender.send(unknown)
            else:
                request.argument = route.argument
                decision = self.sandbox.faults.decide(name, time.monotonic())
                call = ServedCall(self.sandbox, astakos, route.endpoint, request, sender)
                outcome = await self._injector.serve(call, decision)
        finally:
            astakos.audit.leave(name, outcome)
        return name, outcome


async def _read(scope: AsgiScope, receive: Receive) -> ApiRequest:
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
    return ApiRequest(
        scope["method"],
        scope["path"],
        scope["query_string"],
        headers,
        body,
        f"{scope['scheme']}://{host}",
    )
