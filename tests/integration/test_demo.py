"""The demonstration runs from end to end, says so in every form, and ends with Ctrl-C.

Small ones: the whole takes half a minute and is run by `make demo`; `kill_moments.py` runs many.
"""

import json
import os
import pty
import re
import signal
import subprocess
import sys

import psutil
import pytest

from astakos_worker.sandbox.control_client import ControlClient
from astakosclient import AstakosClient

DEMO = [sys.executable, "-m", "astakos_worker.cli", "demo"]
SMALL = ["--commissions", "150", "--no-flower"]
#: What a developer's shell may name must not reach a demonstration.
STRAY = {"ASTAKOS_BROKER_URL": "redis://127.0.0.1:1/0", "ASTAKOS_TIMES": "production"}


def demo(*words, **environment):
    return subprocess.run(
        [*DEMO, *SMALL, *map(str, words)],
        capture_output=True,
        text=True,
        env={**os.environ, **STRAY, **environment},
        check=False,
    )


def test_it_is_proven_though_a_worker_is_killed_and_no_token_is_left(tmp_path):
    """F55, F62: the verdict rests on the sandbox's books, whose seed alone has the token.

    Kept, the stack runs on after the proof until Ctrl-C.
    """
    words = [*DEMO, *SMALL, "--json", "--keep", "--directory", str(tmp_path)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, **pipes, env={**os.environ, **STRAY}) as running:
        said = ""
        while "Ctrl-C ends it" not in said:
            said += (line := running.stderr.readline())
            assert line, said
        assert len(psutil.Process(running.pid).children()) == 7
        running.send_signal(signal.SIGINT)
        printed = running.stdout.read()
        assert running.wait() == 0
    summary = json.loads(printed)
    assert summary["proven"] is True and summary["findings"] == []
    assert summary["killed"] == ["commissions-1"]
    assert summary["commissions"] > 150
    assert summary["ends"].keys() - {"cancelled"} == {"accepted", "rejected", "refused"}
    assert (summary["foreign"], summary["orphans"]) == (5, 22)
    for text in (
        "commissions-1 is started again",
        "nothing was issued twice",
        "Proven in",
        "export ASTAKOS_LEDGER_URL=",
    ):
        assert text in said
    token = (tmp_path / "token").read_text().strip()
    assert token not in said + printed
    holders = {path.name for path in tmp_path.rglob("*") if holds(path, token)}
    assert holders == {"token", "sandbox.state"}


def holds(path, text):
    return path.is_file() and text.encode() in path.read_bytes()


def test_it_is_proven_though_the_broker_is_killed_and_leaves_nothing_behind(tmp_path):
    """F53, F55: the ledger's server is killed with it; the temporary directory is removed."""
    done = demo("--kill-what", "broker", TMPDIR=str(tmp_path))
    assert done.returncode == 0
    assert "broker is started again" in done.stdout
    assert "Data and logs" not in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_what_differs_is_named_and_the_status_is_1(tmp_path):
    """Somebody settles a foreign commission meanwhile: the proof must not pass over it."""
    words = [*DEMO, *SMALL, "--no-kill", "--directory", str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as running:
        assert any("foreign commissions" in line for line in running.stdout)
        [port] = re.findall(r"--port (\d+)", (tmp_path / "sandbox.log").read_text())
        url = f"http://127.0.0.1:{port}"
        made = ControlClient(url).commissions("cyclades")
        serial = next(row["serial"] for row in made if row["name"] == "made by hand")
        token = (tmp_path / "token").read_text().strip()
        AstakosClient(token, f"{url}/identity/v2.0").accept_commission(serial)
        said = running.stdout.read()
        assert running.wait() == 1
    assert f"foreign {serial} is accepted, not pending" in said
    assert "✓ nothing of ours is pending" in said
    # Its usage is confirmed where it was only reserved: in two resources, of user and project.
    assert "Not proven: 5 things differ." in said
    assert f"Data and logs are in {tmp_path}" in said


def test_a_directory_with_something_in_it_is_refused(tmp_path):
    """The sums of an earlier run would be in them."""
    (tmp_path / "something").touch()
    done = demo("--directory", tmp_path)
    assert done.returncode == 1
    assert "is not empty" in done.stderr


def test_a_component_that_does_not_come_up_is_named_and_its_log_is_kept(tmp_path):
    (tmp_path / "uvicorn.py").write_text("raise ImportError('this is none')")
    done = demo(TMPDIR=str(tmp_path), PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("sandbox did not come up")
    [kept] = tmp_path.glob("astakos-demo-*")
    assert f"Data and logs are in {kept}" in done.stdout
    assert (kept / "sandbox.log").exists()


@pytest.mark.parametrize(
    ("number", "environment", "is_live"),
    [(signal.SIGINT, {}, True), (signal.SIGTERM, {"NO_COLOR": "1"}, False)],
)
def test_interrupted_on_a_terminal_it_ends_everything(tmp_path, number, environment, is_live):
    """With a live view, or line by line where colours are unwanted."""
    ours, theirs = pty.openpty()
    words = [*DEMO, *SMALL, "--directory", str(tmp_path)]
    shell = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    shell |= {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24", **environment}
    with subprocess.Popen(words, stdout=theirs, env=shell) as running:
        os.close(theirs)
        shown = ""
        while "foreign commissions" not in shown:
            shown += (more := read(ours))
            assert more, shown
        children = psutil.Process(running.pid).children(recursive=True)
        assert len(children) == 7
        running.send_signal(number)
        while more := read(ours):
            shown += more
        assert running.wait() == 130
    os.close(ours)
    assert ("╭─ Astakos Worker" in shown) is is_live
    assert "Interrupted; everything is ended." in shown
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []


def read(descriptor):
    """Return what comes next on a terminal; nothing: its other end is closed."""
    try:
        return os.read(descriptor, 65536).decode(errors="replace")
    except OSError:
        return ""
