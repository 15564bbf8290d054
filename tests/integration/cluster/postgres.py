"""A PostgreSQL of a test's own, where there is one on the machine."""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

from astakos_worker.local.free_ports import LOOPBACK, Port

_PROGRAMS = ("initdb", "pg_ctl")
#: Whom it runs as where the tests run as root, whom it refuses.
_USER = "postgres"


def postgres_runs() -> bool:
    """Whether there is a PostgreSQL that can be started."""
    if not all(shutil.which(program) for program in _PROGRAMS):
        return False
    return os.geteuid() != 0 or any(entry.pw_name == _USER for entry in pwd.getpwall())


class Postgres:
    """A server with an empty database; what it is told need not outlive it."""

    def __init__(self) -> None:
        # Not where pytest keeps files: nobody else may look in there.
        self._directory = Path(tempfile.mkdtemp(prefix="postgres-"))
        self._port = Port()
        self._as = {"user": _USER} if os.geteuid() == 0 else {}
        if self._as:
            shutil.chown(self._directory, _USER)
        self._data = self._directory / "data"
        self._run("initdb", "--no-sync", "--auth", "trust", "--username", "test")
        options = f"-p {self._port.number} -h {LOOPBACK} -k {self._directory} -F"
        options += " -c max_prepared_transactions=5"
        self._run("pg_ctl", "start", "--wait", "-o", options, "-l", f"{self._directory}/log")
        self.url = f"postgresql+psycopg://test@{LOOPBACK}:{self._port.number}/postgres"

    def close(self) -> None:
        self._run("pg_ctl", "stop", "-m", "immediate")
        self._port.close()
        shutil.rmtree(self._directory)

    def _run(self, program: str, *words: str) -> None:
        subprocess.run(
            [program, *words, "-D", str(self._data)],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=60,
            cwd="/",
            **self._as,
        )
