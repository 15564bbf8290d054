"""A child of a fork has connections of its own, whoever forked."""

import os
import subprocess
import sys

import pytest

#: uWSGI forks as the second one does: Python's hooks are not called.
FORKS = {"of Python": "os.fork()", "without Python's knowledge": "ctypes.PyDLL(None).fork()"}

PROGRAM = """
import ctypes, os, sys
from astakos_worker.configuration.settings import Settings
from astakos_worker.service.connect import connected

settings = Settings()
before = connected(settings)
assert connected(settings) is before
child = {fork}
if not child:
    here = connected(settings)
    fresh = here is not before and here.waker is not before.waker
    os._exit(0 if fresh and connected(settings) is here else 1)
_, status = os.waitpid(child, 0)
assert connected(settings) is before
print(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.parametrize("fork", FORKS.values(), ids=FORKS)
def test_a_child_makes_connections_of_its_own(fork, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(fork=fork)],
        cwd=tmp_path,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "0\n", done.stderr
