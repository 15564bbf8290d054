"""The local stack: everything comes up, stays up, and ends; `astakos-worker up` shows it."""

import os
import re
import signal
import subprocess
import sys
from urllib.parse import urlsplit

import psutil
import pytest
import redis
import requests

from astakos_worker.local import ComponentError, LocalStack, StackError
from tests.integration.cluster.until import until

EVERYTHING = {
    "broker",
    "sandbox",
    "commissions-1",
    "commissions-2",
    "lookups-1",
    "sweep-1",
    "beat",
    "flower",
}
#: Broker and sandbox alone: up in half a second.
SMALL = {"workers": 0, "lookups": 0, "sweeps": 0, "beat": False, "flower": False}


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with LocalStack(tmp_path_factory.mktemp("stack")) as stack:
        yield stack


@pytest.fixture
def token(stack):
    return stack.token_file.read_text().strip()


def all_of(stack):
    return [psutil.Process(process.pid) for process in stack.processes.values()]


def test_everything_comes_up(stack):
    assert set(stack.processes) == EVERYTHING
    assert all(process.ready for process in stack.processes.values())


@pytest.mark.parametrize("name", sorted(EVERYTHING))
def test_whatever_is_killed_comes_back(stack, name):
    process = stack.processes[name]
    before, restarts = process.pid, process.restarts
    process.kill()
    stack.wait_ready()
    assert process.pid != before
    assert process.restarts == restarts + 1
    assert stack.processes.keys() == EVERYTHING


def test_all_listen_on_loopback_alone(stack):
    listening = [
        connection.laddr.ip
        for process in all_of(stack)
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 3
    assert set(listening) == {"127.0.0.1"}


def test_no_command_line_or_log_or_service_variable_has_the_token(stack, token):
    """F62: the token is in a file that its owner alone can read."""
    assert stack.token_file.stat().st_mode & 0o077 == 0
    for process in all_of(stack):
        assert token not in " ".join(process.cmdline())
        assert token not in " ".join(process.environ().values())
    for process in stack.processes.values():
        assert token not in process.log.read_text()
    assert not any("SERVICES" in name for name in stack.env)


def test_only_workers_and_beat_are_told_where_the_token_is(stack):
    told = {
        process.name
        for process in stack.processes.values()
        if str(stack.token_file) in psutil.Process(process.pid).environ().values()
    }
    assert told == EVERYTHING - {"broker", "sandbox", "flower"}


def test_the_token_opens_the_sandbox(stack, token):
    found = requests.post(f"{stack.auth_url}/tokens", timeout=5).json()["access"]["serviceCatalog"]
    [account] = [entry for entry in found if entry["type"] == "account"]
    url = f"{account['endpoints'][0]['publicURL']}/commissions"
    assert requests.get(url, headers={"X-Auth-Token": token}, timeout=5).json() == []


def test_the_ledgers_server_loses_nothing_and_evicts_nothing(stack):
    """Acknowledged writes are on disk, and no key is thrown away for room."""
    with redis.Redis.from_url(stack.ledger_url) as server:
        for name, value in {
            "appendonly": "yes",
            "appendfsync": "always",
            "maxmemory-policy": "noeviction",
        }.items():
            assert server.config_get(name) == {name: value}


def test_broker_and_ledger_are_databases_of_one_server(stack):
    assert stack.broker_url.removesuffix("/0") == stack.ledger_url.removesuffix("/1")


def test_a_page_of_another_site_can_order_nothing_through_flower(stack):
    """What a browser sends for such a page: with the login if the operator has typed it before."""
    url = urlsplit(stack.flower_url)
    task = f"http://127.0.0.1:{url.port}/api/task/send-task/astakos.drive"
    for site in ("http://evil.example", "null"):
        for headers in ({"Origin": site}, {"Origin": site, "Sec-Fetch-Site": "cross-site"}):
            plain = {**headers, "Content-Type": "text/plain"}
            for login in (None, (url.username, url.password)):
                answer = requests.post(
                    task, data='{"args": []}', headers=plain, auth=login, timeout=9
                )
                assert answer.status_code in {401, 403}
                assert "Access-Control-Allow-Origin" not in answer.headers
    assert requests.get(f"http://127.0.0.1:{url.port}/tasks", timeout=9).status_code == 401


def test_flowers_pages_and_api_answer_to_the_address_that_is_printed(stack):
    for page in ("", "/workers", "/tasks", "/broker", "/api/tasks"):
        assert requests.get(f"{stack.flower_url}{page}", timeout=30).ok, page
    order = requests.post(f"{stack.flower_url}/api/worker/shutdown/nobody@nowhere", timeout=30)
    assert (order.status_code, order.text) == (404, "Unknown worker 'nobody@nowhere'")
    assert urlsplit(stack.flower_url).password not in " ".join(
        word for process in all_of(stack) for word in process.cmdline()
    )


def test_flower_sees_all_workers(stack):
    def workers():
        answer = requests.get(f"{stack.flower_url}/api/workers?refresh=1", timeout=30)
        return {name.partition("@")[0] for name in answer.json()} if answer.ok else set()

    expected = {"commissions-1", "commissions-2", "lookups-1", "sweep-1"}
    until(lambda: workers() >= expected)


def test_what_was_written_survives_the_stack(tmp_path):
    with LocalStack(tmp_path, **SMALL) as stack, redis.Redis.from_url(stack.ledger_url) as server:
        server.set("written", "yes")
    with LocalStack(tmp_path, **SMALL) as stack, redis.Redis.from_url(stack.ledger_url) as server:
        assert server.get("written") == b"yes"


def test_what_the_environment_names_is_used_instead(stack, tmp_path):
    named = {
        "ASTAKOS_BROKER_URL": stack.broker_url,
        "ASTAKOS_LEDGER_URL": stack.ledger_url,
        "ASTAKOS_SERVICES__CYCLADES__AUTH_URL": stack.auth_url,
        "ASTAKOS_SERVICES__CYCLADES__TOKEN_FILE": str(stack.token_file),
        "ASTAKOS_TIMES": "production",
    }
    with LocalStack(tmp_path, **SMALL, env=named) as other:
        assert other.processes == {}
        assert other.auth_url == stack.auth_url
        assert other.sandbox_url is None
        assert other.worker_env == named


def test_a_ledger_beside_a_named_broker_is_embedded(stack, tmp_path):
    with LocalStack(tmp_path, **SMALL, env={"ASTAKOS_BROKER_URL": stack.broker_url}) as other:
        assert other.broker_url == stack.broker_url
        with redis.Redis.from_url(other.ledger_url) as ledger:
            assert ledger.ping()


def test_ports_can_be_chosen(tmp_path):
    with LocalStack(tmp_path / "first", **SMALL) as first:
        taken = int(first.broker_url.rpartition(":")[2].partition("/")[0])
        busy = LocalStack(tmp_path / "second", **SMALL, ports={"broker": taken})
        with pytest.raises(OSError, match=f"port {taken} is in use"):
            busy.start()
    with LocalStack(tmp_path / "second", **SMALL, ports={"broker": taken}) as second:
        assert f":{taken}/" in second.broker_url


def test_a_component_that_does_not_come_up_is_named_and_nothing_is_left(tmp_path):
    stack = LocalStack(tmp_path, **SMALL, sandbox_args=["--no-such-option"])
    with pytest.raises(ComponentError) as caught:
        stack.start()
    assert caught.value.component == "sandbox"
    assert "No such option" in str(caught.value)
    assert not any(process.alive for process in stack.processes.values())


def test_two_stacks_do_not_share_a_directory(stack):
    with pytest.raises(StackError, match="already"):
        LocalStack(stack.directory, **SMALL).start()
    assert all(process.alive for process in stack.processes.values())


# --- astakos-worker up ----------------------------------------------------------------------


def up(directory):
    words = [sys.executable, "-m", "astakos_worker.cli", "up", "--directory", str(directory)]
    return subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NO_COLOR": "1"},
    )


def read_until(stream, words):
    lines = []
    for line in stream:
        lines.append(line)
        if words in line:
            return "".join(lines)
    message = f"{words!r} did not come: {lines}"
    raise AssertionError(message)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_up_shows_the_addresses_and_ends_every_process(tmp_path, number):
    with up(tmp_path) as running:
        shown = read_until(running.stdout, "Ctrl-C ends it all")
        children = psutil.Process(running.pid).children(recursive=True)
        assert len(children) == len(EVERYTHING)
        running.send_signal(number)
        code = running.wait()
    assert code == (0 if number != signal.SIGKILL else -signal.SIGKILL)
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []
    for word in ("Broker", "Ledger", "Astakos", "Flower", "Logs", "export ASTAKOS_LEDGER_URL="):
        assert word in shown
    for name in ("AUTH_URL=http://", f"TOKEN_FILE={tmp_path}"):
        assert f"export ASTAKOS_SERVICES__DEFAULT__{name}" in shown
    [flower] = re.findall(
        r"^Flower +(http://local:[\w-]+@127\.0\.0\.1:\d+) *$", shown, re.MULTILINE
    )
    assert flower


def test_up_says_in_plain_words_that_it_cannot_start(stack):
    with up(stack.directory) as second:
        _, errors = second.communicate()
    assert second.returncode == 1
    assert errors.startswith(f"a stack runs in {stack.directory} already (process {os.getpid()})")
    assert "Traceback" not in errors
