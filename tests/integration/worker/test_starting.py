"""What a worker refuses to start on, and says why."""

import os
import subprocess

import pytest
from redis import Redis

from astakos_worker.configuration import names
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


@pytest.mark.parametrize("words", [commands.worker(names.SWEEP, "refused"), commands.beat()])
def test_a_program_that_would_serve_nobody_is_refused(environment, words):
    """It would refuse messages by name that others could carry out, and order no sweep."""
    nobody = {k: v for k, v in environment.items() if not k.startswith("ASTAKOS_SERVICES")}
    done = subprocess.run(
        program(words),
        env={**os.environ, **nobody, "ASTAKOS_OWNR": "cloud.quotas:owner"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "ASTAKOS_OWNR" in done.stderr
    assert "cloud.quotas" not in done.stderr
    assert "no service is configured; set ASTAKOS_SERVICES__DEFAULT__AUTH_URL" in done.stderr
    assert "Traceback" not in done.stderr


#: What is set in a demonstration's times, and what the worker says to it.
CONTRADICTIONS = [
    ({"CONNECT_TIMEOUT": "2"}, "connect_timeout (2 s) must be less than request_deadline (2 s)"),
    (
        {"REQUEST_DEADLINE": "6"},
        "request_deadline (6 s) must be less than longest_task (6 s): a task sends requests",
    ),
    (
        {"LONGEST_TASK": "9"},
        "longest_task (9 s) must be less than lease (8 s): another worker would take over",
    ),
    (
        {"LEASE": "30"},
        "lease (30 s) must be less than visibility_timeout (20 s): the broker would deliver",
    ),
    ({"CARRY_SECONDS": "3"}, "carry_seconds (3 s) and two requests of request_deadline (2 s)"),
    ({"HEARTBEAT": "2"}, "forgotten_after (4 s) must be more than twice the heartbeat (2 s)"),
    ({"RETENTION": "200"}, "retention (200 s) must exceed ten times visibility_timeout (20 s)"),
    (
        {"RETENTION": "300", "ASTAKOS_WORK": "300"},
        "retention (300 s) must exceed the quiet horizon (303 s",
    ),
]


def test_times_that_contradict_are_refused_by_name_and_with_the_reason(environment):
    """F57 among them; each by a worker of its own, as its operator would see it."""
    words = program(commands.worker(names.COMMISSIONS, "refused"))
    workers = [
        subprocess.Popen(
            words,
            env={**os.environ, **environment, **{f"ASTAKOS_{k}": v for k, v in wrong.items()}},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for wrong, _ in CONTRADICTIONS
    ]
    for worker, (wrong, said) in zip(workers, CONTRADICTIONS, strict=True):
        _, errors = worker.communicate(timeout=60)
        assert worker.returncode == 1, wrong
        assert errors.startswith(f"astakos-worker: {said}"), wrong
        assert errors.count("\n") == 1, errors
