"""pytest-celery's broker, back end and worker, over local processes.

Its classes are used as they are; what they would ask a container's image or its network for is
answered here.
"""

from typing import Any

import psutil
from celery import Celery
from pytest_celery import (
    CeleryTestContainer,
    CeleryTestWorker,
    CeleryWorkerContainer,
    RedisContainer,
)

from astakos_worker.local.free_ports import LOOPBACK
from astakos_worker.local.readiness import worker_answers
from tests.integration.cluster.container import GRACE, LocalContainer
from tests.integration.cluster.until import until

#: Seconds within which a process comes up on a busy machine.
PATIENCE = 60


class LocalProcess(CeleryTestContainer):
    """How readiness and restarts are told of a process: at once, not in steps of a second."""

    _container: LocalContainer

    @property
    def process(self):
        return self._container.process

    def ready(self) -> bool:
        """Wait until it does its work; its log of the last run is what says so."""
        until(lambda: self.process.ready or not self.process.alive, within=PATIENCE)
        assert self.process.alive, f"{self.name} ended; its log:\n{self.process.tail(40)}"
        return True

    def restart(self, timeout: int = GRACE) -> None:
        self._container.restart(timeout=timeout)
        self.ready()

    def start(self) -> None:
        """Start it again after a kill."""
        self._container.start()
        self.ready()

    def pause(self) -> None:
        self._container.pause()

    def resume(self) -> None:
        self._container.unpause()


class ServerContainer(LocalProcess, RedisContainer):
    """A Valkey or Redis server on a port of loopback."""

    def __init__(self, container: LocalContainer, port: int) -> None:
        super().__init__(container)
        self._port = port

    @property
    def hostname(self) -> str:
        return LOOPBACK

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        return f"{self.prefix()}{LOOPBACK}:{self._port}/{self.vhost}"

    @property
    def host_url(self) -> str:
        return self.url


class WorkerContainer(LocalProcess, CeleryWorkerContainer):
    """`celery worker` on one queue."""

    def __init__(self, container: LocalContainer, name: str, queue: str) -> None:
        super().__init__(container)
        self._name = name
        self._queue = queue

    # pytest-celery asks the class, since its image is built for one name and one queue.

    def worker_name(self) -> str:
        return self._name

    def worker_queue(self) -> str:
        return self._queue


class Worker(CeleryTestWorker):
    """A worker node, whose processes are looked at from outside."""

    container: WorkerContainer

    @property
    def pid(self) -> int:
        return self.container.process.pid

    def answers(self, app: Celery) -> bool:
        return worker_answers(app, self.hostname())

    def get_running_processes_info(
        self, columns: list[str] | None = None, filters: dict[str, str] | None = None
    ) -> list[dict[str, Any]]:
        """As pytest-celery's, of the worker's process and its children."""
        process = psutil.Process(self.pid)
        found = [each.as_dict(columns) for each in (process, *process.children(recursive=True))]
        wanted = (filters or {}).items()
        return [info for info in found if all(info.get(k) == v for k, v in wanted)]
