"""Another Celery application beside ours: on the same broker, or in the same environment.

Its worker has Celery's own defaults. Ours share nothing with it but the server.
"""

import os
import socket
import subprocess
import sys
import time

import pytest
import requests
from celery import Celery
from redis import Redis

from astakos_worker import Commissions, Lookups, Settings
from astakos_worker.configuration.celery_app import CeleryApp
from astakos_worker.local import LocalStack
from astakos_worker.local.process import Process
from astakos_worker.sandbox.control_client import ControlClient
from astakos_worker.sandbox.seed import user_uuid
from tests.integration.cluster.servers import Server
from tests.integration.cluster.until import until

USER = user_uuid("user01@example.org")
ONE = {"user": USER, "project": USER, "provisions": {"cyclades.vm": 1}}

FOREIGN = """
import os, time
from celery import Celery
app = Celery("foreign", broker=os.environ["FOREIGN"], backend=os.environ["FOREIGN"])
app.conf.task_acks_late = True

@app.task(name="foreign.slow")
def slow(path, seconds):
    with open(path, "a") as file:
        file.write("begun\\n")
    time.sleep(seconds)
"""

#: Seconds after which our workers give an unacknowledged message back.
VISIBLE = 9


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """The server of the surrounding service's own Celery application."""
    server = Server("valkey", tmp_path_factory.mktemp("own"))
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="module")
def celerys_variables(own):
    """What the surrounding service's environment may say to its own application."""
    url = own.url()
    names_ = ("CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL")
    more = ("CELERY_RESULT_BACKEND", "BROKER_URL", "RESULT_BACKEND", "CELERY_BROKER", "REDIS_URL")
    return dict.fromkeys((*names_, *more), url)


@pytest.fixture(scope="module")
def stack(tmp_path_factory, celerys_variables):
    env = {**celerys_variables, "ASTAKOS_VISIBILITY_TIMEOUT": str(VISIBLE)}
    directory = tmp_path_factory.mktemp("beside")
    with LocalStack(directory, workers=1, lookups=1, env=env) as stack:
        yield stack


@pytest.fixture
def settings(stack):
    urls = {"broker_url": stack.broker_url, "ledger_url": stack.ledger_url}
    return Settings(times="demo", visibility_timeout=VISIBLE, names_kept=0, **urls)


@pytest.fixture
def foreign(stack, tmp_path, processes):
    """A worker of another application on our broker's database; and that application."""
    (tmp_path / "foreign.py").write_text(FOREIGN)
    log = tmp_path / "foreign.log"
    log.touch()
    words = [sys.executable, "-m", "celery", "-A", "foreign", "worker", "-n", "foreign@%h"]
    environment = {**os.environ, "FOREIGN": stack.broker_url, "PYTHONPATH": str(tmp_path)}
    process = Process(
        "foreign",
        [*words, "--pool", "threads", "--loglevel", "INFO"],
        log,
        environment=environment,
        ready=lambda: True,
        directory=tmp_path,
    )
    processes.append(process)
    process.start()
    until(lambda: "ready." in log.read_text())
    with Celery("foreign", broker=stack.broker_url, set_as_current=False) as app:
        yield app


def test_its_long_task_runs_once(foreign, stack, tmp_path):
    """F93: our workers gave it back to its queue when our own time-out was over."""
    begun = tmp_path / "begun"
    foreign.send_task("foreign.slow", args=(str(begun), VISIBLE + 6), queue="celery")
    until(begun.exists)
    log = tmp_path / "foreign.log"
    until(lambda: "succeeded in" in log.read_text(), within=60)
    time_to_restore = time.monotonic() + 3
    until(lambda: time.monotonic() > time_to_restore)
    assert begun.read_text() == "begun\n"
    with Redis.from_url(stack.broker_url) as broker:
        assert broker.llen("celery") == 0


def test_health_and_inspect_see_our_workers_alone(foreign, stack, settings):
    """F93: a foreign worker on this host made `health` fail."""
    host = socket.gethostname()
    with CeleryApp("test", settings, set_as_current=False) as app:
        ours = {f"{name}@{host}" for name in ("commissions-1", "lookups-1", "sweep-1")}
        until(lambda: set(app.control.inspect(timeout=3).ping() or ()) == ours)
    until(lambda: set(foreign.control.inspect(timeout=3).ping() or ()) == {f"foreign@{host}"})
    done = subprocess.run(
        [sys.executable, "-m", "astakos_worker.cli", "health"],
        env={**os.environ, **stack.env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "foreign" not in done.stdout


def test_the_surroundings_variables_for_celery_say_nothing_to_ours(
    stack, settings, own, celerys_variables, monkeypatch
):
    """F91: producer, look-ups, workers, beat and Flower use our settings alone."""
    for name, value in celerys_variables.items():
        monkeypatch.setenv(name, value)
    control = ControlClient(stack.sandbox_url)
    one = Commissions(settings=settings).issue(**ONE, key="beside", accept=True)
    assert one.outcome(30).state == "accepted"
    assert Lookups(settings=settings, timeout=30).username(USER) == "user01@example.org"
    lists = control.audit()["requests"].get("commissions.list", {})
    until(lambda: control.audit()["requests"].get("commissions.list", {}) != lists)  # beat's sweep
    tasks = f"{stack.flower_url}/api/tasks"
    until(lambda: "beside" in requests.get(tasks, timeout=5).text)
    with Redis.from_url(own.url()) as server:
        assert server.dbsize() == 0
    log = stack.processes["commissions-1"].log.read_text()
    assert "variable='CELERY_BROKER_URL' use='ASTAKOS_BROKER_URL'" in log
