"""Runs one program as a child process: starts it, logs its output, sends signals, ends it.

Each child leads a process group of its own. Ctrl-C in the terminal does not reach the child; the
parent decides when the child ends. Signals go to the whole group. The kernel kills the child when
the parent dies, even when the parent was killed with `kill -9` (`die_with_parent.py`).
"""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

_DIE_WITH_PARENT = Path(__file__).with_name("die_with_parent.py")
#: Seconds between two checks while this module waits for a process.
_LOOK = 0.05


class StackError(Exception):
    """Raised when the local stack cannot be run."""


class ComponentError(StackError):
    """Raised when a component does not become ready; the text includes the end of its log."""

    def __init__(self, process: "Process", reason: str) -> None:
        tail = process.tail().rstrip() or "(empty)"
        super().__init__(f"{process.name} did not come up: {reason}\n{process.log} ends:\n{tail}")
        self.component = process.name


class Process:
    """A named program with a log file. It can be started again after it has ended.

    `words` are the command line. `ready` says whether the running program does its work.
    """

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
        #: How many times the program was started again after it had ended.
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
        """The process id of the last start; also the id of the process group."""
        if self._child is None:
            raise StackError(f"{self.name} was not started")
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """None while the program runs or before its start; -9: it was killed by signal 9."""
        return self._child.poll() if self._child else None

    @property
    def alive(self) -> bool:
        """Whether the program runs; a paused program runs too."""
        return self._child is not None and self._child.poll() is None

    @property
    def ready(self) -> bool:
        """Whether the program runs and does its work."""
        return self.alive and self._ready()

    def start(self) -> None:
        """Start the program.

        The calling thread must live longer than the program (see `die_with_parent.py`).
        """
        if self.alive:
            raise StackError(f"{self.name} runs already, as process {self.pid}")
        self.restarts += self._child is not None
        wrapper = [sys.executable, "-I", "-S", str(_DIE_WITH_PARENT), str(os.getpid()), "--"]
        with self._opened() as output:
            self._child = subprocess.Popen(  # noqa: S603  # our own command lines, and no shell
                [*wrapper, *program(self.words)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.environment,
                cwd=self._directory,
                start_new_session=True,
            )

    @contextlib.contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        """Open what the program's output goes to, for the time of its start."""
        with self.log.open("ab") as log:
            self._since = log.tell()
            log.write(f"$ {shlex.join(self.words)}\n".encode())
            log.flush()
            yield log

    def signal(self, number: int) -> None:
        """Send a signal to the process group; do nothing if the program has ended."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def kill(self) -> None:
        """End the program at once, as `kill -9` does, and wait for its end."""
        child = self._child  # another thread may start the next one while this one ends
        self.signal(signal.SIGKILL)
        if child:
            child.wait()

    def pause(self) -> None:
        """Halt the program until `resume`, as a machine that swaps or is suspended does."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let the program continue after `pause`."""
        self.signal(signal.SIGCONT)

    def output(self) -> str:
        """Return the text that the program has written since its last start."""
        with self.log.open("rb") as log:
            log.seek(self._since)
            return log.read().decode(errors="replace")

    def tail(self, lines: int = 20) -> str:
        """Return the last lines of `output()`."""
        return "\n".join(self.output().splitlines()[-lines:])


def program(words: Sequence[str]) -> list[str]:
    """Return a container's command line in the form that runs in this environment.

    `celery` and `python` become those of the running interpreter. The PATH is not asked for them.
    """
    first, *rest = words
    if first == "celery":
        return [sys.executable, "-m", "celery", *rest]
    return [sys.executable if first == "python" else first, *rest]


def wait_ready(processes: Iterable[Process], timeout: float, *, first: bool = False) -> None:
    """Wait until all processes are ready, for at most `timeout` seconds.

    `ComponentError` names a process that is not ready. `first` says that no supervisor watches the
    processes yet: then a process that has ended is an error at once.
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


def end(processes: Iterable[Process], grace: float) -> list[str]:
    """End all processes: with SIGTERM first, and after `grace` seconds with SIGKILL.

    Returns the names of those that SIGKILL had to end.
    """
    processes = list(processes)
    for process in processes:
        process.signal(signal.SIGTERM)
        process.resume()  # a paused process cannot act on SIGTERM
    deadline = time.monotonic() + grace
    while any(process.alive for process in processes) and time.monotonic() < deadline:
        time.sleep(_LOOK)
    late = [process.name for process in processes if process.alive]
    for process in processes:
        process.kill()
    return late
