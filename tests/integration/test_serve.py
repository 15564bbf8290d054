"""`astakos-worker serve`: all processes of one host, started, kept and ended by one command."""

import os
import re
import signal
import subprocess
import sys
import threading

import psutil
import pytest

from astakos_worker import Commissions, Lookups
from astakos_worker.configuration.settings import Settings
from astakos_worker.local import LocalStack
from astakos_worker.sandbox.seed import user_uuid
from astakos_worker.service.connect import connected
from tests.integration.cluster.until import until

USER = user_uuid("user01@example.org")
KINDS = ["commissions-1", "lookups-1", "sweep-1", "beat"]


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """A broker, a ledger and an Astakos, and nothing that works."""
    directory = tmp_path_factory.mktemp("servers")
    nothing = {"workers": 0, "lookups": 0, "sweeps": 0, "beat": False, "flower": False}
    with LocalStack(directory, **nothing) as stack:
        yield stack


class Served:
    """The command in a process of its own, and what it has printed."""

    def __init__(self, environment, *words):
        self.lines = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "astakos_worker.cli", "serve", "--workers", "1", *words],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        with self.process.stdout as output:
            for line in output:
                self.lines.append(line)

    def said(self, text):
        return next((line for line in list(self.lines) if re.search(text, line)), None)

    def until_said(self, text, within=60):
        return until(lambda: self.said(text) or self.process.poll() is not None, within)

    def pids(self):
        """The process ids that it printed, by name."""
        return {name: int(pid) for name, pid in re.findall(r"([\w-]+) \((\d+)\)", self._line())}

    def _line(self):
        return self.said("^Processes ") or ""

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.exit_code()

    def exit_code(self):
        code = self.process.wait(60)
        self._reader.join(10)
        return code

    def close(self):
        self.process.kill()
        self.process.wait()
        self._reader.join(10)


@pytest.fixture
def serve(servers):
    running = []

    def start(*words, **more):
        environment = {**os.environ, **servers.worker_env, **more}
        running.append(Served({k: v for k, v in environment.items() if v is not None}, *words))
        return running[-1]

    yield start
    for each in running:
        each.close()


@pytest.fixture
def settings(servers, monkeypatch):
    for name, value in servers.env.items():
        monkeypatch.setenv(name, value)
    return Settings()


def alive(pids):
    return [pid for pid in pids if psutil.pid_exists(pid)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_all_kinds_of_work_are_done_until_a_signal_ends_them(serve, settings, number, servers):
    served = serve()
    served.until_said("All work")
    pids = served.pids()
    assert list(pids) == KINDS
    assert servers.auth_url in served.said("^Service")
    key = f"server-{int(number)}"
    issued = Commissions(settings=settings).issue(
        user=USER, project=USER, provisions={"cyclades.vm": 1}, key=key, accept=True
    )
    assert issued.outcome(20).state == "accepted"
    assert Lookups(settings=settings).username(USER) == "user01@example.org"
    served.until_said(r"sweep-1 .*astakos\.reconcile.* succeeded")
    assert served.end(number) == 0
    assert alive(pids.values()) == []


def test_a_process_that_is_killed_is_named_and_started_again(serve):
    served = serve()
    served.until_said("All work")
    killed = served.pids()["commissions-1"]
    os.kill(killed, signal.SIGKILL)
    served.until_said(r"commissions-1 ended with exit code -9; it is started again")
    until(
        lambda: sum("commissions-1 | " in line and " ready." in line for line in served.lines) > 1
    )
    assert served.end() == 0


def test_a_kill_9_of_the_command_leaves_no_process_behind(serve):
    served = serve()
    served.until_said("All work")
    pids = served.pids().values()
    served.process.kill()
    until(lambda: not alive(pids), within=10)


def test_a_relay_sends_the_rows_of_an_outbox(serve, settings, tmp_path):
    from sqlalchemy import create_engine

    from astakos_worker.service.outbox.statements import ddl

    url = f"sqlite:///{tmp_path}/servers.db"
    engine = create_engine(url)
    with engine.begin() as connection:
        for text in filter(str.strip, ddl("sqlite").split(";")):
            connection.exec_driver_sql(text)
    served = serve(ASTAKOS_OUTBOX_DATABASE=url)
    served.until_said("All work")
    assert list(served.pids()) == [*KINDS, "relay"]
    # The service cannot reach the ledger, so its own thread sends nothing.
    program = f"""
from astakos_worker import Commissions
from sqlalchemy import create_engine
with create_engine({url!r}).begin() as connection:
    Commissions().in_transaction(connection).issue(
        user={USER!r}, project={USER!r}, provisions={{"cyclades.vm": 1}}, key="row"
    )
"""
    nowhere = {"ASTAKOS_LEDGER_URL": "redis://127.0.0.1:1/0", "ASTAKOS_PATIENCE": "0.1"}
    subprocess.run([sys.executable, "-c", program], env={**os.environ, **nowhere}, check=True)
    commissions = Commissions(settings=settings)
    until(lambda: connected(settings).ledger.get("default", ["row"]), within=20)
    assert commissions.outcome("row", 20).state == "pending"
    engine.dispose()
    assert served.end() == 0


@pytest.mark.parametrize(
    ("words", "more", "text"),
    [
        (
            [],
            {
                "ASTAKOS_SERVICES__DEFAULT__AUTH_URL": None,
                "ASTAKOS_SERVICES__DEFAULT__TOKEN_FILE": None,
            },
            "no service is configured",
        ),
        ([], {"ASTAKOS_SERVICES__DEFAULT__TOKEN_FILE": "/nowhere"}, "/nowhere cannot be read"),
        ([], {"ASTAKOS_LEASE": "1"}, r"longest_task.*must be less than lease"),
        (["--relay"], {}, "--relay needs ASTAKOS_OUTBOX_DATABASE"),
        (["--flower", "15999"], {}, "FLOWER_BASIC_AUTH"),
    ],
)
def test_what_cannot_work_is_refused_with_the_reason(serve, words, more, text):
    served = serve(*words, **more)
    assert served.exit_code() == 1
    assert served.said(text), served.lines


def test_a_process_that_cannot_start_is_named_and_ends_the_others(serve, tmp_path):
    (tmp_path / "celeryconfig.py").write_text("worker_consumer = 'no.such:Consumer'\n")
    served = serve(ASTAKOS_CELERYCONFIG=str(tmp_path / "celeryconfig.py"))
    assert served.exit_code() == 1
    assert served.said(r"(commissions|lookups|sweep)-1 ended with exit code")


def test_flower_is_told_neither_token_nor_database(serve, tmp_path):
    from astakos_worker.local.free_ports import Port

    port = Port()
    port.close()
    served = serve(
        "--flower",
        str(port.number),
        FLOWER_BASIC_AUTH="operator:of-the-test",
        ASTAKOS_OUTBOX_DATABASE=f"sqlite:///{tmp_path}/none.db",
    )
    served.until_said("All work", within=90)
    pids = served.pids()
    told = psutil.Process(pids["flower"]).environ()
    assert "ASTAKOS_OUTBOX_DATABASE" not in told
    assert not [name for name in told if name.startswith("ASTAKOS_SERVICES")]
    assert "ASTAKOS_OUTBOX_DATABASE" in psutil.Process(pids["relay"]).environ()
    assert served.end() == 0
