"""What integration tests stand on: a scrubbed environment, servers, workers, a sandbox."""

import os

import pytest


@pytest.fixture(scope="session", autouse=True)
def scrubbed_environment():
    """What the developer's shell names must not decide what a test runs against."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in list(os.environ):
            if variable.upper().startswith(("ASTAKOS_", "CELERY_", "FLOWER_")):
                patch.delenv(variable)
        yield
