"""The Django service of `examples/`, with real workers: its rows and Astakos' sums are the same.

On PostgreSQL, through its own `kill -9`, a ledger that is away, and an Astakos that loses answers.
"""

import os
import subprocess
import sys
import uuid
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import requests

from astakos_worker.local.free_ports import LOOPBACK, Port
from astakos_worker.sandbox.seed import user_uuid
from tests.integration.cluster.until import until
from tests.integration.outbox.conftest import ON_POSTGRES

ROOT = Path(__file__).parents[3]
DJANGO = [sys.executable, "-W", "ignore", "-m", "django"]
VM = "cyclades.vm"

pytestmark = pytest.mark.parametrize("kind", [ON_POSTGRES], indirect=True)


@pytest.fixture
def settings(shared_cluster):
    return shared_cluster.settings


@pytest.fixture
def user(shared_cluster):
    return shared_cluster.sandbox.control.add_user(f"{uuid.uuid4().hex}@example.org")["uuid"]


@pytest.fixture
def url(kind, request):
    where = request.getfixturevalue("postgres").url.replace("+psycopg", "")
    with psycopg.connect(where) as connection:
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    return where


class Example:
    """The service and its relay, as processes that a test may kill."""

    def __init__(self, url, settings, shared_cluster, user):
        self.url, self.user, self._cluster = url, user, shared_cluster
        self._environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "examples.django_service.settings",
            "DATABASE": url,
            "ASTAKOS_LEDGER_URL": settings.ledger_url,
            "ASTAKOS_BROKER_URL": settings.broker_url,
            "ASTAKOS_PATIENCE": "0.3",
        }
        self.running = {}
        subprocess.run(
            [*DJANGO, "migrate", "--run-syncdb"],
            cwd=ROOT,
            env=self._environment,
            check=True,
            capture_output=True,
            timeout=60,
        )

    def start(self, name, *words):
        self.running[name] = subprocess.Popen(
            [*DJANGO, *words],
            cwd=ROOT,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def serve(self):
        with closing(Port()) as port:
            self._where = f"http://{LOOPBACK}:{port.number}"
            self.start("service", "runserver", "--noreload", f"{LOOPBACK}:{port.number}")
            until(port.answers)

    def kill(self, name):
        process = self.running.pop(name)
        process.kill()
        process.wait()

    def create(self, name):
        answer = requests.post(
            f"{self._where}/create", data={"name": name, "user": self.user}, timeout=20
        )
        assert answer.status_code == 200, answer.text
        return answer.json()["key"]

    def delete(self, name):
        """Delete it; whether the service has done so, or says that it is too early."""
        answer = requests.post(f"{self._where}/delete", data={"name": name}, timeout=20)
        assert answer.status_code in {200, 409}, answer.text
        return answer.status_code == 200

    def servers(self):
        with psycopg.connect(self.url) as connection:
            return connection.execute("SELECT count(*) FROM django_service_server").fetchone()[0]

    def waiting(self):
        with psycopg.connect(self.url) as connection:
            return connection.execute("SELECT count(*) FROM astakos_outbox").fetchone()[0]

    def used(self):
        """What Astakos says the user has for good, and what is still pending."""
        holding = (f"user:{self.user}", f"project:{self.user}", VM)
        row = self._cluster.sandbox.control.holding(*holding)
        return row["usage_min"], row["usage_max"] - row["usage_min"]

    def agrees(self):
        return not self.waiting() and self.used() == (self.servers(), 0)


@pytest.fixture
def example(url, settings, shared_cluster, user):
    example = Example(url, settings, shared_cluster, user)
    example.serve()
    yield example
    for name in list(example.running):
        example.kill(name)


def test_its_own_kill_9_and_answers_that_astakos_loses(example, shared_cluster):
    lost = {"kind": "cut-after", "route": "commissions.issue", "count": 3}
    shared_cluster.sandbox.control.set_faults(lost)
    for number in range(4):
        example.create(f"web-{number}")
        example.kill("service")  # the row may have left the outbox by now, or not
        example.serve()
    example.start("relay", "astakos_relay")
    until(example.agrees, within=60)
    assert example.used() == (4, 0)


def test_a_ledger_that_is_away_costs_no_request_and_no_row(example, shared_cluster):
    example.start("relay", "astakos_relay")
    example.create("before")
    until(example.agrees)
    server = shared_cluster.server.process
    server.pause()
    try:
        for number in range(3):
            example.create(f"meanwhile-{number}")
        assert not example.delete("before")
        assert example.waiting() == 3
        example.kill("service")
    finally:
        server.resume()
    example.serve()
    until(example.agrees, within=60)
    assert example.used() == (4, 0)


def test_create_delete_create_as_fast_as_the_service_allows(example):
    for _ in range(3):
        example.create("web-1")
        until(lambda: example.delete("web-1"), every=0.01)
    example.create("web-1")
    until(example.agrees, within=60)
    assert example.used() == (1, 0)


def test_what_astakos_refuses_takes_nothing_and_gives_nothing_back(example, shared_cluster):
    """Its owner deletes it: that must not give back what was never taken."""
    example.user = user_uuid("tiny1@example.org")
    limit = shared_cluster.sandbox.control.holding(
        f"user:{example.user}", f"project:{example.user}", VM
    )["limit"]
    keys = [example.create(f"web-{number}") for number in range(limit + 1)]
    until(lambda: example.used() == (limit, 0), within=60)
    states = [requests.get(f"{example._where}/outcome/{key}", timeout=20).json() for key in keys]
    refused = [n for n, state in enumerate(states) if state["state"] == "refused"]
    assert len(refused) == 1
    until(lambda: example.delete(f"web-{refused[0]}"))
    until(example.agrees, within=60)
    assert example.used() == (limit, 0)
