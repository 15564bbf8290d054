"""`astakos-worker health` tells a worker that consumes from one that is merely alive."""

import functools
import os
import subprocess
import sys
import time

import pytest
from pytest_celery.vendors.worker.tasks import sleep

from astakos_worker.configuration import names
from tests.integration.cluster import trivial
from tests.integration.cluster.until import until


@pytest.fixture(scope="module")
def worker_app():
    return trivial.__name__


@pytest.fixture
def cluster(shared_cluster):
    return shared_cluster


def ask(server, *arguments, timeout=20):
    """Run the command; returns its exit status and its first line, which is about the workers."""
    words = [sys.executable, "-m", "astakos_worker.cli", "health", "--timeout", str(timeout)]
    urls = {"ASTAKOS_BROKER_URL": server.url(0), "ASTAKOS_LEDGER_URL": server.url(1)}
    done = subprocess.run(
        [*words, *arguments],
        env={**os.environ, **urls, "ASTAKOS_TIMES": "demo", "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    told, *rest = done.stdout.strip().splitlines()
    assert all(line.startswith(("RED ", "WARNING ", "UNKNOWN ", "    do: ")) for line in rest), rest
    return done.returncode, told


@pytest.fixture
def health(cluster):
    return functools.partial(ask, cluster.server)


@pytest.fixture
def node(cluster):
    return cluster.worker.hostname()


def test_an_idle_worker_is_healthy(health, node):
    assert health("--worker", node) == (0, f"{node} consumes")


def test_a_worker_is_found_by_its_host_and_queue(health, node):
    host = node.partition("@")[2]
    assert health("--host", host, "--queue", names.COMMISSIONS) == (0, f"{node} consumes")
    assert health("--host", host, "--queue", names.LOOKUPS, timeout=1) == (
        1,
        f"no worker of host {host} that serves {names.LOOKUPS} answers",
    )


def test_one_that_answers_and_does_not_consume_is_found_out(health, node, cluster):
    """F53: a ping would call it healthy."""
    cluster.app.control.broadcast("go_deaf", destination=[node], reply=True)
    assert cluster.worker.answers(cluster.app)
    assert health("--worker", node, timeout=5) == (1, f"{node} answers, and does not consume")
    cluster.worker.restart()


def test_one_that_does_not_answer_is_found_out_in_bounded_time(health, node, cluster):
    cluster.worker.container.pause()
    before = time.monotonic()
    assert health("--worker", node, timeout=2) == (1, f"{node} does not answer")
    assert time.monotonic() - before < 20


def test_one_whose_threads_are_all_at_work_is_healthy(health, node, cluster):
    for _ in range(16):
        sleep.s(3).apply_async(queue=cluster.worker.worker_queue)
    active = cluster.app.control.inspect(destination=[node]).active
    until(lambda: len(active()[node]) == 16)
    assert health("--worker", node) == (0, f"{node} consumes")


def test_probes_leave_nothing_behind(health, node, cluster):
    client = cluster.server.container.client
    health("--worker", node)
    keys = set(client.keys("*"))
    for _ in range(3):
        assert health("--worker", node)[0] == 0
    # The worker sends itself such a message now and then, which may be on its way.
    until(lambda: {key for key in set(client.keys("*")) - keys if "pidbox" not in key} == set())
    client.close()


def test_without_a_broker_nothing_is_known_and_no_worker_is_to_be_restarted(server):
    server.kill()
    before = time.monotonic()
    status, words = ask(server, "--worker", "commissions@somewhere", timeout=2)
    assert (status, words) == (0, "whether workers consume is not known")
    assert time.monotonic() - before < 20
