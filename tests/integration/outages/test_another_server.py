"""A name leads to another server from now on, and the old one still answers: a managed fail-over.

There are no Sentinels. A forwarder sends new connections to the new server, and leaves the open
ones with the old one, as the address of a managed Redis does. Services and workers must follow
within seconds, and nobody restarts them.
"""

import asyncio
import time

import pytest
import redis

from astakos_worker import AsyncCommissions, Lookups, Settings, Unavailable
from astakos_worker.configuration import names
from astakos_worker.configuration.celery_app import CeleryApp
from astakos_worker.configuration.servers import connect
from astakos_worker.local import LocalStack
from astakos_worker.local.free_ports import LOOPBACK, Port
from astakos_worker.service.broker import sender
from astakos_worker.service.wakeups import Message
from tests.integration.cluster.forwarder import Forwarder
from tests.integration.cluster.servers import BOTH_SERVERS, Server
from tests.integration.cluster.until import until
from tests.integration.outages.places import USER, Service


class Pair:
    """Two servers behind one name: the second replicates the first until it takes over."""

    def __init__(self, kind, directory):
        self.servers = []
        for name in ("old", "new"):
            (directory / name).mkdir()
            self.servers.append(Server(kind, directory / name))
            self.servers[-1].start()
        self.old, self.new = (redis.Redis.from_url(server.url()) for server in self.servers)
        clients = (self.old, self.new)
        self._ports = [client.connection_pool.connection_kwargs["port"] for client in clients]
        self.new.replicaof(LOOPBACK, self._ports[0])
        until(lambda: self.new.info("replication")["master_link_status"] == "up")
        self.name = Forwarder(self._ports[0])
        self._nobody = Port()

    def fail_over(self, how):
        """Let the new server take over, and the name lead to it; the old one still answers."""
        assert self.old.wait(1, 10_000) == 1
        self.new.replicaof("NO", "ONE")
        self.name.target = self._ports[1]
        if how == "read-only":
            self.old.replicaof(LOOPBACK, self._ports[1])
        elif how == "master down":
            self.old.config_set("replica-serve-stale-data", "no")
            self.old.replicaof(LOOPBACK, self._nobody.number)
        else:
            self.old.config_set("min-replicas-to-write", "1")

    def close(self):
        self.name.close()
        self._nobody.close()
        for client, server in zip((self.old, self.new), self.servers, strict=True):
            client.close()
            server.close()


@pytest.fixture
def pair(server_kind, tmp_path):
    made = Pair(server_kind, tmp_path)
    yield made
    made.close()


HOW = pytest.mark.parametrize("how", ["read-only", "master down", "too few replicas"])


@BOTH_SERVERS
@HOW
def test_a_connection_follows_the_name_within_one_call(pair, how):
    """F90: for a command, a script and a pipeline; the two kinds of server differ in the words."""
    calls = {
        "command": lambda client: client.set("k", 1),
        "script": lambda client: client.eval("return redis.call('set', KEYS[1], 1)", 1, "k"),
        "pipeline": lambda client: client.pipeline(transaction=False).set("k", 1).execute(),
        "transaction": lambda client: client.pipeline().set("k", 1).execute(),
    }
    clients = {what: connect(pair.name.url(), patience=5) for what in calls}
    for client in clients.values():
        assert client.ping()
    pair.fail_over(how)
    for what, call in calls.items():
        call(clients[what])
        assert pair.new.get("k") == b"1", what
        pair.new.delete("k")


@HOW
def test_one_error_closes_the_other_connections_too(pair, how):
    """F90: a read on one of these would be answered by the old server, without an error."""
    client = connect(pair.name.url(), patience=5)
    pool = client.connection_pool
    held = [pool.get_connection() for _ in range(3)]
    for one in held:
        pool.release(one)
    pair.fail_over(how)
    client.set("k", "new")
    pair.new.set("k", "newer")
    assert {client.get("k") for _ in range(4)} == {"newer"}


@BOTH_SERVERS
@HOW
def test_a_connection_to_which_no_replica_refuses_anything_follows_too(pair, how):
    """F90: it is never idle, and no command of it writes: control messages, or reads."""
    client = connect(pair.name.url(), patience=5)
    client.connection_pool.connection_kwargs["health_check_interval"] = 0.5
    run_id = pair.new.info("server")["run_id"]

    def is_there():
        client.publish("a channel", "news")
        return client.info("server")["run_id"] == run_id

    assert not is_there()
    pair.fail_over(how)
    until(is_there)


@BOTH_SERVERS
def test_celerys_pooled_connections_follow_too(pair):
    """F90: those that control messages and wake-ups are sent over. A pool makes them by itself."""
    settings = Settings(times="demo", broker_url=pair.name.url())
    wake_up = Message(names.WAKE_ISSUE, {})
    sends = sender(settings)
    with CeleryApp("test", settings, set_as_current=False) as app, pair.new.pubsub() as listener:
        app.conf.broker_transport_options |= {"health_check_interval": 0.5}
        app.control.rate_limit("a task", "1/m")
        assert sends.send(wake_up)
        pair.fail_over("read-only")
        listener.psubscribe("*")
        until(lambda: listener.get_message(timeout=1))

        def is_heard():
            app.control.rate_limit("a task", "1/m")
            message = listener.get_message(timeout=0.1)
            return message is not None and b"pidbox" in message["channel"]

        until(is_heard)
        pair.new.delete(names.COMMISSIONS)
        until(lambda: sends.send(wake_up))
        assert pair.new.llen(names.COMMISSIONS) == 1


@pytest.fixture
def still(tmp_path):
    """A server that stays what it is."""
    made = Server("valkey", tmp_path)
    made.start()
    yield made
    made.close()


def test_an_event_loop_follows_too(pair, tmp_path):
    """F90: its connections stay open to a server that takes no writes any more."""
    settings = Settings(times="demo", ledger_url=pair.name.url(), broker_url=pair.name.url())
    vm = {"user": USER, "project": USER, "provisions": {"cyclades.vm": 1}}
    with asyncio.Runner() as loop:
        calls = AsyncCommissions(settings=settings)
        loop.run(calls.issue(**vm, key="before"))
        pair.fail_over("read-only")

        def issue():
            try:
                return loop.run(calls.issue(**vm, key="after"))
            except Unavailable:
                return None

        assert until(issue, within=20).state == "queued"
        assert loop.run(calls.get("before")).state == "queued"


@pytest.mark.parametrize("moving", ["ledger", "broker"])
def test_services_and_workers_follow_without_a_restart(pair, still, sandbox, tmp_path, moving):
    """F90: a commission and a look-up succeed within seconds, through the same processes."""
    other = "broker" if moving == "ledger" else "ledger"
    urls = {f"{moving}_url": pair.name.url(), f"{other}_url": still.url(2)}
    variables = {
        **{f"ASTAKOS_{name.upper()}": url for name, url in urls.items()},
        "ASTAKOS_SERVICES__DEFAULT__AUTH_URL": sandbox.auth_url,
        "ASTAKOS_SERVICES__DEFAULT__TOKEN_FILE": str(sandbox.token_file),
    }
    alone = {"workers": 1, "lookups": 1, "sweeps": 0, "beat": False, "flower": False}
    with LocalStack(tmp_path / "stack", **alone, env=variables) as stack:
        settings = Settings(times="demo", names_kept=0, **urls)
        service, lookups = Service("default", settings, sandbox), Lookups(settings=settings)
        pids = {name: process.pid for name, process in stack.processes.items()}
        service.issue("before", accept=True)
        service.until_accepted("before")
        assert lookups.username(USER) == "user01@example.org"
        pair.fail_over("read-only")
        began = time.monotonic()
        issued_in_the_end(service, "after")
        service.until_accepted("after", within=20)
        assert time.monotonic() - began < 20
        assert Lookups(settings=settings, timeout=20).username(USER) == "user01@example.org"
        assert lookups.username(USER) == "user01@example.org"
        assert {name: process.pid for name, process in stack.processes.items()} == pids
        assert service.state("before") == "accepted"


def issued_in_the_end(service, key):
    def tried():
        try:
            return service.issue(key, accept=True)
        except Unavailable:
            return None

    until(tried, within=20)
