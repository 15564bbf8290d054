"""Starting, ending and starting again: in a thread and as a command."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
import requests

from astakos_worker.sandbox.cost import CostModel
from astakos_worker.sandbox.errors import CannotListenError
from astakos_worker.sandbox.faults import Rule
from astakos_worker.sandbox.server import SandboxServer


class Command:
    """The sandbox as a command, its output in files so that no pipe fills up."""

    def __init__(self, folder, *options):
        self._output, self._errors = folder / "output", folder / "errors"
        with self._output.open("w") as output, self._errors.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "astakos_worker.sandbox", *options],
                stdout=output,
                stderr=errors,
                env={**os.environ, "PYTHONWARNINGS": "error"},
            )

    @property
    def output(self):
        return self._output.read_text()

    @property
    def errors(self):
        return self._errors.read_text()

    @property
    def auth_url(self):
        """Known once the sandbox says that it is ready."""
        wait_until(lambda: "Ctrl-C ends it." in self.output)
        return self.output.splitlines()[0].removeprefix("auth URL:").strip()

    @property
    def url(self):
        return self.auth_url.removesuffix("/identity/v2.0")

    def end(self, ending=signal.SIGTERM):
        """Send a signal once the sandbox is ready; returns the exit status."""
        assert self.auth_url
        self.process.send_signal(ending)
        return self.process.wait(10)


@pytest.fixture
def command(tmp_path):
    """Run the sandbox as a command, with these options."""
    running = []

    def command(*options):
        folder = tmp_path / f"command-{len(running)}"
        folder.mkdir()
        running.append(Command(folder, *options))
        return running[-1]

    yield command
    for each in running:
        each.process.kill()
        each.process.wait()


def wait_until(condition, seconds=15):
    """Ask again until it is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.01)


def commissions(auth_url):
    return auth_url.replace("/identity/v2.0", "/account/v1.0/commissions")


def issue(auth_url, token="sandbox-token-of-cyclades"):
    return requests.post(
        commissions(auth_url),
        json={"provisions": [], "name": "n"},
        headers={"X-Auth-Token": token},
        timeout=10,
    )


def pending(auth_url):
    headers = {"X-Auth-Token": "sandbox-token-of-cyclades"}
    return requests.get(commissions(auth_url), headers=headers, timeout=10).json()


def test_a_server_starts_again_on_its_address_with_its_state(tmp_path):
    server = SandboxServer(state=tmp_path / "state")
    with server:
        url = server.auth_url
        serial = issue(url).json()["serial"]
    with pytest.raises(requests.ConnectionError):
        issue(url)
    with server:
        assert server.auth_url == url
        assert pending(url) == [serial]


def test_a_server_that_is_stopped_twice_or_before_it_starts_does_not_mind():
    server = SandboxServer()
    server.stop()
    server.start()
    server.stop()
    server.stop()


def test_an_address_in_use_is_an_error_and_the_state_is_not_touched(tmp_path):
    with SandboxServer() as first:
        second = SandboxServer(port=first.port, state=tmp_path / "state")
        with pytest.raises(CannotListenError, match="give another port"):
            second.start()
        assert not (tmp_path / "state").exists()


def test_a_site_s_prefix_stands_before_everything(caller_of):
    with SandboxServer(base_path="/astakos/") as server:
        call = caller_of(server)
        assert server.auth_url.endswith("/astakos/identity/v2.0")
        assert call.serial(call.vm(1)) == 1
        assert "/astakos/account/v1.0" in call.discover().text
        outside = server.url.removesuffix("/astakos") + "/account/v1.0/resources"
        assert requests.get(outside, timeout=10).status_code == 404


def test_faults_and_costs_of_the_start_hold_from_the_first_request(caller_of):
    rule = Rule.of({"kind": "error-before", "count": 1})
    with SandboxServer(faults=[rule], cost=CostModel(issue_ms=1.0)) as server:
        call = caller_of(server)
        assert call.discover().status_code == 500
        assert call.control.cost()["issue_ms"] == 1.0
        call.control.clear_faults()
        call.control.reset()
        assert call.discover().status_code == 500


def test_an_idle_connection_is_closed_when_its_time_is_over():
    """What makes a client's pooled connection stale (F74)."""
    with SandboxServer(keep_alive=1) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("POST", "/identity/v2.0/tokens")
            connection.getresponse().read()
            assert connection.sock.recv(1) == b""


def test_stopping_lets_go_of_whatever_waits(caller_of):
    """Requests that hang, are delayed or haunt do not hold the end up."""
    with SandboxServer() as server:
        call = caller_of(server)
        call.control.set_faults(
            {"kind": "hang", "route": "resources"},
            {"kind": "ghost", "route": "commissions.issue", "seconds": 60},
            {"kind": "delay", "route": "quotas", "seconds": 60},
        )
        with pytest.raises(requests.ConnectionError):
            call.issue(call.vm(1))
        answers = []

        def ask(path):
            try:
                token = {"X-Auth-Token": "sandbox-token-of-user01"}
                url = f"{server.url}/account/v1.0/{path}"
                answers.append(requests.get(url, headers=token, timeout=30).status_code)
            except requests.ConnectionError:
                answers.append("cut")

        asking = [threading.Thread(target=ask, args=(path,)) for path in ("resources", "quotas")]
        for thread in asking:
            thread.start()
        wait_until(lambda: call.control.audit()["in_flight"].get("all") == 2)
        began = time.monotonic()
    assert time.monotonic() - began < 5
    for thread in asking:
        thread.join(10)
    assert sorted(map(str, answers)) == ["200", "cut"]


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_command_ends_cleanly_on_a_signal(command, ending):
    sandbox = command("--port", "0")
    assert issue(sandbox.auth_url).status_code == 201
    assert sandbox.end(ending) == 0
    assert "Traceback" not in sandbox.errors


def test_what_was_acknowledged_survives_kill_9(command, tmp_path):
    options = ("--port", "0", "--state", str(tmp_path / "state"))
    sandbox = command(*options)
    serials = [issue(sandbox.auth_url).json()["serial"] for _ in range(20)]
    assert sandbox.end(signal.SIGKILL) == -signal.SIGKILL
    assert pending(command(*options).auth_url) == serials


def test_a_busy_port_is_a_clear_message_and_exit_status_1(command):
    with SandboxServer() as server:
        sandbox = command("--port", str(server.port))
        assert sandbox.process.wait(15) == 1
    assert f"cannot listen on 127.0.0.1, port {server.port}" in sandbox.errors
    assert "Traceback" not in sandbox.errors


def test_a_bad_seed_is_a_clear_message_and_exit_status_1(command, tmp_path):
    seed = tmp_path / "seed.toml"
    seed.write_text("[[user]]\n")
    sandbox = command("--port", "0", "--seed", str(seed))
    assert sandbox.process.wait(15) == 1
    assert "seed.toml, line 1: 'user' is unknown" in sandbox.errors


def test_the_access_log_shows_no_token(command):
    """Not even one in a query, or in the path of a validation."""
    sandbox = command("--port", "0")
    url = commissions(sandbox.auth_url)
    requests.get(f"{url}?X-Auth-Token=sandbox-token-of-cyclades", timeout=10)
    for path in ("sandbox-token-of-user01", "sandbox-token-of-user01/endpoints"):
        requests.get(f"{sandbox.auth_url}/tokens/{path}", timeout=10)
    assert sandbox.end() == 0
    assert "GET /identity/v2.0/tokens/*** tokens.info 404" in sandbox.errors
    assert "GET /account/v1.0/commissions commissions.list 200" in sandbox.errors
    assert "sandbox-token" not in sandbox.errors


def test_tokens_are_printed_only_when_asked_for(command):
    discreet = command("--port", "0", "--no-access-log")
    assert discreet.auth_url
    shown = requests.get(re.search(r"GET (http\S+)\)", discreet.output)[1], timeout=10).json()
    assert "sandbox-token-of-cyclades" in str(shown["components"])
    assert discreet.end() == 0
    assert "sandbox-token" not in discreet.output + discreet.errors
    talkative = command("--port", "0", "--show-tokens")
    assert talkative.end() == 0
    assert "sandbox-token-of-cyclades" in talkative.output


def test_delay_cost_and_faults_are_options_of_the_command(command, tmp_path):
    faults = tmp_path / "faults.toml"
    faults.write_text('[[fault]]\nkind = "error-before"\nroute = "resources"\n')
    options = ("--faults", str(faults), "--delay", "0.1", "--cost", "real")
    url = command("--port", "0", *options).url
    began = time.monotonic()
    assert requests.get(f"{url}/account/v1.0/resources", timeout=10).status_code == 500
    assert time.monotonic() - began >= 0.1
    assert requests.get(f"{url}/_control/cost", timeout=10).json()["issue_ms"] == 3.7


def test_quirks_are_an_option_of_the_command(command):
    url = command("--port", "0", "--quirk", "oauth-html", "--quirk", "local-time").url
    reply = requests.post(f"{url}/oauth2/token", timeout=10)
    assert reply.headers["Content-Type"].startswith("text/html")
    headers = {"X-Auth-Token": "sandbox-token-of-cyclades", "Content-Type": "application/json"}
    commissions = f"{url}/account/v1.0/commissions"
    body = {"provisions": []}
    serial = requests.post(commissions, json=body, headers=headers, timeout=10).json()["serial"]
    shown = requests.get(f"{commissions}/{serial}", headers=headers, timeout=10).json()
    ahead = datetime.fromisoformat(shown["issue_time"]) - datetime.now(UTC)
    assert timedelta(hours=1, minutes=59) < ahead < timedelta(hours=2, minutes=1)


def test_an_unknown_quirk_is_a_clear_message(command):
    refused = command("--quirk", "odd")
    assert refused.process.wait(10) == 2
    assert "'odd' is not one of 'unsorted-list'" in refused.errors
