"""The demonstration runs from end to end and says so in every form; `kill_moments.py` runs many."""

import json
import os
import signal
import subprocess

import psutil

from tests.integration.demo_runs import DEMO, SMALL, STRAY, demo


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
