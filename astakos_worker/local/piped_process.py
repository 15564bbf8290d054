"""A child process whose output goes, line by line, to a function of its parent."""

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from astakos_worker.local.process import Process

#: Lines of output that are kept for `tail`.
_KEPT = 200


class PipedProcess(Process):
    """A program whose lines are passed on; there is no log file that would have to be rotated.

    `write` is given the process's name and each line, in a thread of its own.
    """

    def __init__(
        self,
        name: str,
        words: Sequence[str],
        write: Callable[[str, str], None],
        *,
        environment: Mapping[str, str],
        ready: Callable[[], bool],
    ) -> None:
        super().__init__(name, words, Path(os.devnull), environment=environment, ready=ready)
        self._write = write
        self._lines: deque[str] = deque(maxlen=_KEPT)

    def output(self) -> str:
        """Return the last lines that the program has written since its last start."""
        return "\n".join(self._lines)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        reading, writing = os.pipe()
        self._lines = deque(maxlen=_KEPT)
        arguments = (os.fdopen(reading, "rb"), self._lines)
        name = f"output-of-{self.name}"
        threading.Thread(target=self._pass_on, args=arguments, name=name, daemon=True).start()
        with os.fdopen(writing, "wb") as end:
            yield end

    def _pass_on(self, output: IO[bytes], kept: deque[str]) -> None:
        with output:
            for line in output:
                text = line.decode(errors="replace").rstrip("\n")
                kept.append(text)
                self._write(self.name, text)
