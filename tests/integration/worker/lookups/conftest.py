"""One stack with one worker for look-ups.

Most of these services look at no names that were kept: what they ask, they ask the workers.
"""

import pytest
from redis import Redis

from astakos_worker import Lookups, Settings
from astakos_worker.local import LocalStack
from astakos_worker.sandbox.control_client import ControlClient
from astakosclient import AstakosClient
from tests.integration.cluster.until import until


@pytest.fixture(scope="package")
def stack(tmp_path_factory):
    directory = tmp_path_factory.mktemp("lookups")
    alone = {"workers": 0, "lookups": 1, "sweeps": 0, "beat": False, "flower": False}
    with LocalStack(directory, **alone) as stack:
        yield stack


@pytest.fixture(scope="package")
def settings(stack):
    urls = {"broker_url": stack.broker_url, "ledger_url": stack.ledger_url}
    return Settings(times="demo", names_kept=0, **urls)


@pytest.fixture(scope="package")
def lookups(settings):
    return Lookups(settings=settings, timeout=30)


@pytest.fixture(scope="package")
def client(stack):
    """What a worker has, and a service has not: the token."""
    client = AstakosClient(stack.token_file.read_text().strip(), stack.auth_url)
    yield client
    client.close()


@pytest.fixture(scope="package")
def keeping(settings):
    """A service that looks for names where the workers keep them."""
    return Lookups(settings=settings.model_copy(update={"names_kept": 300}), timeout=30)


@pytest.fixture(scope="package")
def control(stack):
    return ControlClient(stack.sandbox_url)


@pytest.fixture
def broker(stack):
    with Redis.from_url(stack.broker_url, decode_responses=True) as broker:
        yield broker


@pytest.fixture
def paused(stack, broker):
    """The only worker, stopped where it stands, with no request to the broker under way."""
    worker = stack.processes["lookups-1"]
    worker.pause()
    try:
        until(lambda: not any("b" in one["flags"] for one in broker.client_list()))
        yield worker
    finally:
        worker.resume()
        until(lambda: worker.ready)
