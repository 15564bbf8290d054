"""A sandbox with a small world, for all these tests."""

from __future__ import annotations

import pytest

from astakos_worker.sandbox.server import SandboxServer
from tests.fuzz.samples import SEED
from tests.fuzz.under_fire import Fuzzed


@pytest.fixture(scope="session")
def fuzzed():
    with SandboxServer(SEED) as server:
        fuzzed = Fuzzed(server)
        yield fuzzed
        fuzzed.connection.close()
