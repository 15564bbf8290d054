"""What a test holds in its hand: the running sandbox, and the cluster as a whole."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from celery import Celery
from pytest_celery import CeleryTestSetup

from astakos_worker.configuration.settings import Settings
from astakos_worker.local import commands
from astakos_worker.local.files import sandbox_token, write_secret
from astakos_worker.local.free_ports import LOOPBACK, Port
from astakos_worker.local.process import Process, wait_ready
from astakos_worker.local.readiness import http_answers
from astakos_worker.sandbox.control_client import ControlClient
from tests.integration.cluster.nodes import PATIENCE, Worker
from tests.integration.cluster.servers import Server


class RunningSandbox:
    """A sandbox in a process of its own; `control` steers it."""

    def __init__(self, directory: Path, arguments: Iterable[str] = ()) -> None:
        self._port = Port()
        self.url = f"http://{LOOPBACK}:{self._port.number}"
        self.auth_url = f"{self.url}/identity/v2.0"
        self.token_file = directory / "token"
        write_secret(self.token_file, sandbox_token())
        state = directory / "sandbox.state"
        log = directory / "sandbox.log"
        log.touch()
        self.process = Process(
            "sandbox",
            commands.sandbox(self._port.number, LOOPBACK, state, arguments),
            log,
            environment={"LC_ALL": "C"},
            ready=lambda: http_answers("POST", f"{self.auth_url}/tokens"),
        )
        self.control = ControlClient(self.url)

    @property
    def token(self) -> str:
        """What workers find in the file now."""
        return self.token_file.read_text().strip()

    def start(self) -> None:
        self.process.start()
        wait_ready([self.process], PATIENCE)

    def kill(self) -> None:
        self.process.kill()

    def close(self) -> None:
        self.process.kill()
        self._port.close()


@dataclass(frozen=True)
class Cluster:
    """A stack of one test's own."""

    setup: CeleryTestSetup
    server: Server
    sandbox: RunningSandbox
    settings: Settings

    @property
    def app(self) -> Celery:
        return self.setup.app

    @property
    def workers(self) -> list[Worker]:
        return list(self.setup.worker_cluster)

    @property
    def worker(self) -> Worker:
        return self.workers[0]
