"""Runs one program as a child process: its log, its signals, its end.

Each child leads a process group of its own, so Ctrl-C in the terminal does not reach the child;
the process that started it decides. Signals go to the whole group. The kernel kills the child when
its parent dies, by `kill -9` too (`die_with_parent.py`).
"""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

_DIE_WITH_PARENT = Path(__file__).with_name("die_with_parent.py")
#: Seconds between two looks at something that is waited for.
_LOOK = 0.05


class StackError(Exception):
    """Raised when the local stack cannot be run."""


class ComponentError(StackError):
    """Raised when a component of the stack does not come up; carries the end of its log."""

    def __init__(self, process: "Process", reason: str) -> None:
        tail = process.tail().rstrip() or "(empty)"
        super().__init__(f"{process.name} did not come up: {reason}\n{process.log} ends:\n{tail}")
        self.component = process.name


class Process:
    """A named program with a log file, started any number of times."""

    def __init__(
        self,
        name: str,
        words: Sequence[str],
        log: Path,
        *,
        environment: Mapping[str, str],
        ready: Callable[[], bool],
        directory: Path | None = None,
    ) -> None:
        self.name = name
        self.words = tuple(words)
        self.log = log
        self.environment = {**environment, "PYTHONUNBUFFERED": "1"}
        #: How often it was started again after it had died.
        self.restarts = 0
        self._ready = ready
        self._directory = directory
        self._child: subprocess.Popen[bytes] | None = None
        self._since = 0

    def __repr__(self) -> str:
        state = f"pid {self.pid}" if self.alive else f"exit code {self.exit_code}"
        return f"<Process {self.name}: {state}>"

    @property
    def pid(self) -> int:
        """The process id, of the last start; also the id of its group."""
        if self._child is None:
            raise StackError(f"{self.name} was not started")
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs or before its start; negative: killed by that signal."""
        return self._child.poll() if self._child else None

    @property
    def alive(self) -> bool:
        """Say whether it runs (paused counts)."""
        return self._child is not None and self._child.poll() is None

    @property
    def ready(self) -> bool:
        """Say whether it runs and does its work."""
        return self.alive and self._ready()

    def start(self) -> None:
        """Start the program. The calling thread must outlive it (see `die_with_parent.py`)."""
        if self.alive:
            raise StackError(f"{self.name} runs already, as process {self.pid}")
        self.restarts += self._child is not None
        wrapper = [sys.executable, "-I", "-S", str(_DIE_WITH_PARENT), str(os.getpid()), "--"]
        with self.log.open("ab") as log:
            self._since = log.tell()
            log.write(f"$ {shlex.join(self.words)}\n".encode())
            log.flush()
            self._child = subprocess.Popen(  # noqa: S603  # words of ours, and no shell
                [*wrapper, *program(self.words)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment,
                cwd=self._directory,
                start_new_session=True,
            )

    def signal(self, number: int) -> None:
        """Send a signal to its group; one that has ended is left alone."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def kill(self) -> None:
        """End it at once, as `kill -9` does, and see it gone."""
        child = self._child  # by the time it has gone there may be another
        self.signal(signal.SIGKILL)
        if child:
            child.wait()

    def pause(self) -> None:
        """Stop it where it stands, as a machine does that swaps or is suspended."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self.signal(signal.SIGCONT)

    def output(self) -> str:
        """Return what it has written since its last start."""
        with self.log.open("rb") as log:
            log.seek(self._since)
            return log.read().decode(errors="replace")

    def tail(self, lines: int = 20) -> str:
        """Return the end of that."""
        return "\n".join(self.output().splitlines()[-lines:])


def program(words: Sequence[str]) -> list[str]:
    """Spell a command of a container's so that it runs in this environment.

    `celery` and `python` are those of the interpreter that runs now, whatever the PATH says.
    """
    first, *rest = words
    if first == "celery":
        return [sys.executable, "-m", "celery", *rest]
    return [sys.executable if first == "python" else first, *rest]


def wait_ready(processes: Iterable[Process], timeout: float, *, first: bool = False) -> None:
    """Wait until all are ready; `ComponentError` names the one that is not.

    `first`: nobody starts them again yet, so that one that has ended will not come up.
    """
    deadline = time.monotonic() + timeout
    waiting = list(processes)
    while True:
        waiting = [process for process in waiting if not process.ready]
        if not waiting:
            return
        for process in waiting:
            if first and process.exit_code is not None:
                raise ComponentError(process, f"it ended with exit code {process.exit_code}")
        if time.monotonic() > deadline:
            raise ComponentError(waiting[0], f"not ready after {timeout:g} seconds")
        time.sleep(_LOOK)


def end(processes: Iterable[Process], grace: float) -> None:
    """End them all: politely, and after `grace` seconds at once."""
    processes = list(processes)
    for process in processes:
        process.signal(signal.SIGTERM)
        process.resume()  # a paused one could not end
    deadline = time.monotonic() + grace
    while any(process.alive for process in processes) and time.monotonic() < deadline:
        time.sleep(_LOOK)
    for process in processes:
        process.kill()
