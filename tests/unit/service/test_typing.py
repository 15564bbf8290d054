"""The types are a part of what a service gets: mypy, strict, agrees with what is written down."""

import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from astakos_worker import CommissionState
from astakos_worker.ledger.record import State

ROOT = Path(__file__).parents[3]


def test_the_literal_states_are_those_of_the_ledger():
    assert set(get_args(CommissionState)) == {state.value for state in State}


@pytest.mark.long
def test_a_services_calls_have_the_types_that_are_promised(tmp_path):
    words = ["-m", "mypy", "--strict", "--cache-dir", tmp_path, "--config-file", "pyproject.toml"]
    done = subprocess.run(
        [sys.executable, *words, "tests/unit/service/typing_of_the_face.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
