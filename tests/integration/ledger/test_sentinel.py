"""A ledger and a broker whose master Sentinels know: both follow it when another takes over.

One master, one replica and two Sentinels, all real; the first Sentinel that is named is not there.
"""

import asyncio
import os

import pytest
from redis import Redis

from astakos_worker import AsyncCommissions, Commissions, Settings, Unavailable
from astakos_worker.configuration import names
from astakos_worker.ledger.contract import UnavailableError
from astakos_worker.local import commands
from astakos_worker.local.free_ports import LOOPBACK, Port
from astakos_worker.local.process import Process, wait_ready
from astakos_worker.local.readiness import server_answers
from astakos_worker.local.server_program import server_program
from astakos_worker.service.broker import BROKER_AWAY, producer
from astakos_worker.service.connect import ledger_of
from tests.integration.cluster.servers import Server, redis_program
from tests.integration.cluster.until import until

MASTER = "quotas"
VM = {"user": "u", "project": "p", "provisions": {"cyclades.vm": 1}}


class Watchers:
    """A master with a replica, and who decides between them."""

    def __init__(self, kind, directory):
        self.servers = {}
        for name in ("one", "two"):
            (directory / name).mkdir()
            server = Server(kind, directory / name)
            server.start()
            self.servers[server._port.number] = server
        self.first, self.second = self.servers
        with self.at(self.second) as replica:
            replica.replicaof(LOOPBACK, self.first)
        self.nobody = Port()
        self.ports = [Port(), Port()]
        self.sentinels = [self.sentinel(kind, directory, port.number) for port in self.ports]
        wait_ready(self.sentinels, 30, first=True)
        until(lambda: self.sees_all(self.ports[0]) and self.sees_all(self.ports[1]), within=60)

    def sentinel(self, kind, directory, port):
        file = directory / f"sentinel-{port}.conf"
        file.write_text(
            f"port {port}\nbind {LOOPBACK}\ndir {directory}\n"
            f"sentinel monitor {MASTER} {LOOPBACK} {self.first} 2\n"
            f"sentinel down-after-milliseconds {MASTER} 4000\n"
            f"sentinel failover-timeout {MASTER} 6000\n"
        )
        log = directory / f"sentinel-{port}.log"
        log.touch()
        program = server_program() if kind == "valkey" else redis_program()
        process = Process(
            f"sentinel-{port}",
            [program, str(file), "--sentinel"],
            log,
            environment={"LC_ALL": "C"},
            ready=lambda: server_answers(port),
        )
        process.start()
        return process

    def sees_all(self, port):
        with self.at(port.number) as sentinel:
            state = sentinel.sentinel_master(MASTER)
        return state["num-slaves"] == 1 and state["num-other-sentinels"] == 1

    @staticmethod
    def at(port, database=0):
        return Redis(host=LOOPBACK, port=port, db=database, decode_responses=True)

    def master(self):
        with self.at(self.ports[0].number) as sentinel:
            return int(sentinel.sentinel_get_master_addr_by_name(MASTER)[1])

    def url(self, database):
        hosts = [f"{LOOPBACK}:{port.number}" for port in (self.nobody, *self.ports)]
        return f"sentinel://{';'.join(hosts)}/{database}?master={MASTER}"

    def close(self):
        for process in self.sentinels:
            process.kill()
        for server in self.servers.values():
            server.close()
        for port in (self.nobody, *self.ports):
            port.close()


@pytest.fixture(params=["valkey", pytest.param("redis", marks=pytest.mark.redis_server)])
def watchers(request, tmp_path):
    made = Watchers(request.param, tmp_path)
    yield made
    made.close()


@pytest.fixture
def worker(watchers, tmp_path):
    """A worker as it is shipped; what is asked of it here needs no Astakos."""
    log = tmp_path / "worker.log"
    log.touch()
    settings = {
        "ASTAKOS_TIMES": "demo",
        "ASTAKOS_LEDGER_URL": watchers.url(1),
        "ASTAKOS_BROKER_URL": watchers.url(0),
        "ASTAKOS_SERVICES__DEFAULT__AUTH_URL": f"http://{LOOPBACK}:1/identity/v2.0",
        "ASTAKOS_SERVICES__DEFAULT__TOKEN": "none",
    }
    rest = {k: v for k, v in os.environ.items() if not k.startswith("ASTAKOS_")}
    words = commands.worker(names.COMMISSIONS, "sentinel")
    worker = Process("worker", words, log, environment=rest | settings, ready=lambda: True)
    worker.start()
    yield worker
    worker.kill()


def patiently(call):
    """Return what a call returns as soon as it does not say that a server is away."""

    def tried():
        try:
            return [call()]
        except (Unavailable, UnavailableError, *BROKER_AWAY):
            return None

    return until(tried, within=60)[0]


def test_all_follow_the_master(watchers, worker):
    """F48, F53: a service, its ledger, a broker and a worker; what was told before is there."""
    settings = Settings(times="demo", ledger_url=watchers.url(1), broker_url=watchers.url(0))
    commissions, ledger = Commissions(settings=settings), ledger_of(settings)
    ledger.check()
    with producer(settings) as app, asyncio.Runner() as loop:
        calls = AsyncCommissions(settings=settings)
        assert loop.run(calls.issue(**VM, key="awaited")).state == "queued"

        def send(key):
            """A decision without its request: the worker writes it down, and waits for that."""
            options = {"queue": names.COMMISSIONS, "retry": False}
            app.send_task(names.ACCEPT_COMMISSION, kwargs={"key": key}, **options)

        def is_kept(key):
            return patiently(lambda: ledger.get("default", [key]))

        send("before")
        until(lambda: is_kept("before"), within=60)
        old = watchers.master()
        with watchers.at(old) as master:
            assert master.wait(1, 30_000) == 1  # it is on the replica
        watchers.servers[old].kill()
        after = patiently(lambda: commissions.issue(**VM, key="after"))
        assert after.last.state == "queued"
        until(lambda: watchers.master() != old)
        assert commissions.issue(**VM, key="before").last.decision == "accept"
        assert (
            patiently(lambda: loop.run(calls.issue(**VM, key="awaited, after"))).state == "queued"
        )
        patiently(lambda: send("with a new one"))
        until(lambda: is_kept("with a new one"), within=90)
    ledger.check()
