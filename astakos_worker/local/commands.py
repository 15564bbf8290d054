"""The words of every component's command line, written once.

The local stack runs them and `docker-compose.yml` repeats them; a test holds the two together.
No token is ever among them: others can read a command line.
"""

from collections.abc import Iterable
from pathlib import Path

from astakos_worker.configuration import names

APPLICATION = "astakos_worker.app"

#: What a ledger's server must promise: no acknowledged write lost, no key thrown away.
DURABLE = (
    "--appendonly",
    "yes",
    "--appendfsync",
    "always",
    "--maxmemory-policy",
    "noeviction",
    "--save",
    "",
)

#: Threads of a process, by queue. A sweep is one request after the other, and two are plenty.
THREADS = {names.COMMISSIONS: 16, names.LOOKUPS: 16, names.SWEEP: 2}


def server(program: str, port: int, address: str, data: Path | str) -> list[str]:
    """The broker and ledger: a Valkey or Redis server."""
    place = ["--port", str(port), "--bind", address, "--dir", str(data)]
    return [program, *place, *DURABLE]


def worker(queue: str, name: str) -> list[str]:
    """A worker process on one queue; gossip and mingling are chatter between workers."""
    return [
        *("celery", "-A", APPLICATION, "worker"),
        *("-Q", queue, "-n", f"{name}@%h"),
        *("--pool", "threads", "--concurrency", str(THREADS[queue])),
        *("--without-gossip", "--without-mingle", "--loglevel", "INFO"),
    ]


def beat() -> list[str]:
    """The clock that orders sweeps; no pid file, since whatever runs it keeps it single."""
    return ["celery", "-A", APPLICATION, "beat", "--loglevel", "INFO", "--pidfile="]


def flower(port: int, address: str, database: Path | str) -> list[str]:
    """Flower. It keeps its memory in a file, written every half minute, so as to survive."""
    return [
        *("celery", "-A", APPLICATION, "flower"),
        *(f"--address={address}", f"--port={port}"),
        *("--persistent=True", f"--db={database}", "--state_save_interval=30000"),
    ]


def sandbox(port: int, address: str, state: Path | str, more: Iterable[str] = ()) -> list[str]:
    """The stand-in Astakos."""
    place = ["--host", address, "--port", str(port)]
    return ["python", "-m", "astakos_worker.sandbox", *place, "--state", str(state), *more]
