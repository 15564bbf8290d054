"""A short storm over a real stack: at the end Astakos' holdings are the sum of what was accepted.

`make chaos` runs longer storms. A run that fails has found a defect: its directory is kept and its
seed is named. `docs/chaos.md` says how to read them.
"""

import json
import os
import shutil
import signal
import subprocess
import sys

import psutil
import pytest

from tests.chaos import fault_timetable
from tests.chaos.__main__ import command_of, main
from tests.chaos.run import Options

CHAOS = [sys.executable, "-m", "tests.chaos", "--json"]
SHORT = ["--minutes", "0.4", "--commissions", "250"]


@pytest.mark.timeout(300)
def test_nothing_is_lost_and_nothing_done_twice(tmp_path):
    """F45, F47, F52, F53, F55, F59: every fault there is strikes once or more."""
    words = [*CHAOS, *SHORT, "--seed", "7", "--directory", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads(done.stdout)
    assert summary["proven"] is True and summary["findings"] == []
    assert summary["commissions"] >= 250
    assert summary["ends"].keys() - {"cancelled"} == {"accepted", "rejected", "refused"}
    struck = {
        fault.what for fault in (*fault_timetable.machine(7, 24), *fault_timetable.astakos(7, 24))
    }
    if shutil.which("cc") is None:
        struck = {what for what in struck if not what.startswith("clock ")}
    assert set(summary["faults"]) == struck
    assert summary["orphans"] >= 3 and summary["probes"] > 0 and summary["sweeps"] > 0
    assert summary["restarts"].keys() >= {*fault_timetable.KILLED, "sandbox"}
    token = (tmp_path / "token").read_text().strip()
    assert token not in done.stdout + done.stderr
    assert {path.name for path in tmp_path.rglob("*") if holds(path, token)} == {
        "token",
        "sandbox.state",
    }


def holds(path, text):
    return path.is_file() and text.encode() in path.read_bytes()


def test_the_command_that_repeats_a_run_means_the_same_run(tmp_path):
    options = Options(tmp_path, 90.0, 750, 12, 3, 5)
    _, words = command_of(options).split("tests.chaos ")
    read = main.make_context("chaos", words.split()).params
    again = Options(
        tmp_path,
        60 * read["minutes"],
        *(read[name] for name in ("commissions", "seed", "producers", "threads")),
    )
    assert again == options


def test_interrupted_it_ends_everything_and_says_how_to_repeat_it(tmp_path):
    words = [*CHAOS, *SHORT, "--seed", "11", "--directory", str(tmp_path)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, **pipes, env={**os.environ, "ASTAKOS_TIMES": "x"}) as running:
        said = ""
        while "the stack is up" not in said:
            said += (line := running.stderr.readline())
            assert line, said
        children = psutil.Process(running.pid).children(recursive=True)
        running.send_signal(signal.SIGINT)
        printed = running.stdout.read()
        said += running.stderr.read()
        assert running.wait() == 130, said
    assert printed == ""
    assert "Interrupted; everything is ended." in said
    assert f"Data and logs are in {tmp_path}" in said
    assert "Repeat it: .venv/bin/python -m tests.chaos --minutes 0.4 --commissions 250" in said
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []
