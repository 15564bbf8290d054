"""The example services with real workers: whatever dies in between, the sweep asks their owner.

One stack with two named services, a token and an owner each; every test has a user of its own.
"""

import os
import subprocess
import sys
import uuid
from contextlib import contextmanager
from pathlib import Path

import pytest
from celery import Celery
from click.testing import CliRunner
from redis import Redis
from sqlalchemy import create_engine, delete, select

from astakos_worker import Commissions, Settings
from astakos_worker.cli import main
from astakos_worker.configuration import names
from astakos_worker.local import LocalStack
from astakos_worker.sandbox.server import SandboxServer
from examples import cyclades, pithos
from tests.integration.cluster.until import until

ROOT = Path(__file__).parents[3]
#: Two periods that the tests wait for; the others are for a machine that is busy.
TIMES = {
    "ASTAKOS_TIMES": "production",
    "ASTAKOS_GRACE": "0.1",
    "ASTAKOS_QUARANTINE": "0.1",
    "ASTAKOS_PATIENCE": "10",
}
VM, CPU, SPACE = "cyclades.vm", "cyclades.cpu", "pithos.diskspace"


def named(service, sandbox):
    prefix = f"ASTAKOS_SERVICES__{service.upper()}__"
    return {
        f"{prefix}AUTH_URL": sandbox.auth_url,
        f"{prefix}TOKEN": sandbox.token(service),
        f"{prefix}OWNER": f"examples.{service}:owner",
        f"{prefix}USAGE": f"examples.{service}:usage",
    }


class Clouds:
    """Both services beside one stack."""

    def __init__(self, stack, sandbox, environment):
        self.stack = stack
        self.control = sandbox.control
        self.environment = environment
        self.app = Celery(broker=stack.broker_url, backend=stack.broker_url, set_as_current=False)

    def do(self, service, *words, status=0):
        """Run a service's program to its end, as it may be."""
        command = [sys.executable, "-W", "error", "-m", f"examples.{service}", *words]
        databases = {k: v for k, v in self.environment.items() if not k.startswith("ASTAKOS_")}
        environment = {**os.environ, **self.stack.env, **databases, "ASTAKOS_SERVICE": service}
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == status, done.stderr
        return done.stdout

    def sweep(self, service):
        """Order a sweep as beat does; return how much it found of each kind."""
        order = {"kwargs": {"service": service}, "queue": names.SWEEP}
        report = self.app.send_task(names.RECONCILE, **order).get(timeout=30)
        assert "error" not in report, report
        return report

    def used(self, user, resource=VM):
        """(for good, pending) of the user's holding."""
        row = self.control.holding(f"user:{user}", f"project:{user}", resource)
        return row["usage_min"], row["usage_max"] - row["usage_min"]

    @contextmanager
    def running(self, name, service):
        """A service in this process, for what does not die."""
        database = create_engine(self.environment[f"{name.upper()}_DATABASE"])
        urls = {"broker_url": self.stack.broker_url, "ledger_url": self.stack.ledger_url}
        yield service(database, Commissions(name, settings=Settings(patience=10, **urls)))
        database.dispose()

    def rows(self, service, table):
        """What is in a table of a service."""
        database = create_engine(self.environment[f"{service.upper()}_DATABASE"])
        with database.connect() as connection:
            found = [tuple(row) for row in connection.execute(select(table))]
        database.dispose()
        return found


@pytest.fixture(scope="module")
def clouds(tmp_path_factory):
    directory = tmp_path_factory.mktemp("owned")
    with SandboxServer() as sandbox:
        environment = {
            **TIMES,
            **named("cyclades", sandbox),
            **named("pithos", sandbox),
            "PYTHONPATH": str(ROOT),
            "CYCLADES_DATABASE": f"sqlite:///{directory}/cyclades.db",
            "CYCLADES_DEADLINE": "0.3",
            "PITHOS_DATABASE": f"sqlite:///{directory}/pithos.db",
            "PITHOS_DEADLINE": "0.3",
        }
        alone = {"workers": 1, "lookups": 0, "sweeps": 1, "beat": False, "flower": False}
        with LocalStack(directory / "stack", env=environment, **alone) as stack:
            clouds = Clouds(stack, sandbox, environment)
            yield clouds
            clouds.app.close()


@pytest.fixture
def user(clouds):
    return clouds.control.add_user(f"{uuid.uuid4().hex}@example.org")["uuid"]


@pytest.fixture
def server(user):
    """The name of a server that nobody else has."""
    return f"server-{user[:8]}"


@pytest.mark.parametrize(
    ("moment", "found", "used"),
    [("before the commit", "expired", (0, 0)), ("after the commit", "accept", (1, 0))],
)
def test_a_server_is_charged_if_and_only_if_it_is_there(clouds, user, server, moment, found, used):  # noqa: PLR0917  # fixtures
    """F35, F37: the local commit is the decision (the protocol, section 5.2)."""
    clouds.do("cyclades", "--die", moment, "create", server, user, status=9)
    assert clouds.used(user) == (0, 1)
    until(lambda: clouds.sweep("cyclades").get(found), every=0.2)
    until(lambda: clouds.used(user) == used)
    there = [row for row in clouds.rows("cyclades", cyclades.servers) if row[0] == server]
    assert len(there) == used[0]


def test_a_job_that_takes_longer_than_its_deadline_is_left_alone(clouds, user, server, monkeypatch):
    """The protocol, section 5.3, item 3: an undecided row means that a job is under way."""
    monkeypatch.setattr(cyclades, "DEADLINE", 0.3)
    with clouds.running("cyclades", cyclades.Cyclades) as service:
        service.create(server, user, user)
        service.start(server)
    until(lambda: clouds.sweep("cyclades").get("leave"), every=0.2)
    assert clouds.used(user, CPU) == (0, 2)
    clouds.do("cyclades", "--die", "after the commit", "ended", server, status=9)
    until(lambda: clouds.sweep("cyclades").get("accept"), every=0.2)
    until(lambda: clouds.used(user, CPU) == (2, 0))


@pytest.mark.parametrize(
    ("moment", "found", "used"),
    [("before the commit", "expired", (0, 0)), ("after the commit", "accept", (500, 0))],
)
def test_a_file_is_charged_if_and_only_if_it_is_there(clouds, user, moment, found, used):
    path = f"/{user}"
    clouds.do("pithos", "--die", moment, "upload", user, path, "500", status=9)
    assert clouds.used(user, SPACE) == (0, 500)
    until(lambda: clouds.sweep("pithos").get(found), every=0.2)
    until(lambda: clouds.used(user, SPACE) == used)
    assert sum(row[3] for row in clouds.rows("pithos", pithos.files) if row[0] == path) == used[0]
    # What Astakos has confirmed is forgotten, by whoever comes next.
    until(lambda: clouds.do("pithos", "show").count(path) == bool(used[0]))


def test_drift_is_repaired_from_what_the_service_counts(clouds, user, server, monkeypatch):
    with clouds.running("cyclades", cyclades.Cyclades) as service:
        service.create(server, user, user)
        until(lambda: clouds.used(user) == (1, 0))
        with service.database.begin() as connection:  # a person, behind the service's back
            connection.execute(delete(cyclades.quota).filter_by(server=server))
            connection.execute(delete(cyclades.servers).filter_by(name=server))
    for name, value in {**clouds.environment, **clouds.stack.worker_env}.items():
        monkeypatch.setenv(name, value)
    words = ["reconcile", "usage", "--service", "cyclades", "--project", user, "--apart", "0"]
    result = CliRunner().invoke(main, [*words, "--resource", VM, "--fix"])
    assert result.exit_code == 0, result.output
    assert "2 holdings compared: 2 differ, 2 repaired" in result.stdout
    assert clouds.used(user) == (0, 0)


def test_what_was_just_created_can_be_deleted_at_once(clouds, user, server):
    """A release draws on confirmed usage only (the protocol, section 1.7): the services wait."""
    with clouds.running("cyclades", cyclades.Cyclades) as compute:
        compute.create(server, user, user)
        compute.delete(server)
    with clouds.running("pithos", pithos.Pithos) as storage:
        storage.upload(user, user, f"/{user}", 500)
        storage.upload(user, user, f"/{user}", 100)
        storage.remove(f"/{user}")
    until(lambda: clouds.used(user) == (0, 0) == clouds.used(user, SPACE))


def test_a_service_whose_database_is_away_has_nothing_decided(clouds, user, server):
    """An owner that fails means leave, and an alarm that its next answer ends."""
    clouds.do("cyclades", "--die", "after the commit", "create", server, user, status=9)
    path = Path(clouds.environment["CYCLADES_DATABASE"].removeprefix("sqlite:///"))
    away = path.rename(path.with_suffix(".away"))
    until(lambda: "owner" in clouds.sweep("cyclades")["alarms"], every=0.2)
    assert clouds.used(user) == (0, 1)
    path.unlink(missing_ok=True)  # SQLite makes one where there is none
    away.rename(path)
    report = until(lambda: report if (report := clouds.sweep("cyclades")).get("accept") else None)
    assert "owner" not in report["alarms"]
    until(lambda: clouds.used(user) == (1, 0))


def test_with_the_ledger_lost_the_owner_knows(clouds, user, server):
    """F35: Astakos holds it, its tag is ours, and no record is left to say how it was decided.

    The last test here: the workers may not trust this ledger any more (F68).
    """
    clouds.do("cyclades", "--die", "after the commit", "create", server, user, status=9)
    with Redis.from_url(clouds.stack.ledger_url) as ledger:
        ledger.flushdb()
    until(lambda: clouds.sweep("cyclades").get("accept"), every=0.2)
    until(lambda: clouds.used(user) == (1, 0))
