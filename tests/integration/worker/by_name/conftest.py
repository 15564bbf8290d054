"""One stack with one worker, for all requests by name that leave it as it is."""

import pytest

from astakos_worker import Commissions, Settings
from astakos_worker.local import LocalStack
from astakos_worker.sandbox.control_client import ControlClient
from astakos_worker.worker.dead_messages import dead_messages_of
from tests.integration.cluster.until import until
from tests.integration.worker.by_name.program import Program


@pytest.fixture(scope="package")
def stack(tmp_path_factory):
    directory = tmp_path_factory.mktemp("by-name")
    alone = {"workers": 1, "lookups": 0, "sweeps": 0, "beat": False, "flower": False}
    with LocalStack(directory, **alone) as stack:
        yield stack


@pytest.fixture(scope="package")
def program(stack):
    program = Program(stack.broker_url)
    yield program
    program.close()


@pytest.fixture(scope="package")
def commissions(stack):
    settings = Settings(times="demo", broker_url=stack.broker_url, ledger_url=stack.ledger_url)
    return Commissions(settings=settings)


@pytest.fixture(scope="package")
def dead_messages(stack):
    return dead_messages_of(Settings(ledger_url=stack.ledger_url))


@pytest.fixture
def control(stack, program):
    """Steers the sandbox; afterwards no message of the test is left."""
    control = ControlClient(stack.sandbox_url)
    yield control
    until(lambda: program.left() == 0)
