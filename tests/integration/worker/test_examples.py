"""The examples run as they stand."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from astakos_worker.configuration import names

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.parametrize("worker_queues", [[names.COMMISSIONS, names.LOOKUPS]])
def test_the_request_handler_runs(cluster, environment):
    service = {name: value for name, value in environment.items() if "SERVICES" not in name}
    ran = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / "request_handler.py"],
        env={**os.environ, **service},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("state='accepted'") == 2
