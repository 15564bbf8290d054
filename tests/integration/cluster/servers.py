"""Servers for tests: the embedded Valkey always, a real Redis where there is one."""

import shutil
from pathlib import Path

import pytest

from astakos_worker.local import commands
from astakos_worker.local.free_ports import LOOPBACK, Port
from astakos_worker.local.process import Process, wait_ready
from astakos_worker.local.readiness import server_answers
from astakos_worker.local.server_program import server_program
from tests.integration.cluster.container import LocalContainer
from tests.integration.cluster.nodes import PATIENCE, ServerContainer

#: For a test that has to hold on both kinds; the second is left out where there is none.
BOTH_SERVERS = pytest.mark.parametrize(
    "server_kind",
    ["valkey", pytest.param("redis", marks=pytest.mark.redis_server)],
    indirect=True,
)


def redis_program() -> str | None:
    """The `redis-server` of the machine, if there is one."""
    return shutil.which("redis-server")


class Server:
    """A server of its own port and data, which may be killed and started again."""

    def __init__(self, kind: str, directory: Path) -> None:
        program = server_program() if kind == "valkey" else redis_program()
        assert program, "this test should have been left out: there is no redis-server"
        self.kind = kind
        self._port = Port()
        #: Where it keeps what it has; for tests that have it forget everything.
        self.data = directory / f"{kind}-data"
        self.data.mkdir()
        log = directory / f"{kind}.log"
        log.touch()
        port = self._port.number
        self.process = Process(
            kind,
            commands.server(program, port, LOOPBACK, self.data),
            log,
            environment={"LC_ALL": "C"},
            ready=lambda: server_answers(port),
        )
        self.container = ServerContainer(LocalContainer(self.process), port)

    def url(self, database: int = 0) -> str:
        return f"redis://{LOOPBACK}:{self._port.number}/{database}"

    def start(self) -> None:
        self.process.start()
        wait_ready([self.process], PATIENCE)

    def kill(self) -> None:
        self.process.kill()

    def close(self) -> None:
        self.process.kill()
        self._port.close()
