"""Tries one mutant: a forked process in which the mutated source takes the place of the file's.

The parent has imported what is slow and nothing of ours, so that a fork imports the mutant and what
depends on it. A mutant is caught when a test fails, or when the tests do not end in time.
"""

import contextlib
import importlib.abc
import importlib.util
import io
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
#: Seconds in which the tests must end without any change.
PATIENCE = 900.0
_LOOK = 0.05


def is_caught(
    file: Path,
    source: str,
    tests: Sequence[str],
    cases: Sequence[str],
    patience: float = PATIENCE,
) -> bool:
    """Return whether the tests, or else the simulation of the cases, notice this source.

    Tests that have not ended after `patience` seconds have noticed it.
    """
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            os.setsid()
            _silence()
            _replace(file, source)
            os._exit(1 if _fails(tests) or _breaks(cases) else 0)
        os._exit(1)
    end = time.monotonic() + patience
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status) != 0
        time.sleep(_LOOK)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def _silence() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)


def _fails(tests: Sequence[str]) -> bool:
    words = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-seed=0"]
    # What is imported before the fork is none of ours.
    words += ["-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning", *tests]
    with contextlib.redirect_stdout(io.StringIO()):
        return pytest.main(words) != pytest.ExitCode.OK


def _breaks(cases: Sequence[str]) -> bool:
    """Return whether some single fault breaks a promise in one of these cases."""
    if not cases:
        return False
    from tests.simulation.running import silence
    from tests.simulation.searching import Share

    with silence():
        for case in cases:
            if any(result.violation for result in Share((case,)).results()):
                return True
    return False


def _replace(file: Path, source: str) -> None:
    """Let the source be what is imported, or read, in place of the file."""
    if file.suffix == ".lua":
        read = Path.read_text

        def read_text(self: Path, *args: Any, **options: Any) -> str:
            return source if self.resolve() == file else read(self, *args, **options)

        Path.read_text = read_text
        return
    sys.meta_path.insert(0, _Finder(file, source))


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports the mutated module."""

    def __init__(self, file: Path, source: str) -> None:
        self._file = file
        self._source = source
        self._name = ".".join(file.relative_to(ROOT).with_suffix("").parts)

    def find_spec(self, fullname: str, *_: Any) -> Any:
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(fullname, self._file, loader=self)

    def exec_module(self, module: Any) -> None:
        exec(compile(self._source, str(self._file), "exec"), module.__dict__)
