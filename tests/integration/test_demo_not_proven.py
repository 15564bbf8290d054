"""A demonstration that proves nothing says why: what differs, what is in the way, or Ctrl-C."""

import os
import pty
import re
import signal
import subprocess

import psutil
import pytest

from astakos_worker.sandbox.control_client import ControlClient
from astakosclient import AstakosClient
from tests.integration.demo_runs import DEMO, SMALL, demo


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
