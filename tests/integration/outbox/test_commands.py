"""`astakos-worker relay` and `outbox`, as an operator runs them."""

import json
import os
import signal
import subprocess
import sys

import pytest
from sqlalchemy import create_engine

from astakos_worker.service.outbox.sender import end_all
from tests.integration.cluster.until import until

COMMAND = [sys.executable, "-m", "astakos_worker.cli"]
ONE = {"user": "ada", "project": "lab", "provisions": {"cyclades.vm": 1}}
OTHER = {**ONE, "provisions": {"cyclades.vm": 2}}


@pytest.fixture
def environment(url, settings):
    return {**os.environ, "ASTAKOS_OUTBOX_DATABASE": url}


@pytest.fixture
def command(environment):
    """Runs a command to its end; returns what it printed."""

    def run(*words, status=0, **more):
        done = subprocess.run(
            [*COMMAND, *words],
            env={**environment, **more},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture
def relay(environment):
    """Starts a relay that runs until it is stopped."""
    running = []

    def start(*words):
        process = subprocess.Popen(
            [*COMMAND, "relay", *words], env=environment, stdout=subprocess.PIPE, text=True
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def write(engine, away, *calls):
    for call in calls:
        with engine.begin() as connection:
            call(away.in_transaction(connection))
    end_all(patience=20)  # or the service's own thread may hold the lock that a relay wants


def test_once_sends_what_is_there_and_says_so(command, engine, away, known):
    write(engine, away, lambda calls: calls.issue(**ONE, key="one"))
    said = json.loads(command("relay", "--once", "--json").splitlines()[-1])
    assert said == {"sent": 1, "failed": 0, "waiting": 0, "oldest": 0.0, "away": ""}
    assert known("one") == "queued"
    assert "0 sent, 0 waiting" in command("relay", "--once")


def test_once_has_a_status_for_rows_that_are_left(command, engine, away, database):
    write(engine, away, lambda calls: calls.issue(**ONE, key="one"))
    nowhere = {"ASTAKOS_LEDGER_URL": "redis://127.0.0.1:1/0", "ASTAKOS_PATIENCE": "0.1"}
    assert "1 waiting" in command("relay", "--once", status=1, **nowhere)
    assert database.waiting() == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_relays_run_side_by_side_and_end_cleanly(  # noqa: PLR0917
    relay, engine, away, database, known, number
):
    relays = [relay("--json"), relay("--json")]
    for one in relays:
        assert json.loads(one.stdout.readline())["waiting"] == 0  # it runs now
    write(engine, away, *(lambda calls, n=n: calls.issue(**ONE, key=f"k{n}") for n in range(20)))
    until(lambda: not database.waiting(), within=30)
    assert all(known(f"k{n}") for n in range(20))
    for one in relays:
        one.send_signal(number)
    said = [one.communicate(timeout=20)[0] for one in relays]
    assert [one.returncode for one in relays] == [0, 0]
    # One that died after its rows were in the ledger would count less; these ended in good order.
    assert sum(json.loads(text.splitlines()[-1])["sent"] for text in said) == 20


def test_only_the_rows_of_a_service_are_sent_if_it_is_named(command, engine, away, database):
    write(engine, away, lambda calls: calls.issue(**ONE, key="one"))
    command("relay", "--once", "--service", "other", status=1)
    assert database.waiting() == 1
    command("relay", "--once", "--service", "compute")
    assert database.waiting() == 0


def test_rows_that_can_never_be_sent_are_listed_retried_and_dropped(
    command, engine, away, commissions
):
    commissions.issue(**ONE, key="taken")
    write(
        engine,
        away,
        lambda calls: calls.issue(**OTHER, key="taken"),
        lambda calls: calls.issue(**OTHER, key="taken"),
    )
    command("relay", "--once", status=1)
    [row] = json.loads(command("outbox", "list", "--json", status=1))
    assert (row["service"], row["key"], row["error"]) == ("compute", "taken", "KeyConflict")
    assert "KeyConflict: key 'taken' is in use" in command("outbox", "list", status=1)
    assert len(json.loads(command("outbox", "list", "--json", "--waiting", status=1))) == 2
    assert command("outbox", "retry", str(row["id"])) == "retried 1\n"
    command("relay", "--once", status=1)
    assert command("outbox", "drop", "--yes", str(row["id"])) == "dropped 1\n"
    assert command("outbox", "drop", "--yes", str(row["id"]), status=1) == "dropped 0\n"
    command("relay", "--once", status=1)
    assert command("outbox", "drop", "--yes", "--all") == "dropped 1\n"
    assert command("outbox", "list", "--waiting") == "the outbox is empty\n"
    command("outbox", "drop", status=2)


def test_the_ddl_is_printed_and_makes_the_table(command, kind, postgres, tmp_path):
    text = command("outbox", "ddl", kind)
    where = f"sqlite:///{tmp_path}/new" if kind == "sqlite" else postgres.url
    engine = create_engine(where)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE IF EXISTS astakos_outbox")
        for one in filter(str.strip, text.split(";")):
            connection.exec_driver_sql(one)
    engine.dispose()


def test_another_database_is_refused_without_its_password(command):
    url = "mysql://root:secret@host/name"
    done = subprocess.run(
        [*COMMAND, "outbox", "list", "--database", url],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "postgresql://" in done.stderr
    assert "secret" not in done.stderr + done.stdout
