"""The processes of one host that serve a real Astakos: workers, beat, and a relay or Flower.

Broker, ledger and Astakos are elsewhere; the environment names them. A process that dies is started
again. Only workers and beat get the variables that say where a token is; only the relay gets the
one of the service's database.
"""

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from celery import Celery

from astakos_worker.configuration import names
from astakos_worker.configuration.celery_app import CeleryApp
from astakos_worker.configuration.settings import Settings
from astakos_worker.local import commands
from astakos_worker.local.free_ports import LOOPBACK
from astakos_worker.local.piped_process import PipedProcess
from astakos_worker.local.readiness import http_answers, worker_answers
from astakos_worker.local.supervisor import Supervisor

#: The variables that only workers and beat get, and the one that only the relay gets.
_OF_WORKERS = "ASTAKOS_SERVICES"
OUTBOX_DATABASE = "ASTAKOS_OUTBOX_DATABASE"


@dataclass(slots=True)
class Serving:
    """The processes of one host. `write` gets the name of a process and a line of its output.

    `workers` are processes for commissions; one process each serves look-ups and sweeps.
    """

    settings: Settings
    write: Callable[[str, str], None]
    workers: int = 2
    relay: bool = False
    flower_port: int | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    processes: dict[str, PipedProcess] = field(default_factory=dict)
    _supervisor: Supervisor | None = None
    _control: Celery | None = None

    def start(self) -> None:
        """Start all processes; from now on each that dies is started again."""
        app = CeleryApp("astakos_worker.serving", self.settings, set_as_current=False)
        self._control = app
        counts = {names.COMMISSIONS: self.workers, names.LOOKUPS: 1, names.SWEEP: 1}
        for queue, count in counts.items():
            for number in range(1, count + 1):
                self._add_worker(queue, f"{queue.rpartition('.')[2]}-{number}")
        self._add("beat", commands.beat(), token=True, ready=self._beat_has_started)
        if self.relay:
            self._add("relay", commands.relay(), database=True)
        if self.flower_port:
            port = self.flower_port
            url = f"http://{LOOPBACK}:{port}/healthcheck"
            ready = lambda: http_answers("GET", url)  # noqa: E731  # as short as it can be
            self._add("flower", commands.flower(port, LOOPBACK), ready=ready)
        self._supervisor = Supervisor(lambda line: self.write("serve", line))
        self._supervisor.start(self.processes.values())

    def keep(self) -> None:
        """From now on, start each process again that dies."""
        if self._supervisor:
            self._supervisor.keep(self.processes.values())

    def stop(self, grace: float) -> list[str]:
        """End all; return the names of those that did not end within `grace` seconds."""
        late: list[str] = []
        if self._supervisor:
            late = self._supervisor.close(self.processes.values(), grace)
        if self._control:
            self._control.close()
        return late

    def _add_worker(self, queue: str, name: str) -> None:
        node = f"{name}@{socket.gethostname()}"
        ready = lambda: self._control is not None and worker_answers(self._control, node)  # noqa: E731
        self._add(name, commands.worker(queue, name), token=True, ready=ready)

    def _add(
        self,
        name: str,
        words: list[str],
        *,
        ready: Callable[[], bool] = lambda: True,
        token: bool = False,
        database: bool = False,
    ) -> None:
        environment = {
            variable: value
            for variable, value in self.environment.items()
            if (token or not variable.upper().startswith(_OF_WORKERS))
            and (database or variable.upper() != OUTBOX_DATABASE)
        }
        self.processes[name] = PipedProcess(
            name, words, self.write, environment=environment, ready=ready
        )

    def _beat_has_started(self) -> bool:
        return "beat: Starting" in self.processes["beat"].output()
