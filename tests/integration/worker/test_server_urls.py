"""Every documented form of a server's URL is connected: as broker, as ledger and for results.

One real server has every door: TCP, TLS, IPv6, a socket, and a user with a password of all the
characters that mean something in a URL. A second one wants a client's certificate, and a third is
the master of a Sentinel with a password and TLS of its own.
"""

import asyncio
import os
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import suppress

import pytest
import redis
import requests
from kombu.exceptions import OperationalError

from astakos_worker import (
    AsyncCommissions,
    Commissions,
    OutcomeTimeout,
    Settings,
    Unavailable,
)
from astakos_worker.configuration import names
from astakos_worker.configuration.celery_app import CeleryApp
from astakos_worker.configuration.servers import connect
from astakos_worker.local import LocalStack, commands
from astakos_worker.local.free_ports import LOOPBACK, Port
from astakos_worker.local.process import Process, wait_ready
from astakos_worker.sandbox.seed import user_uuid
from astakos_worker.service.broker import producer
from tests.integration.cluster.forwarder import Forwarder
from tests.integration.cluster.running import RunningSandbox
from tests.integration.cluster.servers import redis_program
from tests.integration.cluster.tls import Certificates
from tests.integration.cluster.until import until

pytestmark = pytest.mark.tls_server

PASSWORD, QUOTED = "a@b:c/d?e#f%g;h", "a%40b%3Ac%2Fd%3Fe%23f%25g%3Bh"
USER = user_uuid("user01@example.org")
MASTER = "quotas"


class Doors:
    """A Redis server with every door that a URL can name."""

    def __init__(self, directory):
        self.certificates = Certificates(directory)
        self.port, self.tls, self.strict, self.sentinel = Port(), Port(), Port(), Port()
        self.socket = directory / "s.sock"
        self._directory = directory
        self.processes = [
            self._server(
                "doors",
                *("--port", self.port.number, "--tls-port", self.tls.number),
                *("--bind", LOOPBACK, "::1", "--unixsocket", self.socket),
                *("--tls-auth-clients", "no"),
                *("--user", "default", "on", "nopass", "~*", "&*", "+@all"),
                *("--user", "quotas", "on", f">{PASSWORD}", "~*", "&*", "+@all"),
            ),
            self._server("strict", "--port", 0, "--tls-port", self.strict.number),
        ]
        wait_ready(self.processes, 30, first=True)
        self.processes.append(self._sentinel())
        wait_ready(self.processes, 30, first=True)

    def _start(self, name, words, port):
        log = self._directory / f"{name}.log"
        log.touch()
        ready = lambda: self._accepts(port)  # noqa: E731  # one line
        environment = {"LC_ALL": "C", "PATH": os.environ["PATH"]}
        process = Process(name, words, log, environment=environment, ready=ready)
        process.start()
        return process

    @staticmethod
    def _accepts(port):
        try:
            socket.create_connection((LOOPBACK, port), 1).close()
        except OSError:
            return False
        return True

    def _server(self, name, *words):
        data = self._directory / name
        data.mkdir()
        line = [redis_program(), *words, "--dir", data, *commands.DURABLE]
        port = self.port.number if name == "doors" else self.strict.number
        return self._start(name, [*map(str, line), *self.certificates.server_words], port)

    def _sentinel(self):
        """A Sentinel behind TLS, with a password, that knows the first server by its TLS port."""
        made, file = self.certificates, self._directory / "sentinel.conf"
        file.write_text(
            f"port 0\ntls-port {self.sentinel.number}\nbind {LOOPBACK}\ndir {self._directory}\n"
            f"tls-cert-file {made.server}\ntls-key-file {made.key(made.server)}\n"
            f"tls-ca-cert-file {made.authority}\ntls-auth-clients no\ntls-replication yes\n"
            f'requirepass "{PASSWORD}"\n'
            f"sentinel monitor {MASTER} {LOOPBACK} {self.tls.number} 1\n"
            f"sentinel auth-user {MASTER} quotas\n"
            f'sentinel auth-pass {MASTER} "{PASSWORD}"\n'
        )
        words = [redis_program(), str(file), "--sentinel"]
        return self._start("sentinel", words, self.sentinel.number)

    def close(self):
        for process in self.processes:
            process.kill()
        for port in (self.port, self.tls, self.strict, self.sentinel):
            port.close()

    def url(self, form, database):
        """The URL of a form, as the documentation spells it, with this database."""
        made, login = self.certificates, f"quotas:{QUOTED}@"
        ca = f"ssl_ca_certs={made.authority}"
        client = f"ssl_certfile={made.client}&ssl_keyfile={made.key(made.client)}"
        own = f"sentinel_password={QUOTED}&sentinel_ssl=true"
        port, tls, socket_ = self.port.number, self.tls.number, self.socket
        return {
            "plain": f"redis://{LOOPBACK}:{port}/{database}",
            "option": f"redis://{LOOPBACK}:{port}?db={database}",
            "user": f"redis://{login}{LOOPBACK}:{port}/{database}",
            "ipv6": f"redis://{login}[::1]:{port}/{database}",
            "socket": f"unix://{socket_}?db={database}",
            "socket-user": f"unix://{login}{socket_}?db={database}",
            "celerys-socket": f"redis+socket://{socket_}?virtual_host={database}",
            "celerys-socket-user": f"redis+socket://{login}{socket_}?virtual_host={database}",
            "tls": f"rediss://localhost:{tls}/{database}?{ca}",
            "tls-user": f"rediss://{login}{LOOPBACK}:{tls}/{database}?{ca}",
            "tls-ipv6": f"rediss://[::1]:{tls}/{database}?{ca}",
            "tls-celery": f"rediss://localhost:{tls}/{database}?{ca}&ssl_cert_reqs=CERT_REQUIRED",
            "tls-unverified": f"rediss://localhost:{tls}/{database}?ssl_cert_reqs=none",
            "tls-client": f"rediss://localhost:{self.strict.number}/{database}?{ca}&{client}",
            "sentinel": f"sentinel://{login}localhost:{self.sentinel.number}/{database}"
            f"?master={MASTER}&{own}&ssl=true&{ca}",
        }[form]

    def admin(self, form, database):
        """A connection that the project's code has no part in."""
        made = self.certificates
        if form != "tls-client":
            return redis.Redis(host=LOOPBACK, port=self.port.number, db=database)
        return redis.Redis(
            host="localhost",
            port=self.strict.number,
            db=database,
            ssl=True,
            ssl_ca_certs=str(made.authority),
            ssl_certfile=str(made.client),
            ssl_keyfile=str(made.key(made.client)),
        )


FORMS = (
    *("plain", "option", "user", "ipv6", "socket", "socket-user"),
    *("celerys-socket", "celerys-socket-user"),
    *("tls", "tls-user", "tls-ipv6", "tls-celery", "tls-unverified", "tls-client", "sentinel"),
)


@pytest.fixture(scope="module")
def doors(tmp_path_factory):
    made = Doors(tmp_path_factory.mktemp("d"))  # short: a socket's path has at most 107 bytes
    yield made
    made.close()


@pytest.fixture(params=FORMS)
def form(request, doors):
    for database in (1, 2, 3):
        with doors.admin(request.param, database) as admin:
            admin.flushdb()
    return request.param


def urls(doors, form):
    return {
        "broker_url": doors.url(form, 1),
        "ledger_url": doors.url(form, 2),
        "result_backend": doors.url(form, 3),
    }


def keys(doors, form, database):
    with doors.admin(form, database) as admin:
        return {key.decode() for key in admin.scan_iter()}


@pytest.mark.filterwarnings("ignore:Call to deprecated setex")  # by Celery
def test_each_form_connects_ledger_broker_and_results(doors, form):
    """F92: not only read: a connection is made, to the database that the URL names."""
    settings = Settings(namespace=f"doors-{form}", patience=5, **urls(doors, form))
    Commissions(settings=settings).issue(user="u", project="p", provisions={"vm": 1}, key="k")
    assert any(key.startswith("astakos:") for key in keys(doors, form, 2))
    with CeleryApp("test", settings, set_as_current=False) as app:
        app.send_task("somebodys.task", task_id="t", queue=names.COMMISSIONS, retry=False)
        with (
            app.connection_for_read() as connection,
            connection.SimpleQueue(names.COMMISSIONS, no_ack=True) as queue,
        ):
            messages = {queue.get(timeout=10).headers["id"] for _ in range(2)}
        app.backend.store_result("t", {"value": 1}, "SUCCESS")
        assert app.backend.get_task_meta("t")["result"] == {"value": 1}
        app.backend.client.connection_pool.disconnect()
    assert messages == {"t", "default:k:issue:1"}  # the second is the service's own wake-up
    assert keys(doors, form, 3) == {"celery-task-meta-t"}
    assert "_kombu.binding.astakos.commissions" in keys(doors, form, 1)
    if "user" in form or form in ("ipv6", "sentinel"):
        with connect(settings.broker_url, patience=5) as client:
            assert client.acl_whoami() == "quotas"


def test_each_form_connects_the_ledger_of_an_event_loop(doors, form):
    """F92: by `redis.asyncio`; a call that waits has a connection of its own."""
    settings = Settings(namespace=f"loop-{form}", patience=5, **urls(doors, form))

    async def main():
        calls = AsyncCommissions(settings=settings)
        one = await calls.issue(user="u", project="p", provisions={"vm": 1}, key="k")
        with pytest.raises(OutcomeTimeout):
            await one.outcome(0.1)
        assert (await one.reject()).last.decision == "reject"

    asyncio.run(main())
    assert Commissions(settings=settings).get("k").decision == "reject"
    assert any(key.startswith(f"astakos:loop-{form}:") for key in keys(doors, form, 2))


# --- With workers and Flower ------------------------------------------------------------------


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    made = RunningSandbox(tmp_path_factory.mktemp("sandbox"), [])
    made.start()
    yield made
    made.close()


@pytest.fixture
def environment(doors, form, sandbox):
    """The variables of a worker, and of a service in a process of its own."""
    named = {f"ASTAKOS_{name.upper()}": url for name, url in urls(doors, form).items()}
    return {
        **os.environ,
        **named,
        "ASTAKOS_TIMES": "demo",
        "ASTAKOS_NAMESPACE": f"runs-{form}",
        "ASTAKOS_SERVICES__DEFAULT__AUTH_URL": sandbox.auth_url,
        "ASTAKOS_SERVICES__DEFAULT__TOKEN_FILE": str(sandbox.token_file),
        "FLOWER_UNAUTHENTICATED_API": "true",
    }


@pytest.fixture
def run(environment, tmp_path, processes):
    """Run a command line with the URLs of a form in its environment; return its log."""

    def run(words):
        log = tmp_path / f"{len(processes)}.log"
        log.touch()
        process = Process("run", words, log, environment=environment, ready=lambda: True)
        processes.append(process)
        process.start()
        return log

    return run


SERVICE = f"""
from astakos_worker import Commissions, Lookups
one = {{"user": {USER!r}, "project": {USER!r}, "provisions": {{"cyclades.vm": 1}}}}
print(Commissions().issue(**one, key="k", accept=True).outcome(60).state)
print(Lookups(timeout=30).username({USER!r}))
"""


@pytest.mark.parametrize(
    "form", ["tls-user", "tls-client", "socket-user", "sentinel"], indirect=True
)
def test_workers_carry_commissions_and_answer_lookups_over_each_kind(environment, run):
    """F92: with nothing to add but the URLs; before, workers with `rediss://` did not start."""
    logs = [run(commands.worker(queue, "w")) for queue in (names.COMMISSIONS, names.LOOKUPS)]
    words = [sys.executable, "-c", SERVICE]
    told = subprocess.run(
        words, env=environment, check=False, capture_output=True, text=True, timeout=120
    )
    assert told.stdout.split() == ["accepted", "user01@example.org"], told.stderr
    for log in logs:
        text = log.read_text()
        assert "insecure" not in text and PASSWORD not in text and QUOTED not in text


@pytest.mark.parametrize("form", ["tls-user", "tls-client"], indirect=True)
def test_flower_reads_the_queues_over_tls(doors, form, run, tmp_path):
    """F92."""
    port = Port()
    with doors.admin(form, 1) as admin:
        admin.lpush(names.COMMISSIONS, "{}", "{}")
    run(commands.flower(port.number, LOOPBACK, tmp_path / "flower"))
    lengths = until(lambda: queue_lengths(port.number), within=60)
    port.close()
    assert lengths[names.COMMISSIONS] == 2


def queue_lengths(port):
    """What Flower says about each queue; None while it does not answer."""
    with suppress(requests.ConnectionError):
        answer = requests.get(f"http://{LOOPBACK}:{port}/api/queues/length", timeout=5)
        return {row["name"]: row["messages"] for row in answer.json()["active_queues"]}
    return None


# --- A server that is not the right one -------------------------------------------------------


class Impostor:
    """Listens, has a certificate of an authority that nobody knows, and notes what it is sent."""

    def __init__(self, certificates):
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificates.server, certificates.key(certificates.server))
        self._door = socket.create_server((LOOPBACK, 0))
        self.port = self._door.getsockname()[1]
        self.seen = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        with suppress(OSError):
            while True:
                caller, _ = self._door.accept()
                caller.settimeout(5)
                with caller, suppress(OSError):
                    self._answer(caller)

    def _answer(self, caller):
        if caller.recv(1, socket.MSG_PEEK) != b"\x16":  # no TLS hello
            self.seen.append(("in clear", caller.recv(500)))
            return
        try:
            inside = self._context.wrap_socket(caller, server_side=True)
        except ssl.SSLError:
            self.seen.append(("refused by the caller", b""))
        else:
            with inside:
                self.seen.append(("inside TLS", inside.recv(500)))

    def close(self):
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        self._thread.join(10)


@pytest.fixture
def impostor(tmp_path):
    made = Impostor(Certificates(tmp_path))
    yield made
    made.close()


@pytest.mark.parametrize("query", ["", "?ssl_cert_reqs=required", "?ssl_cert_reqs=CERT_REQUIRED"])
def test_nobody_is_told_the_password_but_the_server_that_the_certificate_proves(impostor, query):
    """F92: verified by default, for the broker, the ledger and the results, and never in clear."""
    url = f"rediss://:very-secret@localhost:{impostor.port}/0{query}"
    settings = Settings(broker_url=url, ledger_url=url, result_backend=url)
    with producer(settings) as sends, CeleryApp("t", settings, set_as_current=False) as app:
        with pytest.raises((OperationalError, redis.ConnectionError, OSError)):
            sends.send_task("t", queue="q", ignore_result=True, retry=False)
        with pytest.raises((OperationalError, redis.ConnectionError, OSError)):
            app.connection_for_read().connect()
        with pytest.raises(redis.ConnectionError):
            app.backend.client.get("t")
    with pytest.raises(redis.ConnectionError, match="certificate verify failed"):
        connect(url, patience=1).ping()
    with pytest.raises(Unavailable):
        Commissions(settings=settings).get("k")
    assert len(impostor.seen) >= 5
    assert {kind for kind, _ in impostor.seen} == {"refused by the caller"}


def test_the_servers_name_is_verified_too(doors):
    """F92: a certificate of the right authority proves nothing about another name."""
    query = f"?ssl_ca_certs={doors.certificates.authority}"
    other = Forwarder(doors.tls.number, "127.0.0.2")
    url = f"rediss://{other.address}:{other.port}/0{query}"
    with pytest.raises(
        redis.ConnectionError, match="certificate verify failed: IP address mismatch"
    ):
        connect(url, patience=1).ping()
    connect(f"{url}&ssl_check_hostname=false", patience=1).ping()
    other.close()


def test_the_local_stack_knows_when_its_workers_are_ready(doors, tmp_path):
    """F92: it asks them over the same broker."""
    urls = {
        "ASTAKOS_BROKER_URL": doors.url("sentinel", 4),
        "ASTAKOS_LEDGER_URL": doors.url("tls", 5),
    }
    alone = {"workers": 1, "lookups": 0, "sweeps": 0, "beat": False, "flower": False}
    with LocalStack(tmp_path / "stack", **alone, env=urls) as stack:
        assert stack.processes["commissions-1"].ready
