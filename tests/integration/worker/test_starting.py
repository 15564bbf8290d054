"""What a worker refuses to start on, and says why."""

import os
import subprocess

import pytest
from redis import Redis

from astakos_worker.configuration import names
from astakos_worker.local import commands
from astakos_worker.local.free_ports import LOOPBACK, Port
from astakos_worker.local.process import Process, program, wait_ready
from astakos_worker.local.readiness import http_answers


@pytest.fixture(scope="module")
def extra_environment():
    """What Kubernetes injects for a Service `astakos-metrics`; one has the name of a setting."""
    return {
        "ASTAKOS_METRICS_PORT": "tcp://10.96.0.12:9464",
        "ASTAKOS_METRICS_SERVICE_HOST": "10.96.0.12",
        "ASTAKOS_METRICS_SERVICE_PORT": "9464",
        "ASTAKOS_METRICS_PORT_9464_TCP_ADDR": "10.96.0.12",
    }


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


TOKEN_FILE, AUTH_URL = (f"ASTAKOS_SERVICES__DEFAULT__{name}" for name in ("TOKEN_FILE", "AUTH_URL"))

#: What is wrong on this machine, and what the worker says to it.
OF_THIS_MACHINE = [
    ({TOKEN_FILE: "/nowhere/token"}, "service default: the token file /nowhere/token cannot be"),
    ({TOKEN_FILE: "{marked}"}, "marked begins with a byte-order mark"),
    ({AUTH_URL: "htps://a.example.org"}, "must be an https:// or http:// address with a host"),
    ({AUTH_URL: "https://a.example.org:99999"}, "the port must be a number from 1 to 65535"),
    ({TOKEN_FILE: "", "ASTAKOS_SERVICES__DEFAULT__TOKEN": "secret\n"}, "TOKEN: has a space or a"),
    ({"ASTAKOS_SERVICES__DEFAULT__CA_FILE": "/nowhere/ca.pem"}, "folder /nowhere/ca.pem"),
    ({"ASTAKOS_BROKER_URL": "redis://127.0.0.1:99999/0"}, "BROKER_URL: the port must be a number"),
    (
        {"ASTAKOS_REQUIRE_HTTPS": "yes", AUTH_URL: "http://a.example.org"},
        "services.default.auth_url must be https:// (require_https is set)",
    ),
]


def test_what_is_wrong_on_this_machine_is_refused_with_the_reason(environment, tmp_path):
    """F84: the worker said "ready" before, and every wake-up became a dead message."""
    marked = tmp_path / "marked"
    marked.write_bytes(b"\xef\xbb\xbfsecret\r\n")
    for wrong, said in OF_THIS_MACHINE:
        changed = {name: value.format(marked=marked) for name, value in wrong.items()}
        worker = started({k: v for k, v in (environment | changed).items() if v})
        assert worker.returncode == 1, wrong
        assert worker.stderr.splitlines()[-1].startswith("astakos-worker: "), wrong
        assert said in worker.stderr and "secret" not in worker.stderr, worker.stderr


@pytest.mark.parametrize("extra_environment", [{AUTH_URL: "http://a.example.org/identity/v2.0"}])
def test_a_token_in_clear_is_warned_of(cluster):
    """By http:// to another machine everybody between reads the token."""
    assert "event='token_in_clear'" in cluster.worker.logs()


def test_variables_that_kubernetes_injects_stop_no_worker(cluster):
    """F91: pods with such a Service beside them did not start."""
    log = cluster.worker.logs()
    assert "ready." in log and "variable='ASTAKOS_" not in log


def test_flower_starts_beside_a_service_of_its_name(environment, tmp_path, processes):
    """F91: `FLOWER_PORT` is one of Flower's own options."""
    port, log = Port(), tmp_path / "flower.log"
    log.touch()
    address = f"{LOOPBACK}:{port.number}"
    flower = Process(
        "flower",
        commands.flower(port.number, LOOPBACK, tmp_path / "flower"),
        log,
        environment={**os.environ, **environment, "FLOWER_PORT": "tcp://10.96.0.12:5555"},
        ready=lambda: http_answers("GET", f"http://{address}/healthcheck"),
    )
    processes.append(flower)
    flower.start()
    wait_ready([flower], 60, first=True)
    flower.kill()
    port.close()


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
