"""The command line of every component, written once.

The local stack runs these commands. `docker-compose.yml` repeats them, and a test compares the
two. No command line has a token in it, since other users of the machine can read it.
"""

from collections.abc import Iterable
from pathlib import Path

from astakos_worker.configuration import names

APPLICATION = "astakos_worker.app"

#: The server must lose no acknowledged write and evict no key.
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

#: Threads of a process, by queue. A sweep sends one request after the other, so two are plenty.
THREADS = {names.COMMISSIONS: 16, names.LOOKUPS: 16, names.SWEEP: 2}


def server(program: str, port: int, address: str, data: Path | str) -> list[str]:
    """Return the command of the broker and ledger: a Valkey or Redis server."""
    place = ["--port", str(port), "--bind", address, "--dir", str(data)]
    return [program, *place, *DURABLE]


def worker(queue: str, name: str) -> list[str]:
    """Return the command of a worker process that reads one queue.

    Workers do not need each other's messages, so gossip and mingling are off.
    """
    return [
        *("celery", "-A", APPLICATION, "worker"),
        *("-Q", queue, "-n", f"{name}@%h"),
        *("--pool", "threads", "--concurrency", str(THREADS[queue])),
        *("--without-gossip", "--without-mingle", "--loglevel", "INFO"),
    ]


def beat() -> list[str]:
    """Return the command of beat, which sends the sweeps.

    Beat writes no pid file. The program that starts beat sees to it that only one runs.
    """
    return ["celery", "-A", APPLICATION, "beat", "--loglevel", "INFO", "--pidfile="]


def flower(port: int, address: str, database: Path | str | None = None) -> list[str]:
    """Return the command of Flower; with a database it saves its state there every 30 seconds."""
    words = ["celery", "-A", APPLICATION, "flower", f"--address={address}", f"--port={port}"]
    if database is None:
        return words
    return [*words, "--persistent=True", f"--db={database}", "--state_save_interval=30000"]


def relay() -> list[str]:
    """Return the command of a relay; its database is in the environment."""
    return ["python", "-m", "astakos_worker.cli", "relay"]


def sandbox(port: int, address: str, state: Path | str, more: Iterable[str] = ()) -> list[str]:
    """Return the command of the sandbox, the stand-in for Astakos."""
    place = ["--host", address, "--port", str(port)]
    return ["python", "-m", "astakos_worker.sandbox", *place, "--state", str(state), *more]
