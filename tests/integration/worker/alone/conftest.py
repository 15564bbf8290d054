"""A service without any workers: what a request handler sees while a server is away."""

import pytest

from astakos_worker import Commissions, Settings
from astakos_worker.service.connect import ledger_of
from tests.integration.cluster.servers import Server
from tests.integration.cluster.until import until
from tests.integration.worker.alone.calls import again
from tests.unit.service.conftest import VM


@pytest.fixture
def broker(tmp_path, processes):
    """A server beside the ledger's, which may go away alone."""
    (tmp_path / "broker").mkdir()
    broker = Server("valkey", tmp_path / "broker")
    processes.append(broker.process)
    broker.start()
    yield broker
    broker.close()


@pytest.fixture
def patience():
    """More than a service's own, which is what tests of the bounds themselves take."""
    return 5.0


@pytest.fixture
def settings(server, broker, patience):
    urls = {"broker_url": broker.url(), "ledger_url": server.url()}
    return Settings(times="demo", patience=patience, **urls)


@pytest.fixture
def commissions(settings):
    """A service that has been at work: its connections are open."""
    commissions = Commissions(settings=settings)
    until(lambda: again(lambda: commissions.issue(**VM, key="before")))
    return commissions


@pytest.fixture
def ledger(settings):
    """A view of the ledger with connections of its own."""
    return ledger_of(settings, patience=30)
