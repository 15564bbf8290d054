"""What integration tests stand on: a scrubbed environment, servers, a sandbox, workers.

The classes are pytest-celery's, over local processes (`cluster/`); nothing here needs Docker.
A test asks for `cluster` and has a server, a sandbox and workers of its own; what it wants
otherwise it says by parametrizing or overriding `server_kind`, `worker_queues`, `worker_app`,
`sandbox_args` and `extra_environment`.
"""

import os
import uuid

import pytest
from pytest_celery import (
    CeleryBackendCluster,
    CeleryBrokerCluster,
    CeleryWorkerCluster,
    RedisTestBackend,
    RedisTestBroker,
)
from redis import Redis

from astakos_worker import names
from astakos_worker.local import commands
from astakos_worker.local.checks import worker_answers
from astakos_worker.local.process import Process
from astakos_worker.settings import Settings, celery_values
from tests.integration.cluster.container import LocalContainer
from tests.integration.cluster.nodes import Worker, WorkerContainer
from tests.integration.cluster.running import Cluster, RunningSandbox
from tests.integration.cluster.servers import Server, redis_program

LEFT_OUT = pytest.StashKey[int]()


# --- A real Redis, where there is one ---------------------------------------------------------


def pytest_collection_modifyitems(config, items):
    if redis_program():
        return
    left_out = [item for item in items if item.get_closest_marker("redis_server")]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)
    config.stash[LEFT_OUT] = len(left_out)


def pytest_terminal_summary(terminalreporter, config):
    if number := config.stash.get(LEFT_OUT, 0):
        terminalreporter.write_line(
            f"left out, for want of a redis-server on the PATH: {number} "
            f"(the others ran on the embedded Valkey)",
            yellow=True,
        )


# --- The environment --------------------------------------------------------------------------


@pytest.fixture(scope="session", autouse=True)
def scrubbed_environment():
    """What the developer's shell names must not decide what a test runs against."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in list(os.environ):
            if variable.upper().startswith(("ASTAKOS_", "CELERY_", "FLOWER_")):
                patch.delenv(variable)
        yield


@pytest.fixture
def extra_environment():
    """Further variables for workers and service."""
    return {}


@pytest.fixture
def environment(server, sandbox, extra_environment):
    """A worker's variables."""
    return {
        "ASTAKOS_TIMES": "demo",
        "ASTAKOS_BROKER_URL": server.url(0),
        "ASTAKOS_LEDGER_URL": server.url(1),
        "ASTAKOS_SERVICES__DEFAULT__AUTH_URL": sandbox.auth_url,
        "ASTAKOS_SERVICES__DEFAULT__TOKEN_FILE": str(sandbox.token_file),
        **extra_environment,
    }


@pytest.fixture
def settings(environment, monkeypatch):
    """A service's settings, in this process's environment too; no token is in them."""
    for name, value in environment.items():
        if "SERVICES" not in name:
            monkeypatch.setenv(name, value)
    return Settings()


# --- Servers and sandbox ----------------------------------------------------------------------


@pytest.fixture(scope="session")
def session_servers(tmp_path_factory):
    servers = {}

    def server(kind):
        if kind not in servers:
            servers[kind] = Server(kind, tmp_path_factory.mktemp("session-server"))
            servers[kind].start()
        return servers[kind]

    yield server
    for each in servers.values():
        each.close()


@pytest.fixture
def server_kind(request):
    """`valkey`, or what `BOTH_SERVERS` says."""
    return getattr(request, "param", "valkey")


@pytest.fixture
def redis_url(session_servers, server_kind):
    """An empty database of a server that tests share one after the other; not to be killed."""
    url = session_servers(server_kind).url()
    with Redis.from_url(url) as connection:
        connection.flushall()
    return url


@pytest.fixture
def server(server_kind, tmp_path, processes):
    """A server of this test's own, which it may kill and start again."""
    server = Server(server_kind, tmp_path)
    processes.append(server.process)
    server.start()
    yield server
    server.close()


@pytest.fixture
def sandbox_args():
    """Further words of the sandbox's command line."""
    return []


@pytest.fixture
def sandbox(tmp_path, sandbox_args, processes):
    """A sandbox in a process of its own, which the test may kill and start again."""
    sandbox = RunningSandbox(tmp_path, sandbox_args)
    processes.append(sandbox.process)
    sandbox.start()
    yield sandbox
    sandbox.close()


# --- pytest-celery ----------------------------------------------------------------------------


@pytest.fixture
def worker_app():
    """The module of the application that workers run."""
    return commands.APPLICATION


@pytest.fixture
def worker_queues():
    """One worker for each queue named."""
    return [names.COMMISSIONS]


@pytest.fixture
def celery_broker_cluster(server):
    cluster = CeleryBrokerCluster(RedisTestBroker(server.container))
    yield cluster
    cluster.teardown()


@pytest.fixture
def celery_backend_cluster(server):
    backend = RedisTestBackend(server.container)
    cluster = CeleryBackendCluster(backend)
    yield cluster
    backend.teardown()
    cluster.teardown()


@pytest.fixture
def celery_setup_app(celery_setup_cls, celery_setup_config, celery_setup_name, settings):
    """pytest-celery's application, with the project's queues and routes in it."""
    app = celery_setup_cls.create_setup_app(celery_setup_config, celery_setup_name)
    app.conf.update(celery_values(settings))
    yield app
    app.close()


@pytest.fixture
def celery_worker_cluster(
    *,
    celery_broker_cluster,  # up before a worker, and down after
    celery_setup_app,
    worker_app,
    worker_queues,
    environment,
    tmp_path,
    processes,
):
    nodes = []
    for number, queue in enumerate(worker_queues, start=1):
        name, identity = f"{queue.rpartition('.')[2]}-{number}", uuid.uuid4().hex
        words = commands.worker(queue, name)
        words[words.index(commands.APPLICATION)] = worker_app
        words[words.index(f"{name}@%h")] = f"{name}@{identity[:12]}"
        log = tmp_path / f"{name}.log"
        log.touch()
        node = f"{name}@{identity[:12]}"
        process = Process(
            name,
            words,
            log,
            environment={**os.environ, **environment},
            ready=lambda node=node: worker_answers(celery_setup_app, node),
        )
        processes.append(process)
        process.start()
        container = WorkerContainer(LocalContainer(process, identity), name, queue)
        nodes.append(Worker(container, celery_setup_app))
    cluster = CeleryWorkerCluster(*nodes)
    cluster.ready()
    yield cluster
    cluster.teardown()


@pytest.fixture
def cluster(celery_setup, server, sandbox, settings):
    """Everything at once: a server, a sandbox and workers, and the settings of a service."""
    return Cluster(celery_setup, server, sandbox, settings)


# --- Processes of a test ----------------------------------------------------------------------


@pytest.fixture
def processes():
    """What the test started: ended with it at once, and heard when it fails."""
    started = []
    yield started
    for process in reversed(started):
        process.kill()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    if report.failed:
        for process in item.funcargs.get("processes", []):
            report.sections.append((f"{process.log}", process.tail(60)))
    return report
