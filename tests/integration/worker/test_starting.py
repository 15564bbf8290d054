"""What a worker refuses to start on, and says why."""

import os
import subprocess

import pytest
from redis import Redis

from astakos_worker import names
from astakos_worker.local import commands
from astakos_worker.local.process import program


def started(environment, **more):
    words = program(commands.worker(names.COMMISSIONS, "refused"))
    env = {**os.environ, **environment, **more}
    return subprocess.run(words, env=env, capture_output=True, text=True, timeout=30, check=False)


def test_a_ledger_that_evicts_is_refused(server, environment):
    """It would forget commissions, one at a time and in silence."""
    with Redis.from_url(server.url(1)) as connection:
        connection.config_set("maxmemory-policy", "allkeys-lru")
    worker = started(environment)
    assert worker.returncode != 0
    assert "set maxmemory-policy to noeviction" in worker.stderr


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"ASTAKOS_LEASE": "100", "ASTAKOS_VISIBILITY_TIMEOUT": "50"}, "visibility_timeout"),
        ({"ASTAKOS_REQUEST_DEADLINE": "30"}, "longest_task"),
        ({"ASTAKOS_RETENTION": "60"}, "retention"),
    ],
)
def test_times_that_contradict_are_refused_by_name(server, environment, wrong, named):
    worker = started(environment, **wrong)
    assert worker.returncode != 0
    assert named in worker.stderr
