"""The pytest plugin for services' own tests, used as a service would: in a run of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from astakos_worker.sandbox.errors import SandboxError
from astakos_worker.sandbox.server import SandboxServer

PAGE = Path(__file__).parents[3] / "docs" / "testing.md"
BLOCKS = [part.split("```")[0] for part in PAGE.read_text().split("```python\n")[1:]]
FIRST, SERVICE, TESTS = BLOCKS[:3]


@pytest.fixture
def run(tmp_path):
    """Run pytest on these files, in a process of its own; returns what it printed."""

    def run(**files):
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text)
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-W", "error", "-p", "no:cacheprovider", "-v", "."],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_the_worked_example_of_the_page_passes(run):
    output = run(test_first=FIRST, vm_service=SERVICE, test_vm_service=TESTS)
    assert "6 passed" in output


def test_a_seed_of_one_s_own_takes_the_place_of_the_shipped_one(run):
    seed = '[[component]]\\nname = "mine"\\ntoken = "sandbox-token-of-mine"\\n'
    conftest = f"""
import pytest
@pytest.fixture(scope="session")
def astakos_sandbox_seed():
    return '{seed}'
"""
    test = """
def test_the_world_is_ours(astakos_sandbox):
    assert astakos_sandbox.token("mine") == "sandbox-token-of-mine"
    assert astakos_sandbox.control.world()["users"] == []
"""
    assert "1 passed" in run(conftest=conftest, test_seed=test)


def test_a_reset_ends_an_outage_and_lets_go_of_ghosts(caller_of):
    """So that no test suffers from what the one before it did."""
    with SandboxServer() as server:
        call = caller_of(server)
        call.control.set_faults({"kind": "ghost", "route": "commissions.issue", "seconds": 0.3})
        with pytest.raises(OSError, match="Connection"):
            call.issue(call.vm(1))
        call.control.outage(60)
        server.reset()
        began = time.monotonic()
        while time.monotonic() - began < 0.5:
            assert call.pending() == []
        assert call.control.faults()["rules"] == []
        assert call.issue(call.vm(1)).json() == {"serial": 1}


def test_a_sandbox_can_go_away_again_after_a_reset(caller_of):
    with SandboxServer() as server:
        call = caller_of(server)
        for _ in range(2):
            call.control.outage(60)
            server.reset()
            assert call.discover().status_code == 200


def test_a_sandbox_that_is_not_running_cannot_be_reset():
    server = SandboxServer()
    with pytest.raises(SandboxError, match="start it before"):
        server.reset()


def test_tokens_are_found_by_name(caller_of):
    with SandboxServer() as server:
        assert server.token("cyclades") == "sandbox-token-of-cyclades"
        assert server.token("user07@example.org") == "sandbox-token-of-user07"
        with pytest.raises(SandboxError, match="no user 'nobody'"):
            server.token("nobody")
