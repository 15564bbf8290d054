"""A service with a Celery application of its own: its variables have no effect on ours (F91)."""

import os
import subprocess
import sys

import pytest
from redis import Redis

from astakos_worker.configuration import names
from tests.integration.cluster.servers import Server

PROGRAM = """
from celery import Celery, current_app
from astakos_worker import Commissions, Lookups, Unavailable
from astakos_worker.configuration.settings import SettingsOfAService
from astakos_worker.service.broker import Callbacks

theirs = Celery("theirs")  # reads the variables
assert current_app.conf.broker_url == THEIRS
commissions = Commissions()
one = commissions.issue(user="u", project="p", provisions={"cyclades.vm": 1}, key="k", callback="t")
assert one.state == "queued"
try:
    Lookups(timeout=1).quotas(user="u")
except Unavailable as error:
    print(error)  # there are no workers
commissions._connections.waker.flush()
assert Callbacks(SettingsOfAService()).send("t@their-tasks", {})
assert current_app.conf.broker_url == THEIRS
"""


@pytest.fixture
def theirs(tmp_path, processes):
    """The broker of the service's own Celery application."""
    (tmp_path / "theirs").mkdir()
    theirs = Server("valkey", tmp_path / "theirs")
    processes.append(theirs.process)
    theirs.start()
    yield theirs
    theirs.close()


def keys(server):
    with Redis.from_url(server.url(), decode_responses=True) as connection:
        return set(connection.keys("*"))


def test_messages_go_to_our_broker_whatever_the_surroundings_say(server, broker, theirs):
    """F91."""
    url = theirs.url()
    environment = {
        **os.environ,
        "ASTAKOS_BROKER_URL": broker.url(),
        "ASTAKOS_LEDGER_URL": server.url(1),
        "ASTAKOS_NAMES_KEPT": "0",
        "CELERY_BROKER_URL": url,
        "CELERY_BROKER_READ_URL": url,
        "CELERY_BROKER_WRITE_URL": url,
        "CELERY_RESULT_BACKEND": url,
        "BROKER_URL": url,
    }
    done = subprocess.run(
        [sys.executable, "-c", f"THEIRS = {url!r}\n{PROGRAM}"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "no worker runs on this ledger" in done.stdout
    assert keys(theirs) == set()
    assert {names.COMMISSIONS, names.LOOKUPS, "their-tasks"} <= keys(broker)
