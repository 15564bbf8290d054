"""The sandbox behind a socket: in the foreground, or in a thread of a test's process.

    with SandboxServer() as sandbox:
        client = AstakosClient(token, sandbox.auth_url)

The socket listens before the address is known to anybody, so that each caller can connect.
"""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Self, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from astakos_worker.sandbox.asgi import SandboxApp
from astakos_worker.sandbox.control_client import ControlClient
from astakos_worker.sandbox.cost import FREE, CostModel
from astakos_worker.sandbox.errors import CannotListenError, SandboxError
from astakos_worker.sandbox.faults import Rule
from astakos_worker.sandbox.quirks import Quirk
from astakos_worker.sandbox.reply_sender import TRANSPORT
from astakos_worker.sandbox.sandbox import Sandbox
from astakos_worker.sandbox.state_file import StateFile

_BACKLOG = 2048
# Seconds within which a sandbox must start or stop.
_PATIENCE = 10.0
# Seconds, longer than clients keep an idle connection. Tests of stale connections set less.
KEEP_ALIVE = 75


class _Protocol(HttpToolsProtocol):
    """Hands the transport to the application, which has to drop connections."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        # ASGI allows any value in an extension; uvicorn's types do not.
        self.scope["extensions"] = cast("Any", {TRANSPORT: self.transport})


class _Server(uvicorn.Server):
    """A server that ends quietly on a signal, reports when it is ready, and can be away."""

    def __init__(
        self, config: uvicorn.Config, application: SandboxApp, listen: Callable[[], socket.socket]
    ) -> None:
        super().__init__(config)
        self.ready = threading.Event()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.on_ready: Callable[[], None] = self.ready.set
        self.application = application
        self._listen = listen
        self._outage: asyncio.Task[None] | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 # uvicorn's
        # The signal is not raised again: Ctrl-C is the proper way to end a sandbox.
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.loop = asyncio.get_running_loop()
        self.on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._outage is not None:
            self._outage.cancel()
        self.application.close()
        await super().shutdown(sockets)

    def begin_outage(self, seconds: float) -> None:
        """Refuse connections from the next turn of the loop on; this request is still answered."""
        if self._outage is not None:
            self._outage.cancel()
        self._outage = asyncio.get_running_loop().create_task(self._be_away(seconds))

    async def end_outage(self) -> None:
        """Listen again, if the server is away."""
        if self._outage is not None:
            self._outage.cancel()
            self._outage = None
        if not any(server.is_serving() for server in self.servers):
            await super().startup([self._listen()])

    async def _be_away(self, seconds: float) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            # After close(), unlike abort(), the bytes already written still arrive.
            connection.transport.close()
        await asyncio.sleep(seconds)
        await super().startup([self._listen()])


class SandboxServer:
    """A sandbox and its HTTP server; a context manager that serves in a thread.

    `seed` is a path, the text of a seed, or None for the shipped one; `port` 0 chooses a free one;
    `state` names a file that outlives the server; `cost`, `faults`, `fault_seed` and `quirks` hold
    from the start and after each reset; `base_path` stands before all paths; `keep_alive` is how
    many seconds an idle connection is kept open. Raises `SeedError`.
    """

    def __init__(
        self,
        seed: Path | str | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        state: Path | None = None,
        cost: CostModel = FREE,
        faults: Sequence[Rule] = (),
        fault_seed: int = 0,
        quirks: Iterable[Quirk] = (),
        base_path: str = "",
        keep_alive: int = KEEP_ALIVE,
        access_log: bool = False,
    ) -> None:
        self.sandbox = Sandbox(seed, cost=cost, faults=faults, fault_seed=fault_seed, quirks=quirks)
        self._host = host
        self._port = port
        self._base_path = base_path.rstrip("/")
        self._state = state
        self._keep_alive = keep_alive
        self._access_log = access_log
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port that the server listens on; known once it has started."""
        return self._port

    @property
    def url(self) -> str:
        """The URL of the sandbox, with the prefix of the site."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}{self._base_path}"

    @property
    def auth_url(self) -> str:
        """The URL that clients are configured with."""
        return f"{self.url}/identity/v2.0"

    @property
    def control(self) -> ControlClient:
        """A client of the control interface."""
        return ControlClient(self.url)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Serve in a thread; returns when requests are answered.

        Raises `CannotListenError`, `StateFileError` or `SandboxError`.
        """
        server, serve = self._prepare()
        self._server = server
        self._thread = threading.Thread(target=serve, name="astakos-sandbox", daemon=True)
        self._thread.start()
        if not server.ready.wait(_PATIENCE):
            self.stop()
            raise SandboxError(f"the sandbox on {self.url} did not start; its log says why")

    def stop(self) -> None:
        """Stop serving, and end all waiting requests; `start` uses address and state file again."""
        if self._thread is None or self._server is None:
            return
        self._server.should_exit = True
        self._thread.join(_PATIENCE)
        self._thread = None

    def reset(self) -> None:
        """Go back to the seed, end an outage and all waiting requests.

        Requests that are under way cannot change the new rows. Raises `SandboxError` if the server
        does not run.
        """
        server = self._server
        if self._thread is None or server is None or server.loop is None:
            raise SandboxError("the sandbox is not running; start it before you reset it")
        asyncio.run_coroutine_threadsafe(self._reset(server), server.loop).result(_PATIENCE)

    async def _reset(self, server: _Server) -> None:
        server.application.let_go()
        await server.end_outage()
        self.sandbox.reset()

    def token(self, name: str) -> str:
        """Return the token of a component, or of a user by name or uuid.

        Raises `UnknownNameError`.
        """
        database = self.sandbox.astakos.database
        if name in database.components:
            return database.components[name].token
        return database.user(name).token

    def serve(self, announce: Callable[[], None]) -> None:
        """Serve until SIGINT or SIGTERM; `announce` is called once requests are answered."""
        server, serve = self._prepare()
        server.on_ready = announce
        serve()

    def _prepare(self) -> tuple[_Server, Callable[[], None]]:
        """Take the address first: a sandbox that cannot listen must not change the state file."""
        listener = self._listen()
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(listener.close)
            state = None
            if self._state is not None:
                state = StateFile(self._state)
                on_failure.callback(state.close)
                self.sandbox.keep_in(state)
            server = self._build_server()
            self.sandbox.begin_outage = server.begin_outage
            on_failure.pop_all()

        def serve() -> None:
            try:
                server.run(sockets=[listener])
            finally:
                listener.close()
                if state is not None:
                    state.close()

        return server, serve

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        try:
            listener = socket.create_server(
                (self._host, self._port), family=family, backlog=_BACKLOG
            )
        except OSError as cause:
            raise CannotListenError(
                f"cannot listen on {self._host}, port {self._port} ({cause.strerror}); end what "
                f"uses it, or give another port (0 chooses a free one)"
            ) from cause
        self._port = listener.getsockname()[1]
        return listener

    def _build_server(self) -> _Server:
        application = SandboxApp(
            self.sandbox, base_path=self._base_path, access_log=self._access_log
        )
        config = uvicorn.Config(
            application,
            http=_Protocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            # The caller sets up logging. The sandbox's own access log shows no query.
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=self._keep_alive,
            timeout_graceful_shutdown=1,
            backlog=_BACKLOG,
        )
        return _Server(config, application, self._listen)
