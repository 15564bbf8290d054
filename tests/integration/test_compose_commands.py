"""What docker-compose.yml runs and the local stack does not: run here, on other ports."""

import subprocess
import sys
from pathlib import Path

import pytest
import redis
import requests
import yaml

from astakos_worker.local import LocalStack
from astakos_worker.local.free_ports import LOOPBACK, Port
from astakos_worker.local.process import Process, wait_ready
from astakos_worker.local.readiness import server_answers
from astakos_worker.local.server_program import server_program

COMPOSE = yaml.safe_load((Path(__file__).parents[2] / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with LocalStack(
        tmp_path_factory.mktemp("stack"),
        workers=0,
        lookups=0,
        sweeps=0,
        beat=False,
        env={"FLOWER_BASIC_AUTH": "operator:of-the-test"},
    ) as stack:
        yield stack


def check(service, port, instead):
    """Run a service's health check as it stands there, on the port that is served here."""
    kind, program, *words = SERVICES[service]["healthcheck"]["test"]
    assert (kind, program) == ("CMD", "python")
    assert any(f":{port}/" in word for word in words)
    words = [word.replace(f":{port}/", f":{instead}/") for word in words]
    return subprocess.run([sys.executable, *words], capture_output=True, check=False).returncode


def port_of(url):
    return int(url.rpartition(":")[2])


def test_the_sandboxs_check_tells_one_that_answers_from_one_that_does_not(stack):
    assert check("sandbox", 5000, port_of(stack.sandbox_url)) == 0
    assert check("sandbox", 5000, 1) != 0


def test_flowers_check_passes_without_the_password_that_its_pages_ask_for(stack):
    assert check("flower", 5555, port_of(stack.flower_url)) == 0
    assert check("flower", 5555, 1) != 0
    assert requests.get(f"{stack.flower_url}/workers", timeout=10).status_code == 401
    known = ("operator", "of-the-test")
    assert requests.get(f"{stack.flower_url}/workers", auth=known, timeout=10).ok


def test_the_broker_takes_every_word_of_its_command(tmp_path):
    port = Port()
    words = [server_program(), *SERVICES["broker"]["command"][1:]]
    for option, value in {
        "--port": str(port.number),
        "--bind": LOOPBACK,
        "--dir": str(tmp_path),
        "--maxmemory": "1gb",
    }.items():
        words[words.index(option) + 1] = value
    log = tmp_path / "broker.log"
    log.touch()
    broker = Process(
        "broker", words, log, environment={}, ready=lambda: server_answers(port.number)
    )
    broker.start()
    try:
        wait_ready([broker], 60, first=True)
        with redis.Redis(port=port.number) as connection:
            assert connection.config_get("maxmemory") == {"maxmemory": str(1 << 30)}
            assert connection.config_get("protected-mode") == {"protected-mode": "no"}
    finally:
        broker.kill()
        port.close()
