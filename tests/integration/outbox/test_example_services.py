"""The services of `examples/` with an outbox, with real workers: rows and Astakos' sums agree.

On PostgreSQL, through its own `kill -9`, a ledger that is away, and an Astakos that loses answers.
"""

import os
import subprocess
import sys
import uuid
from contextlib import closing
from pathlib import Path
from typing import ClassVar

import psycopg
import pytest
import requests

from astakos_worker.local import commands
from astakos_worker.local.free_ports import LOOPBACK, Port
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
    """A service and its relay, as processes that a test may kill."""

    own: ClassVar = {}
    table = ""
    relay = ()

    def __init__(self, url, settings, shared_cluster, user):
        self.url, self.user, self._cluster = url, user, shared_cluster
        self._environment = {
            **os.environ,
            "DATABASE": url,
            "ASTAKOS_OUTBOX_DATABASE": url,
            **self.own,
            "ASTAKOS_LEDGER_URL": settings.ledger_url,
            "ASTAKOS_BROKER_URL": settings.broker_url,
            "ASTAKOS_PATIENCE": "0.3",
        }
        self.running, self.keys, self.issued = {}, {}, set()
        self.make_tables()

    def make_tables(self):
        """Make the tables, if the service does not do that by itself."""

    def start_relay(self):
        self.start("relay", *self.relay)

    def start(self, name, *words):
        self.running[name] = subprocess.Popen(
            words,
            cwd=ROOT,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def serve(self):
        with closing(Port()) as port:
            self._where = f"http://{LOOPBACK}:{port.number}"
            self.start("service", *self.words(port.number))
            until(port.answers)

    def kill(self, name):
        process = self.running.pop(name)
        process.kill()
        process.wait()

    def create(self, name):
        answer = self.ask_to_create({"name": name, "user": self.user})
        assert answer.status_code == 200, answer.text
        key = self.keys[name] = answer.json()["key"]
        self.issued.add(key)
        return key

    def delete(self, name):
        """Delete it; whether the service has done so, or says that it is too early."""
        answer = self.ask_to_delete(name)
        assert answer.status_code in {200, 409}, answer.text
        if answer.status_code == 200 and answer.json()["state"] == "accepted":
            self.issued.add(self.keys[name].replace("/create/", "/delete/"))
        return answer.status_code == 200

    def outcome(self, key):
        return requests.get(f"{self._where}/outcome/{key}", timeout=20).json()["state"]

    def servers(self):
        with psycopg.connect(self.url) as connection:
            return connection.execute(f"SELECT count(*) FROM {self.table}").fetchone()[0]

    def waiting(self):
        with psycopg.connect(self.url) as connection:
            return connection.execute("SELECT count(*) FROM astakos_outbox").fetchone()[0]

    def used(self):
        """What Astakos says the user has for good, and what is still pending."""
        holding = (f"user:{self.user}", f"project:{self.user}", VM)
        row = self._cluster.sandbox.control.holding(*holding)
        return row["usage_min"], row["usage_max"] - row["usage_min"]

    def agrees(self):
        """Whether each commission has ended, and Astakos' sums are those of the service's rows."""
        ended = all(self.outcome(key) in {"accepted", "refused"} for key in self.issued)
        return ended and not self.waiting() and self.used() == (self.servers(), 0)


class OnDjango(Example):
    own: ClassVar = {"DJANGO_SETTINGS_MODULE": "examples.django_service.settings"}
    table = "django_service_server"
    relay = (*DJANGO, "astakos_relay")

    def make_tables(self):
        subprocess.run(
            [*DJANGO, "migrate", "--run-syncdb"],
            cwd=ROOT,
            env=self._environment,
            check=True,
            capture_output=True,
            timeout=60,
        )

    @staticmethod
    def words(port):
        return (*DJANGO, "runserver", "--noreload", f"{LOOPBACK}:{port}")

    def ask_to_create(self, server):
        return requests.post(f"{self._where}/create", data=server, timeout=20)

    def ask_to_delete(self, name):
        return requests.post(f"{self._where}/delete", data={"name": name}, timeout=20)


class OnFastApi(Example):
    table = "servers"
    relay = (sys.executable, *commands.relay()[1:])

    def __init__(self, url, *others):
        self.own = {"DATABASE": url.replace("postgresql", "postgresql+psycopg", 1)}
        super().__init__(url, *others)

    @staticmethod
    def words(port):
        uvicorn = [sys.executable, "-W", "ignore", "-m", "uvicorn"]
        return (*uvicorn, "--host", LOOPBACK, "--port", str(port), "examples.fastapi_service:app")

    def ask_to_create(self, server):
        return requests.post(f"{self._where}/create", params=server, timeout=20)

    def ask_to_delete(self, name):
        return requests.delete(f"{self._where}/servers/{name}", timeout=20)


@pytest.fixture(params=[OnDjango, OnFastApi])
def example(request, url, settings, shared_cluster, user):
    example = request.param(url, settings, shared_cluster, user)
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
    example.start_relay()
    until(example.agrees, within=60)
    assert example.used() == (4, 0)


def test_a_ledger_that_is_away_costs_no_request_and_no_row(example, shared_cluster):
    example.start_relay()
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
    limit = 2
    holder, source = f"user:{example.user}", f"project:{example.user}"
    shared_cluster.sandbox.control.set_limit(holder, source, VM, limit)
    keys = [example.create(f"web-{number}") for number in range(limit + 1)]
    until(lambda: example.used() == (limit, 0), within=60)
    until(lambda: any(example.outcome(key) == "refused" for key in keys))
    refused = [n for n, key in enumerate(keys) if example.outcome(key) == "refused"]
    assert len(refused) == 1
    until(lambda: example.delete(f"web-{refused[0]}"))
    until(example.agrees, within=60)
    assert example.used() == (limit, 0)
