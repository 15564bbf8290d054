"""Runs one broker and ledger, one Astakos, and two worker processes of each rival, all at once.

All rivals use the same Astakos and the same server, which writes to disk before it answers
(`appendfsync always`). Idle workers use hardly any CPU, so the rivals can take turns.
"""

import itertools
import os
import signal
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

import psutil
from celery import Celery
from redis import Redis

from astakos_worker import Settings
from astakos_worker.configuration import names
from astakos_worker.configuration.celery_app import CeleryApp
from astakos_worker.local import commands
from astakos_worker.local.free_ports import LOOPBACK, Port
from astakos_worker.local.process import Process, end, wait_ready
from astakos_worker.local.readiness import server_answers, worker_answers
from astakos_worker.local.server_program import server_program

ROOT = Path(__file__).parent.parent
PATIENCE = 60
THREADS = 16


class Workers:
    """The worker processes of one rival."""

    def __init__(self, processes: list[Process]) -> None:
        self.processes = processes
        #: The settings of the service of these workers; plain Celery has none.
        self.settings: Settings | None = None

    def cpu(self) -> float:
        """Return the seconds of CPU that the processes have used."""
        return sum(sum(psutil.Process(p.pid).cpu_times()[:2]) for p in self.processes)

    def memory(self) -> float:
        """Return the MB of memory of the largest process."""
        return max(psutil.Process(p.pid).memory_info().rss for p in self.processes) / 2**20

    def pause(self) -> None:
        for process in self.processes:
            process.signal(signal.SIGSTOP)

    def resume(self) -> None:
        for process in self.processes:
            process.signal(signal.SIGCONT)

    def __iter__(self):
        return iter(self.processes)


class Stage:
    """All servers and workers of a run; they end with the `with` block."""

    def __init__(
        self, folder: Path, make_astakos: Callable[[Path], object], workers: int = 2
    ) -> None:
        self.folder = folder
        self.count = workers  # worker processes of each rival
        self.port = Port()
        self.url = f"redis://{LOOPBACK}:{self.port.number}"
        words = commands.server(server_program(), self.port.number, LOOPBACK, folder)
        self.server = self.process(
            "server", words, {"LC_ALL": "C"}, lambda: server_answers(self.port.number)
        )
        self.redis = Redis.from_url(self.url)
        self.astakos = make_astakos(folder)
        self.token_file = folder / "token"
        self.token_file.write_text(self.astakos.token)
        self.token_file.chmod(0o600)
        # The plain rival reads these, in its service and in its workers.
        os.environ |= {
            "BENCH_BROKER_URL": f"{self.url}/2",
            "BENCH_AUTH_URL": self.astakos.auth_url,
            "BENCH_TOKEN": self.astakos.token,
        }
        self.databases = itertools.cycle(range(3, 16))
        self.numbers = itertools.count(1)
        self.running: list[Process] = []
        self.closing = ExitStack()

    def process(self, name, words, more, ready) -> Process:
        log = self.folder / f"{name}.log"
        log.touch()
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ASTAKOS_")} | more
        return Process(name, words, log, environment=environment, ready=ready, directory=ROOT)

    def __enter__(self):
        try:
            self.start([self.server])
            if sandbox := getattr(self.astakos, "process", None):
                self.start([sandbox])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        end(reversed(self.running), 5)
        self.port.close()
        self.closing.close()

    def start(self, processes: Iterable[Process]) -> None:
        processes = list(processes)
        for process in processes:
            process.start()
            self.running.append(process)
        wait_ready(processes, PATIENCE, first=True)

    def end(self, workers: Workers) -> None:
        end(workers.processes, 5)
        self.running = [process for process in self.running if process not in workers.processes]

    # --- Workers ------------------------------------------------------------------------------

    def database(self) -> int:
        """Return the number of an empty database, for the ledger and broker of one rival."""
        number = next(self.databases)
        Redis.from_url(f"{self.url}/{number}").flushdb()
        return number

    def settings(self, database: int | None = None, **more: object) -> Settings:
        """Return settings of our service. By default broker and ledger have two databases."""
        broker, ledger = (0, 1) if database is None else (database, database)
        urls = {"broker_url": f"{self.url}/{broker}", "ledger_url": f"{self.url}/{ledger}"}
        return Settings(**urls, **more)

    def ours(
        self,
        *,
        queue: str = names.COMMISSIONS,
        count: int = 0,
        pool: str = "threads",
        threads: int = THREADS,
        database: int | None = None,
        **more: object,
    ) -> Workers:
        """Return our workers, as they are shipped."""
        settings = self.settings(database, **more)
        environment = {
            "ASTAKOS_BROKER_URL": settings.broker_url,
            "ASTAKOS_LEDGER_URL": settings.ledger_url,
            "ASTAKOS_SERVICES__DEFAULT__AUTH_URL": self.astakos.auth_url,
            "ASTAKOS_SERVICES__DEFAULT__TOKEN_FILE": str(self.token_file),
        } | {f"ASTAKOS_{name.upper()}": str(value) for name, value in more.items()}

        def words(name: str) -> list[str]:
            line = commands.worker(queue, name)
            line[line.index("--pool") + 1] = pool
            line[line.index("--concurrency") + 1] = str(threads)
            return line

        kind = f"ours-{queue.rpartition('.')[2]}"
        control = CeleryApp("bench", settings, set_as_current=False)
        workers = self.workers(kind, words, environment, count, control)
        workers.settings = settings
        return workers

    def plain(self, *, count: int = 0, threads: int = THREADS, queue: str = "plain") -> Workers:
        """Return workers of plain Celery, with the same options."""

        def words(name: str) -> list[str]:
            line = ["celery", "-A", "bench.rivals.plain", "worker", "-Q", queue, "-n", f"{name}@%h"]
            line += ["--pool", "threads", "--concurrency", str(threads)]
            return [*line, "--without-gossip", "--without-mingle", "--loglevel", "INFO"]

        return self.workers(
            "plain",
            words,
            {},
            count,
            Celery(broker=os.environ["BENCH_BROKER_URL"], set_as_current=False),
        )

    def workers(self, kind, words, environment, count, control) -> Workers:
        self.closing.callback(control.close)
        made = []
        for _ in range(count or self.count):
            name = f"{kind}-{next(self.numbers)}"
            node = f"{name}@{socket.gethostname()}"
            made.append(
                self.process(
                    name,
                    words(name),
                    environment,
                    lambda node=node: worker_answers(control, node),
                )
            )
        self.start(made)
        return Workers(made)

    # --- Counting -----------------------------------------------------------------------------

    def server_cpu(self) -> float:
        used = self.redis.info("cpu")
        return used["used_cpu_user"] + used["used_cpu_sys"]

    def messages(self) -> int:
        """How many Celery messages were sent so far, to any queue."""
        return self.redis.info("commandstats").get("cmdstat_lpush", {}).get("calls", 0)

    def commands(self) -> int:
        """How many commands the server was sent so far, without those inside scripts."""
        return self.redis.info("stats")["total_commands_processed"]


def wait_until(true: Callable[[], bool], within: float = 300, every: float = 0.02) -> None:
    """Return when `true()` is true; `TimeoutError` after `within` seconds."""
    end_ = time.monotonic() + within
    while not true():
        if time.monotonic() > end_:
            raise TimeoutError(f"not true after {within:g} seconds")
        time.sleep(every)
