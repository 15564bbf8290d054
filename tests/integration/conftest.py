"""What integration tests stand on: a scrubbed environment, servers, a sandbox, workers.

The classes are pytest-celery's, over local processes (`cluster/`); nothing here needs Docker.
Two ways to a server, a sandbox and workers:

- `shared_cluster`: the module's, started once, and calmed down after each test. For whatever only
  asks, makes Astakos fail, or pauses and kills workers. Keys are the test's own; counts are
  compared with those at its start; a user is made for each test (`worker/conftest.py`).
- `cluster`: a test's own, for two to three seconds more. For what a neighbour could not stand:
  killing or flushing the server, restoring Astakos, counting from zero.

What they consist of is said by overriding `worker_queues`, `worker_app`, `sandbox_args` and
`extra_environment`: with `scope="module"` for the shared one; by a test's parameters, and
`server_kind` too, for a test's own.
"""

import itertools
import os

import pytest
from pytest_celery import (
    CeleryBackendCluster,
    CeleryBrokerCluster,
    CeleryTestSetup,
    CeleryWorkerCluster,
    RedisTestBackend,
    RedisTestBroker,
)
from redis import Redis

from astakos_worker.configuration import names
from astakos_worker.configuration.celery_app import CeleryApp
from astakos_worker.configuration.settings import Settings
from astakos_worker.local import commands
from astakos_worker.local.free_ports import LOOPBACK
from astakos_worker.local.process import wait_ready
from tests.integration.cluster.calming import calm
from tests.integration.cluster.nodes import PATIENCE
from tests.integration.cluster.running import Cluster, RunningSandbox
from tests.integration.cluster.servers import Server
from tests.integration.cluster.starting import start_workers

# --- The environment --------------------------------------------------------------------------


@pytest.fixture(scope="session", autouse=True)
def scrubbed_environment():
    """What the developer's shell names must not decide what a test runs against.

    Celery's own variables go too: plain Celery programs of the tests obey them.
    """
    with pytest.MonkeyPatch.context() as patch:
        for variable in list(os.environ):
            if variable.upper().startswith(("ASTAKOS_", "CELERY_", "FLOWER_")):
                patch.delenv(variable)
        yield


@pytest.fixture(scope="module")
def extra_environment():
    """Further variables for workers and service."""
    return {}


@pytest.fixture
def environment(server, sandbox, extra_environment):
    """A worker's variables."""
    return variables(server, sandbox, extra_environment)


def variables(server, sandbox, more):
    return {
        "ASTAKOS_TIMES": "demo",
        "ASTAKOS_BROKER_URL": server.url(0),
        "ASTAKOS_LEDGER_URL": server.url(1),
        "ASTAKOS_SERVICES__DEFAULT__AUTH_URL": sandbox.auth_url,
        "ASTAKOS_SERVICES__DEFAULT__TOKEN_FILE": str(sandbox.token_file),
        # Another application's, which say nothing to ours (F91): nobody listens there.
        "CELERY_BROKER_URL": f"redis://{LOOPBACK}:1/0",
        "CELERY_RESULT_BACKEND": f"redis://{LOOPBACK}:1/0",
        **more,
    }


@pytest.fixture
def settings(environment, monkeypatch):
    """A service's settings, in this process's environment too; no token is in them."""
    for name, value in ours(environment).items():
        monkeypatch.setenv(name, value)
    return Settings()


def ours(environment):
    """A service's variables. Plain Celery programs of the tests obey Celery's own."""
    return {
        name: value
        for name, value in environment.items()
        if "SERVICES" not in name and not name.startswith("CELERY_")
    }


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


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def worker_app():
    """The module of the application that workers run."""
    return commands.APPLICATION


@pytest.fixture(scope="module")
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
def celery_setup_app(celery_setup_cls, celery_setup_name, settings):
    """An application of ours, as pytest-celery would make its own."""
    app = CeleryApp(celery_setup_name, settings)
    celery_setup_cls.update_app_config(app)
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
    nodes = start_workers(
        worker_queues,
        application=worker_app,
        environment=environment,
        app=celery_setup_app,
        directory=tmp_path,
        processes=processes,
    )
    cluster = CeleryWorkerCluster(*nodes)
    cluster.ready()
    yield cluster
    cluster.teardown()


@pytest.fixture
def cluster(celery_setup, server, sandbox, settings):
    """Everything at once: a server, a sandbox and workers, and the settings of a service."""
    return Cluster(celery_setup, server, sandbox, settings)


# --- The cluster of a module ------------------------------------------------------------------


@pytest.fixture(scope="module")
def modules_processes():
    """As `processes`, until the module's last test."""
    started = []
    yield started
    for process in reversed(started):
        process.kill()


@pytest.fixture(scope="module")
def modules_cluster(
    *,
    tmp_path_factory,
    worker_app,
    worker_queues,
    sandbox_args,
    extra_environment,
    modules_processes,
):
    """What `shared_cluster` is; to be asked for by fixtures of the module's scope."""
    directory = tmp_path_factory.mktemp("cluster")
    server, sandbox = Server("valkey", directory), RunningSandbox(directory, sandbox_args)
    modules_processes += [server.process, sandbox.process]
    server.start()
    sandbox.process.start()  # it comes up while the workers load
    environment = variables(server, sandbox, extra_environment)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ours(environment).items():
            patch.setenv(name, value)
        settings = Settings()
    with CeleryApp("shared", settings, set_as_current=False) as app:
        nodes = start_workers(
            worker_queues,
            application=worker_app,
            environment=environment,
            app=app,
            directory=directory,
            processes=modules_processes,
        )
        setup = CeleryTestSetup(
            CeleryWorkerCluster(*nodes),
            CeleryBrokerCluster(RedisTestBroker(server.container)),
            CeleryBackendCluster(RedisTestBackend(server.container)),
            app,
        )
        assert setup.ready()
        wait_ready([sandbox.process], PATIENCE)
        yield Cluster(setup, server, sandbox, settings)
    sandbox.close()
    server.close()


@pytest.fixture
def shared_cluster(modules_cluster):
    """The module's cluster: each test finds it at rest, with nothing pending and nothing wrong."""
    modules_cluster.app.set_current()  # whose the shared tasks of pytest-celery are
    yield modules_cluster
    calm(modules_cluster)


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
        ours = (item.funcargs.get(name, []) for name in ("processes", "modules_processes"))
        for process in itertools.chain.from_iterable(ours):
            report.sections.append((f"{process.log}", process.tail(60)))
    return report
