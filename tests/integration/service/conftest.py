"""A service on real servers, without workers: a test plays those, and breaks the servers."""

import pytest

from astakos_worker import Commissions, Settings
from astakos_worker.service.connect import ledger_of
from tests.integration.cluster.servers import Server
from tests.integration.cluster.until import until
from tests.integration.worker.alone.calls import again
from tests.unit.service.conftest import VM, Worker


@pytest.fixture
def broker(tmp_path, processes):
    """A server beside the ledger's, which a test may break alone."""
    (tmp_path / "broker").mkdir()
    broker = Server("valkey", tmp_path / "broker")
    processes.append(broker.process)
    broker.start()
    yield broker
    broker.close()


@pytest.fixture
def settings(server, broker):
    """Settings with the patience that a service has if nobody sets another."""
    return Settings(times="demo", broker_url=broker.url(), ledger_url=server.url())


@pytest.fixture
def commissions(settings):
    """A service that has been at work: its connections are open."""
    commissions = Commissions(settings=settings)
    until(lambda: again(lambda: commissions.issue(**VM, key="before")))
    return commissions


@pytest.fixture
def worker(settings):
    """Plays the workers, over connections of its own."""
    return Worker(ledger_of(settings, patience=30))
