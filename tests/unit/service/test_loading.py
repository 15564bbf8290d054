"""A module that a thread is loading is not left half loaded in a child."""

import os
import subprocess
import sys

import pytest

import astakosclient

#: A module takes its time, a thread imports it, and the process forks meanwhile.
FORK = """
import os, sys, threading
from pathlib import Path
from astakos_worker.service.loading import LOADING

Path("slow.py").write_text("import go; go.on.set(); go.off.wait(60)\\nready = True")
Path("go.py").write_text("import threading; on, off = threading.Event(), threading.Event()")
sys.path.insert(0, ".")
import go

def load():
    with LOADING:
        import slow

thread = threading.Thread(target=load)
thread.start()
assert go.on.wait(60)
threading.Timer(0.2, go.off.set).start()
child = os.fork()
if not child:
    import slow
    with LOADING:
        os._exit(0 if slow.ready else 1)
_, status = os.waitpid(child, 0)
thread.join()
with LOADING:
    print(os.waitstatus_to_exitcode(status))
"""


def test_a_fork_waits_for_an_import_of_another_thread(tmp_path):
    # 3.12 warns of every fork of a process with threads.
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK],
        cwd=tmp_path,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "0\n", done.stderr


def test_the_names_that_the_client_loads_late_are_those_of_their_modules():
    from astakosclient.client import AstakosClient
    from astakosclient.endpoints import parse_endpoints

    assert astakosclient.AstakosClient is AstakosClient
    assert astakosclient.parse_endpoints is parse_endpoints
    assert set(astakosclient.__all__) <= set(dir(astakosclient))
    with pytest.raises(AttributeError, match="has no attribute 'AstakosClinet'"):
        _ = astakosclient.AstakosClinet
