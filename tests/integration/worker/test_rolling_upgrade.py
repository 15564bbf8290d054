"""A rolling upgrade between two schemas: old and newer workers and services beside each other."""

import os
import subprocess
import sys

import pytest
from celery import Celery
from click.testing import CliRunner

from astakos_worker import Commissions, Settings, Unavailable, UnknownKey
from astakos_worker.cli import main
from astakos_worker.configuration import names
from astakos_worker.local import LocalStack, commands
from astakos_worker.local.process import Process
from astakos_worker.sandbox.control_client import ControlClient
from astakos_worker.sandbox.seed import user_uuid
from astakos_worker.worker.dead_messages import dead_messages_of
from tests.integration.cluster.until import until

NEWER = "tests.integration.cluster.newer"
VM = "cyclades.vm"
USER = user_uuid("user01@example.org")


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    directory = tmp_path_factory.mktemp("upgrade")
    alone = {"workers": 1, "lookups": 0, "sweeps": 1, "beat": True, "flower": False}
    with LocalStack(directory, **alone, env={"ASTAKOS_QUARANTINE": "1"}) as stack:
        yield stack


@pytest.fixture(scope="module")
def commissions(stack):
    settings = Settings(times="demo", broker_url=stack.broker_url, ledger_url=stack.ledger_url)
    return Commissions(settings=settings)


@pytest.fixture(scope="module")
def program(stack):
    app = Celery("somebody", broker=stack.broker_url, backend=stack.broker_url)
    yield app
    app.close()


def newer_service(stack, key):
    words = [sys.executable, "-m", NEWER, key, USER]
    env = {**os.environ, **stack.env}
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def newer_worker(stack, tmp_path):
    """Starts a worker of the newer version beside the old one."""
    started = []

    def start():
        token = stack.directory / "token"
        service = "ASTAKOS_SERVICES__DEFAULT__"
        env = {f"{service}AUTH_URL": stack.auth_url, f"{service}TOKEN_FILE": str(token)}
        words = commands.worker(names.COMMISSIONS, "newer-1")
        words[words.index(commands.APPLICATION)] = NEWER
        log = tmp_path / "newer.log"
        env = {**os.environ, **stack.env, **env}
        process = Process("newer", words, log, environment=env, ready=lambda: True)
        started.append(process)
        process.start()
        return process

    yield start
    for process in started:
        process.kill()


def test_old_workers_leave_what_is_newer_alone_and_newer_ones_do_it_all(
    stack, commissions, program, newer_worker
):
    """F78: untouched, no crash, no loop; said to be there; and done when a newer one comes."""
    control = ControlClient(stack.sandbox_url)
    old = stack.processes["commissions-1"]
    pid = old.pid
    newer_service(stack, "newer")
    ledger = commissions._connections.ledger

    # A message of a newer schema, and one about what a newer version wrote.
    request = {"user": USER, "project": USER, "provisions": {VM: 1}, "accept": True}
    ahead = {**request, "key": "ahead", "schema": names.MESSAGES + 1}
    program.send_task(names.ISSUE_COMMISSION, queue=names.COMMISSIONS, kwargs=ahead)
    again = {**request, "key": "newer"}
    program.send_task(names.ISSUE_COMMISSION, queue=names.COMMISSIONS, kwargs=again)
    # A wake-up that says more than an old one understands.
    wake = {"service": "default", "key": "old", "since": "later"}
    program.send_task(names.WAKE_ISSUE, queue=names.COMMISSIONS, kwargs=wake)
    # One for what only newer ones can do.
    beyond = {"service": "default", "key": "newer"}
    program.send_task(names.WAKE_ISSUE, queue=names.COMMISSIONS, kwargs=beyond)

    # The old ones go on with what is theirs, and say what is not.
    commissions.issue(user=USER, project=USER, provisions={VM: 1}, key="old", accept=True)
    assert commissions.outcome("old", 30).state == "accepted"
    calls = [
        lambda: commissions.get("newer"),
        lambda: commissions.outcome("newer", 1),
        lambda: commissions.accept("newer"),
        lambda: commissions.reject("newer"),
        lambda: commissions.dead.resend("newer"),
        lambda: commissions.issue(user=USER, project=USER, provisions={VM: 1}, key="newer"),
    ]
    for call in calls:
        with pytest.raises(Unavailable, match="was written by a newer version"):
            call()
    with pytest.raises(UnknownKey):
        commissions.get("ahead")
    shown = CliRunner(env=stack.env).invoke(main, ["show", "newer", "old"])
    assert shown.exit_code == 1
    assert "newer version" in shown.stderr and "accepted" in shown.stdout
    assert CliRunner(env=stack.env).invoke(main, ["status"]).exit_code == 0
    assert ledger.newer("default", ["newer", "old", "ahead"]) == {"newer"}
    assert [row for row in control.journal() if " newer " in row["name"]] == []

    # The newer worker does what was left; the old one was there all the time.
    new = newer_worker()
    until(lambda: left(ledger, control) == [], within=60)
    assert ledger.newer("default", ["newer", "ahead"]) == {"newer", "ahead"}
    assert ledger.lane("default").open == 0
    assert (old.pid, old.alive, new.alive) == (pid, True, True)
    assert dead_messages_of(Settings(ledger_url=stack.ledger_url)).list() == []
    assert sorted(row["event"] for row in control.journal()) == ["accepted"] * 3 + ["issued"] * 3


def left(ledger, control):
    """Which of the three are not accepted yet."""
    accepted = [row["name"] for row in control.journal() if row["event"] == "accepted"]
    open_ = ["something"] if ledger.lane("default").open else []
    return [key for key in ("old", "newer", "ahead") if f" {key} " not in str(accepted)] + open_
