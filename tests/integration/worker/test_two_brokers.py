"""Call-backs for a service whose Celery has a broker of its own, and a real worker on it."""

import os

import pytest
from redis import Redis

from astakos_worker.local.process import Process, wait_ready
from tests.integration.cluster.nodes import PATIENCE
from tests.integration.cluster.servers import Server
from tests.integration.cluster.until import until

#: The service's own Celery: it writes what it is told into a file, one line for each message.
THEIRS = """
import os
from celery import Celery

app = Celery("theirs", broker=os.environ["THEIRS"])

@app.task(name="theirs.done")
def done(commission):
    with open(os.environ["TOLD"], "a") as file:
        file.write(f"{commission['key']} {commission['about']} {commission['serial']}\\n")
"""


@pytest.fixture(scope="module")
def their_server(tmp_path_factory):
    server = Server("valkey", tmp_path_factory.mktemp("theirs"))
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="module")
def extra_environment(their_server):
    return {"ASTAKOS_CALLBACK_BROKER_URL": their_server.url(3)}


@pytest.fixture(scope="module")
def told(their_server, tmp_path_factory):
    """What the service's worker was told, as pairs of words; the worker reads `app`."""
    directory = tmp_path_factory.mktemp("worker")
    (directory / "theirs.py").write_text(THEIRS)
    file, log = directory / "told", directory / "log"
    file.touch()
    log.touch()
    process = Process(
        "theirs",
        [
            *("celery", "-A", "theirs", "worker", "-Q", "app", "--pool", "solo"),
            "--loglevel",
            "INFO",
        ],
        log,
        environment={**os.environ, "THEIRS": their_server.url(3), "TOLD": str(file)},
        ready=lambda: " ready." in log.read_text(),
        directory=directory,
    )
    process.start()
    wait_ready([process], PATIENCE)
    yield lambda: [line.split() for line in file.read_text().splitlines()]
    process.kill()


@pytest.fixture
def cluster(shared_cluster):
    return shared_cluster


def test_a_task_of_the_service_is_told_at_each_moment_by_the_services_broker(service, told):
    moments = ["pending", "closed"]
    service.issue("k", callback="theirs.done@app", callback_on=moments, accept=True)
    serial = str(service.commissions.outcome("k", 20).serial)
    until(lambda: len(told()) >= 2)
    assert sorted(told()) == [["k", "accepted", serial], ["k", "pending", serial]]


def test_our_own_broker_has_nothing_of_it(service, told, cluster):
    service.issue("ours", callback="theirs.done@app", accept=True)
    until(lambda: [row for row in told() if row[0] == "ours"])
    with Redis.from_url(cluster.server.url(0)) as broker:
        assert not {b"app", b"celery"} & set(broker.keys("*"))


def test_a_call_back_without_a_queue_waits_in_celerys_default_queue(service, their_server):
    service.issue("default", callback="theirs.done", accept=True)
    service.until_state("default", "accepted")
    with Redis.from_url(their_server.url(3)) as broker:
        until(lambda: broker.llen("celery") == 1)


def test_while_that_broker_is_away_commissions_end_and_the_message_comes_later(
    service, told, their_server
):
    their_server.process.pause()
    try:
        service.issue("late", callback="theirs.done@app", accept=True)
        service.until_state("late", "accepted")
    finally:
        their_server.process.resume()
    until(lambda: [row for row in told() if row[0] == "late"], within=60)
