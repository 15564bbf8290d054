"""The whole stack on one machine: broker and ledger, sandbox, workers, beat, Flower.

If the environment names a broker (`ASTAKOS_BROKER_URL`), a ledger (`ASTAKOS_LEDGER_URL`) or an
Astakos (`ASTAKOS_SERVICES__...`), the stack uses it and starts none of its own. All components
listen on loopback and keep their data and logs in one directory. A component that dies is started
again. Only workers and beat know where the token is.
"""

import os
import secrets
import socket
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Self

from astakos_worker.configuration import names
from astakos_worker.configuration.celery_app import CeleryApp
from astakos_worker.configuration.settings import Settings
from astakos_worker.local import commands
from astakos_worker.local.files import Lock, sandbox_token, write_secret
from astakos_worker.local.free_ports import LOOPBACK, Port
from astakos_worker.local.process import Process, StackError, end, wait_ready
from astakos_worker.local.readiness import http_answers, server_answers, worker_answers
from astakos_worker.local.server_program import server_program
from astakos_worker.local.supervisor import Supervisor

_OURS = "ASTAKOS_"
_SERVICES = "ASTAKOS_SERVICES"
#: The components that the others use: they are started first and ended last.
_SERVERS = ("broker", "sandbox")
#: With one of these variables Flower asks for a login.
_HAS_LOGIN = {"FLOWER_BASIC_AUTH", "FLOWER_AUTH"}


class LocalStack:
    """A stack in a directory. Its data stays there from one run to the next.

    ```python
    with LocalStack("run") as stack:
        subprocess.run([...], env={**os.environ, **stack.env})
    ```

    `ports` may give the ports of `broker`, `sandbox` and `flower`; without it, free ports are
    chosen. The variables in `env` replace those of this process. A component has `patience` seconds
    to become ready, and `grace` seconds to end.
    """

    def __init__(
        self,
        directory: Path | str,
        *,
        flower: bool = True,
        beat: bool = True,
        workers: int = 2,
        lookups: int = 1,
        sweeps: int = 1,
        env: Mapping[str, str] | None = None,
        sandbox_args: Iterable[str] = (),
        ports: Mapping[str, int] | None = None,
        patience: float = 60,
        grace: float = 5,
    ) -> None:
        self.directory = Path(directory).absolute()
        self.patience = patience
        self.grace = grace
        #: By name: `broker`, `sandbox`, `commissions-1`, ..., `lookups-1`, `sweep-1`, `beat`, ...
        self.processes: dict[str, Process] = {}
        self.broker_url = ""
        self.ledger_url = ""
        #: The identity endpoint that clients are configured with.
        self.auth_url = ""
        #: None if the environment names an Astakos.
        self.sandbox_url: str | None = None
        #: Flower's URL. It has a user name and a password in it, unless the environment sets them.
        self.flower_url: str | None = None
        self._workers = {names.COMMISSIONS: workers, names.LOOKUPS: lookups, names.SWEEP: sweeps}
        self._wanted = {"flower": flower, "beat": beat}
        environ = {**os.environ, **(env or {})}
        # Upper and lower case mean the same in the names of settings, so also here.
        self._named = {k.upper(): v for k, v in environ.items() if _is_ours(k)}
        self._environ = {k: v for k, v in environ.items() if not _is_ours(k)}
        self._sandbox_args = tuple(sandbox_args)
        self._fixed_ports = dict(ports or {})
        self._ports: list[Port] = []
        self._lock: Lock | None = None
        self._supervisor: Supervisor | None = None
        self._control: CeleryApp | None = None

    @property
    def env(self) -> dict[str, str]:
        """The variables that a service needs: the URLs of broker and ledger, and no token."""
        return {k: v for k, v in self._variables.items() if not k.startswith(_SERVICES)}

    @property
    def worker_env(self) -> dict[str, str]:
        """The variables that a worker needs: also the URL of Astakos and the token's file."""
        return dict(self._variables)

    @property
    def token_file(self) -> Path:
        """The file with the token for the sandbox."""
        return self.directory / "token"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start all components and wait until they work.

        `ComponentError` names a component that does not; `StackError` says why nothing was started.
        """
        if self._supervisor:
            raise StackError(f"the stack in {self.directory} runs already")
        self.directory.mkdir(parents=True, exist_ok=True)
        self._lock = Lock(self.directory / "lock")
        self._supervisor = Supervisor()
        try:
            self._plan()
            processes = list(self.processes.values())
            servers = [p for p in processes if p.name in _SERVERS]
            self._supervisor.start(servers)
            # Workers take a second to load. The sandbox becomes ready meanwhile.
            wait_ready((p for p in servers if p.name == "broker"), self.patience, first=True)
            self._supervisor.start(p for p in processes if p not in servers)
            wait_ready(processes, self.patience, first=True)
            self._supervisor.keep(processes)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End all components, the servers last. A second call does nothing."""
        if self._supervisor:
            supervisor, self._supervisor = self._supervisor, None
            supervisor.leave()
            servers = [p for p in self.processes.values() if p.name in _SERVERS]
            end((p for p in self.processes.values() if p not in servers), self.grace)
            supervisor.close(servers, self.grace)
        if self._control:
            self._control.close()
        for port in self._ports:
            port.close()
        if self._lock:
            self._lock.close()

    def wait_ready(self, timeout: float | None = None) -> None:
        """Wait until every component works, for example after some were killed.

        `timeout` is in seconds; None: `patience`.
        """
        wait_ready(self.processes.values(), timeout or self.patience)

    # --- The components -------------------------------------------------------------------------

    def _plan(self) -> None:
        """Choose addresses and command lines; start nothing."""
        self.processes, self._ports = {}, []
        self._variables = {"ASTAKOS_TIMES": "demo", **self._named}
        self._plan_server()
        self._plan_astakos()
        # Celery itself does not read every form of URL that the workers do.
        settings = Settings.model_construct(
            broker_url=self.broker_url,
            namespace=self._variables.get("ASTAKOS_NAMESPACE", "default"),
        )
        self._control = CeleryApp("astakos_worker.local", settings, set_as_current=False)
        for queue, count in self._workers.items():
            for number in range(1, count + 1):
                self._plan_worker(queue, f"{queue.rpartition('.')[2]}-{number}")
        if self._wanted["beat"]:
            self._add("beat", commands.beat(), self._beat_has_started, token=True)
        if self._wanted["flower"]:
            self._plan_flower()

    def _plan_server(self) -> None:
        named = {k: self._variables.get(f"ASTAKOS_{k}_URL") for k in ("BROKER", "LEDGER")}
        if not all(named.values()):
            port = self._port("broker")
            data = self.directory / "data"
            data.mkdir(exist_ok=True)
            words = commands.server(server_program(), port, LOOPBACK, data)
            self._add("broker", words, lambda: server_answers(port))
            for database, part in enumerate(named):
                named[part] = named[part] or f"redis://{LOOPBACK}:{port}/{database}"
        self.broker_url, self.ledger_url = str(named["BROKER"]), str(named["LEDGER"])
        self._variables |= {f"ASTAKOS_{k}_URL": str(url) for k, url in named.items()}

    def _plan_astakos(self) -> None:
        named = {k: v for k, v in self._variables.items() if k.startswith(_SERVICES)}
        if named:
            urls = sorted(k for k in named if k.endswith("__AUTH_URL"))
            default = f"{_SERVICES}__DEFAULT__AUTH_URL"
            self.auth_url = named.get(default) or (named[urls[0]] if urls else "")
            return
        port = self._port("sandbox")
        self.sandbox_url = f"http://{LOOPBACK}:{port}"
        self.auth_url = f"{self.sandbox_url}/identity/v2.0"
        state = self.directory / "sandbox.state"
        words = commands.sandbox(port, LOOPBACK, state, self._sandbox_args)
        self._add("sandbox", words, lambda: http_answers("POST", f"{self.auth_url}/tokens"))
        write_secret(self.token_file, sandbox_token())
        self._variables |= {
            f"{_SERVICES}__DEFAULT__AUTH_URL": self.auth_url,
            f"{_SERVICES}__DEFAULT__TOKEN_FILE": str(self.token_file),
        }

    def _plan_worker(self, queue: str, name: str) -> None:
        node = f"{name}@{socket.gethostname()}"
        self._add(name, commands.worker(queue, name), lambda: self._answers(node), token=True)

    def _plan_flower(self) -> None:
        port = self._port("flower")
        address = f"{LOOPBACK}:{port}"
        words = commands.flower(port, LOOPBACK, self.directory / "flower")
        self._add("flower", words, lambda: http_answers("GET", f"http://{address}/healthcheck"))
        self.flower_url = f"http://{address}"
        if not _HAS_LOGIN & self._environ.keys():
            # Without a password, any page in a browser on this machine could send tasks through
            # Flower's API.
            login = f"local:{secrets.token_urlsafe(9)}"
            self.flower_url = f"http://{login}@{address}"
            self.processes["flower"].environment["FLOWER_BASIC_AUTH"] = login

    def _add(
        self, name: str, words: list[str], ready: Callable[[], bool], *, token: bool = False
    ) -> None:
        log = self.directory / f"{name}.log"
        log.write_bytes(b"")  # the log of one run; a restart within the run appends to it
        environment = {**self._environ, **(self.worker_env if token else self.env)}
        self.processes[name] = Process(name, words, log, environment=environment, ready=ready)

    def _port(self, name: str) -> int:
        port = Port(self._fixed_ports.get(name))
        self._ports.append(port)
        return port.number

    # --- Readiness ------------------------------------------------------------------------------

    def _answers(self, node: str) -> bool:
        return self._control is not None and worker_answers(self._control, node)

    def _beat_has_started(self) -> bool:
        # Beat has no address and answers no question. This is its last line before its work.
        return "beat: Starting" in self.processes["beat"].output()


def _is_ours(variable: str) -> bool:
    return variable.upper().startswith(_OURS)
