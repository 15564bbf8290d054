"""pytest-celery's set-up over local processes: the harness of the other integration tests."""

import os
import subprocess
import sys

import pytest
from pytest_celery import CeleryTestSetup
from pytest_celery.vendors.worker.tasks import add, identity

from astakos_worker.configuration import names
from tests.integration.cluster import trivial
from tests.integration.cluster.servers import BOTH_SERVERS
from tests.integration.cluster.until import until


@pytest.fixture
def worker_app():
    return trivial.__name__


@pytest.mark.parametrize("worker_queues", [[names.COMMISSIONS, names.COMMISSIONS, names.LOOKUPS]])
def test_all_of_pytest_celerys_own_checks_pass(celery_setup: CeleryTestSetup):
    assert celery_setup.ready(ping=True, control=True, docker=True)
    assert len(celery_setup) == 5


@BOTH_SERVERS
def test_a_task_comes_back_with_its_result(cluster):
    result = add.s(1, 2).apply_async(queue=cluster.worker.worker_queue)
    assert result.get(timeout=30) == 3


@pytest.fixture
def variables_of_another_application(monkeypatch):
    """Celery's own variables, with a broker and a result back end at which nobody listens."""
    for name in ("CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL"):
        monkeypatch.setenv(name, "redis://127.0.0.1:9/0")
    monkeypatch.setenv("CELERY_RESULT_BACKEND", "redis://127.0.0.1:9/0")


@pytest.mark.usefixtures("variables_of_another_application")
def test_celerys_own_variables_change_nothing_here(request):
    """F91. The workers start, answer a ping, and a task's result comes back."""
    cluster = request.getfixturevalue("cluster")  # made only now: its workers have the variables
    assert cluster.worker.answers(cluster.app)
    result = add.s(1, 2).apply_async(queue=cluster.worker.worker_queue, retry=False)
    assert result.get(timeout=30) == 3


def test_a_broker_keeps_what_it_has_over_a_kill(cluster):
    cluster.worker.container.pause()
    result = identity.s("x").apply_async(queue=cluster.worker.worker_queue)
    cluster.setup.broker.kill()
    cluster.server.start()
    cluster.worker.container.resume()
    until(lambda: cluster.worker.answers(cluster.app))
    assert result.get(timeout=30) == "x"


def without_redis(path, *words):
    """Run one test in a Python process that finds no program and no Docker daemon."""
    words = ["-q", "--numprocesses", "1", __file__, "-k", "comes_back_with_its_result", *words]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": str(path), "DOCKER_HOST": "tcp://127.0.0.1:9"},
    )


def test_tests_that_need_redis_are_left_out_and_counted_where_there_is_none(tmp_path):
    done = without_redis(tmp_path)
    assert done.returncode == 0, done.stdout
    assert "left out, because there is no redis-server on the PATH: 1 " in done.stdout
    assert "1 passed" in done.stdout


def test_where_no_test_may_be_left_out_the_missing_server_is_an_error(tmp_path):
    done = without_redis(tmp_path, "--leave-none-out")
    assert done.returncode != 0
    assert "there is no redis-server on the PATH" in done.stdout + done.stderr
    assert "1 passed" not in done.stdout
