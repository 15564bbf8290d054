"""`astakos-worker health` tells a worker that consumes from one that is merely alive."""

import os
import subprocess
import sys
import time

import pytest
from pytest_celery.vendors.worker.tasks import sleep

from astakos_worker import names
from tests.integration.cluster import trivial
from tests.integration.cluster.until import until


@pytest.fixture
def worker_app():
    return trivial.__name__


@pytest.fixture
def health(cluster, environment):
    """Run the command; returns its exit status and what it printed, errors too."""

    def run(*arguments, timeout=20):
        words = [sys.executable, "-m", "astakos_worker.cli", "health", "--timeout", str(timeout)]
        done = subprocess.run(
            [*words, *arguments],
            env={**os.environ, **environment, "NO_COLOR": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout.strip()

    return run


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
    assert {key for key in set(client.keys("*")) - keys if "pidbox" not in key} == set()
    client.close()


def test_without_a_broker_the_answer_is_no_and_comes_soon(health, node, cluster):
    cluster.server.kill()
    status, words = health("--worker", node, timeout=2)
    assert status == 1
    assert "Connection refused" in words
    assert "Traceback" not in words
