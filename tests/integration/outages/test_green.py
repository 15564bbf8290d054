"""Green means green: each thing that can be wrong is made so on real processes, and mended.

One stack for all: two workers on commissions, one on look-ups, one on the sweep, and beat, with a
ledger and a broker of their own servers. A fault is red within ten seconds, in `status` and in the
metrics of a worker, and all is green again when it is mended. Faults that do not touch each other
are made together, to save time.
"""

import contextlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
import requests
from celery import Celery
from celery.utils.nodenames import worker_direct
from redis import Redis

from astakos_worker.configuration import names
from astakos_worker.configuration.settings import Settings
from astakos_worker.ledger.contract import Write
from astakos_worker.ledger.record import State
from astakos_worker.local import LocalStack
from astakos_worker.local.free_ports import LOOPBACK, Port
from astakos_worker.local.process import wait_ready
from astakos_worker.sandbox.control_client import ControlClient
from astakos_worker.sandbox.seed import user_uuid
from astakos_worker.service.commissions import Commissions
from astakos_worker.service.connect import ledger_of
from astakos_worker.service.inside import connections_of
from astakos_worker.service.outbox.statements import ddl
from astakos_worker.worker.health.judgement import Level, judge, overall
from astakos_worker.worker.health.reading import Reader
from tests.integration.cluster.servers import Server
from tests.integration.cluster.until import until

USER = user_uuid("user01@example.org")
SOURCE = Path(__file__).parents[1] / "cluster" / "stepped_clock.c"
#: Seconds within which a fault shows.
SOON = 10


class Watched:
    """A running stack, and its judgement: as `status` reads it, and as Prometheus does."""

    def __init__(self, stack, settings, servers, clock):
        self.stack = stack
        self.settings = settings
        self.ledger, self.broker = servers
        self.clock = clock
        self.port = Port()
        self.sandbox = ControlClient(stack.sandbox_url)
        self.node = f"commissions-2@{os.uname().nodename}"
        self._reader = Reader(settings)

    def signal(self, what, *processes):
        for name in processes:
            getattr(self.stack.processes[name], what)()

    def findings(self, **changed):
        """What is judged now; `changed` replaces settings of the process that looks."""
        reader = self._reader
        if changed:
            reader = Reader(self.settings.model_copy(update=changed))
        return judge(reader.read())

    def reds(self, **changed):
        found = self.findings(**changed)
        return {(one.name, one.about) for one in found if one.level is Level.RED}

    def metrics(self):
        page = requests.get(f"http://{LOOPBACK}:{self.port.number}/metrics", timeout=30).text
        lines = [line for line in page.splitlines() if line.startswith("astakos_finding{")]
        labels = [dict(re.findall(r'(\w+)="([^"]*)"', line)) for line in lines]
        return {(row["finding"], row["about"]) for row in labels if row["level"] == "red"}

    def until_red(self, *wanted, made):
        """Wait until these are red in both places, ten seconds after the fault was made at most."""
        deadline = made + SOON
        for look in (self.reds, self.metrics):
            while missing := set(wanted) - look():
                assert time.monotonic() < deadline, f"{look.__name__}: not red: {missing}"
                time.sleep(0.1)

    def until_green(self):
        deadline = time.monotonic() + 30
        while wrong := self.reds() | self.metrics():
            assert time.monotonic() < deadline, f"still red: {wrong}"
            time.sleep(0.2)

    def run(self, *words, **environment):
        """Run a command of the operator's; returns its exit status and what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "astakos_worker.cli", *words],
            env={**os.environ, **self.stack.env, "NO_COLOR": "1", **environment},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout


@pytest.fixture(scope="module")
def clock(tmp_path_factory):
    """A library that sets the clock of a process by a file; None without a compiler."""
    if not shutil.which("cc"):
        return None
    place = tmp_path_factory.mktemp("clock")
    built, file = place / "stepped_clock.so", place / "step"
    words = ["cc", "-shared", "-fPIC", "-O1", "-o", str(built), str(SOURCE), "-ldl"]
    subprocess.run(words, check=True)
    file.write_text("0")
    return built, file


@pytest.fixture(scope="module")
def watched(tmp_path_factory, clock):
    servers = [Server("valkey", tmp_path_factory.mktemp(name)) for name in ("ledger", "broker")]
    for server in servers:
        server.start()
    urls = {
        "ASTAKOS_LEDGER_URL": servers[0].url(1),
        "ASTAKOS_BROKER_URL": servers[1].url(0),
    }
    directory = tmp_path_factory.mktemp("green")
    with LocalStack(directory, flower=False, env=urls) as stack:
        settings = Settings(times="demo", ledger_url=stack.ledger_url, broker_url=stack.broker_url)
        watched = Watched(stack, settings, servers, clock)
        # One worker shows its metrics, and has a clock that a test can set.
        lookups = stack.processes["lookups-1"]
        lookups.environment["ASTAKOS_METRICS_PORT"] = str(watched.port.number)
        if clock:
            lookups.environment |= {"LD_PRELOAD": str(clock[0]), "STEPPED_CLOCK": str(clock[1])}
        lookups.kill()
        until(lambda: lookups.restarts)
        wait_ready([lookups], 60)
        yield watched
        watched.port.close()
    for server in servers:
        server.close()


def test_a_fresh_and_empty_ledger_with_workers_is_green(watched):
    watched.until_green()
    assert watched.findings() == []
    status, printed = watched.run("status", "--json")
    told = json.loads(printed)
    assert (status, told["level"], told["findings"]) == (0, "green", [])
    assert len(told["workers"]) == 4 and set(told["queues"].values()) == {0}


def test_workers_and_a_beat_that_stand_still_are_red(watched):
    """F100: SIGSTOP; and what they leave undone is red too, and a token file that is spoilt."""
    still = ("commissions-1", "commissions-2", "sweep-1", "beat")
    token = watched.stack.token_file.read_text()
    made = time.monotonic()
    watched.signal("pause", *still)
    watched.stack.token_file.write_text("two words")
    commission = Commissions(settings=watched.settings).issue(
        user=USER, project=USER, provisions={"cyclades.vm": 1}, key="left", accept=True
    )
    host = os.uname().nodename
    watched.until_red(
        *(("worker-silent", f"{name}@{host}") for name in still[:3]),
        ("no-worker", names.COMMISSIONS),
        ("overdue", "default"),
        ("sweep-late", "default"),
        ("beat-late", f"beat@{host}"),
        ("client", "default"),
        made=made,
    )
    assert watched.run("health", "--worker", watched.node, "--timeout", "2")[0] == 1
    status, printed = watched.run("health", "--worker", f"lookups-1@{host}")
    assert (status, "RED overdue default: " in printed) == (0, True)
    watched.stack.token_file.write_text(token)
    watched.signal("resume", *still)
    assert commission.outcome(timeout=30).state == "accepted"
    watched.until_green()


def test_servers_that_do_not_answer_are_red_and_a_restart_cures_neither(watched):
    """F100: `health` says so, and is not red."""
    made = time.monotonic()
    for server in (watched.ledger, watched.broker):
        server.process.pause()
    try:
        watched.until_red(("ledger-away", "ledger"), ("broker-away", "broker"), made=made)
        status, printed = watched.run("health")
        assert (status, "RED broker-away" in printed) == (0, True)
    finally:
        for server in (watched.ledger, watched.broker):
            server.process.resume()
    watched.until_green()


@contextlib.contextmanager
def set_wrong(watched):
    """Set the ledger's server wrong, as an operator might."""
    wrong = {
        "appendfsync": ("everysec", "always"),
        "appendonly": ("no", "yes"),
        "maxmemory-policy": ("allkeys-lru", "noeviction"),
    }
    with Redis.from_url(watched.ledger.url()) as server:
        for name, (value, _) in wrong.items():
            server.config_set(name, value)
        yield
        for name, (_, value) in wrong.items():
            server.config_set(name, value)


@contextlib.contextmanager
def used_by_nobody(watched):
    """Leave work in a namespace and of a service that no worker serves."""
    strays = [
        Commissions(settings=watched.settings.model_copy(update={"namespace": "defualt"})),
        Commissions("cyclade", settings=watched.settings),
    ]
    for each in strays:
        each.issue(user=USER, project=USER, provisions={"cyclades.vm": 1}, key="lost")
    yield
    for each in strays:  # a worker that serves them would end them so
        ledger = connections_of(each).ledger
        entry = ledger.get(each.service, ["lost"])["lost"]
        ended = msgspec.structs.replace(
            entry.record, state=State.CANCELLED, closed=ledger.clock.now(), due=None
        )
        assert ledger.cas([Write(ended, entry.version)])[0].done


@contextlib.contextmanager
def deaf(watched):
    """Let one of two workers take no messages: it is alive, and answers pings."""
    with Celery(broker=watched.stack.broker_url, set_as_current=False) as app:
        app.conf.control_exchange = names.control_exchange("default")
        direct = worker_direct(watched.node).name
        for queue in (names.COMMISSIONS, direct):
            app.control.cancel_consumer(queue, destination=[watched.node], reply=True)
        yield
    process = watched.stack.processes["commissions-2"]
    restarts = process.restarts
    process.kill()
    until(lambda: process.restarts > restarts)


def test_what_is_set_wrong_or_served_by_nobody_is_red(watched, tmp_path):
    """F100: the ledger's settings, its replica, clocks, a deaf worker, a refused token, alarms."""
    ledger = ledger_of(watched.settings)
    replica = Server("valkey", tmp_path)
    replica.start()
    with Redis.from_url(replica.url()) as server, Redis.from_url(watched.ledger.url()) as master:
        server.replicaof(LOOPBACK, watched.ledger.container.port)
        until(lambda: master.info("replication").get("slave0", {}).get("state") == "online")
    made = time.monotonic()
    with set_wrong(watched), used_by_nobody(watched), deaf(watched):
        replica.process.pause()
        ledger.alarm("default", "vanished", "somebody else settled it")
        watched.sandbox.rotate_token("another", component="cyclades")
        wanted = [
            *((f"ledger-{name}", "ledger") for name in ("appendfsync", "appendonly", "evicts")),
            ("replica-lags", f"{LOOPBACK}:{replica.container.port}"),
            ("namespace-unserved", "defualt"),
            ("unserved", "cyclade"),
            ("not-consuming", watched.node),
            ("vanished", "default"),
            ("sweep-fails", "default"),
        ]
        if watched.clock:
            watched.clock[1].write_text("3")
            wanted.append(("clocks", f"lookups-1@{os.uname().nodename}"))
        watched.until_red(*wanted, made=made)
        if watched.clock:
            watched.clock[1].write_text("0")
    replica.close()
    ledger.alarm("default", "vanished", None)
    watched.stack.token_file.write_text("another")
    watched.until_green()


def test_what_only_the_process_that_looks_has_wrong_is_red_there(watched, tmp_path):
    """F100: one database for both; an empty ledger; an outbox whose rows wait."""
    broker = watched.settings.broker_url
    assert ("one-database", "ledger") in watched.reds(ledger_url=broker)
    elsewhere = watched.reds(ledger_url=watched.ledger.url(5))
    assert {("other-ledger", "ledger"), ("no-worker", names.COMMISSIONS)} <= elsewhere

    path = tmp_path / "service.db"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.executescript(ddl("sqlite"))
        database.execute(
            "INSERT INTO astakos_outbox"
            " (schema, kind, service, key, holder, incarnation, arguments, created) VALUES"
            " (1, 'accept', 'default', 'a', 'project:p', '', '{}', datetime('now', '-1 minute'))"
        )
        database.commit()
    status, printed = watched.run("status", "--database", f"sqlite:///{path}")
    assert (status, "RED outbox-waits outbox: 1 rows" in printed) == (1, True)
    gone = watched.run("status", "--database", f"sqlite:///{tmp_path}/no/such")
    assert (gone[0], "UNKNOWN outbox-rows" in gone[1]) == (0, True)


def test_watching_shows_rates_and_latencies_as_the_work_goes_on(watched):
    words = [sys.executable, "-m", "astakos_worker.cli", "status", "--watch"]
    with subprocess.Popen(
        words, env={**os.environ, **watched.stack.env}, stdout=subprocess.PIPE, text=True
    ) as process:
        lines = iter(process.stdout.readline, "")
        assert re.match("green: |warning: ", next(lines))  # a stray's message may have been dead
        issued = Commissions(settings=watched.settings).issue(
            user=USER, project=USER, provisions={"cyclades.vm": 1}, key="rate", accept=True
        )
        assert issued.outcome(timeout=30).state == "accepted"
        row = re.compile(r"^ ?default +0\.[1-9] +[0-9.]+ +0\.0 +\d+ ms")
        assert any(row.match(line) for line in lines)
        process.terminate()


def test_what_a_server_refuses_to_tell_is_unknown_and_not_red(watched):
    """F100: a user of the ledger's server may be allowed neither CONFIG nor INFO."""
    with Redis.from_url(watched.ledger.url()) as server:
        words = ("limited", "on", "nopass", "~*", "&*", "+@all", "-config", "-info")
        server.execute_command("ACL", "SETUSER", *words)
        url = watched.ledger.url(1).replace("redis://", "redis://limited:x@")
        found = watched.findings(ledger_url=url)
        server.execute_command("ACL", "DELUSER", "limited")
    assert overall(found) == "unknown"
    assert {one.name for one in found if one.level is Level.UNKNOWN} == {"ledger-settings"}
