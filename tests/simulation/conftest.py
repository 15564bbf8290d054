"""Turns log lines off for simulations. The environment says how many schedules are tried."""

import os

import pytest

from tests.simulation.running import silence

#: Drawn schedules; `ASTAKOS_SCHEDULES=1000000 pytest tests/simulation` tries as many.
_DRAWN = "ASTAKOS_SCHEDULES"


@pytest.fixture(autouse=True)
def silent_engine():
    with silence():
        yield


@pytest.fixture
def drawn_schedules():
    return int(os.environ.get(_DRAWN, "3000"))
