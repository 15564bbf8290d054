"""Two services with an Astakos each, on one worker: what befalls one lane leaves the other alone.

One stack serves all tests; each begins and ends with both lanes at work.
"""

import json
import os
import re
import subprocess
import sys

import pytest

from astakos_worker import Lookups, Settings
from astakos_worker.local import LocalStack
from astakosclient import LocalError
from tests.integration.cluster.running import RunningSandbox
from tests.integration.cluster.until import until
from tests.integration.outages.places import Service, records

#: Seconds of an outage. By production's times it would be over seven minutes: the longest rest
#: of a lane is two seconds here, and a minute there.
OUTAGE = 15.0
WAITING = 2000


@pytest.fixture(scope="module")
def sandboxes(tmp_path_factory):
    started = {}
    for name in ("shop", "lab"):
        started[name] = RunningSandbox(tmp_path_factory.mktemp(name))
        started[name].start()
    yield started
    for each in started.values():
        each.close()


@pytest.fixture(scope="module")
def stack(tmp_path_factory, sandboxes):
    variables = {"ASTAKOS_SERVICE": "shop"}
    for name, sandbox in sandboxes.items():
        variables[f"ASTAKOS_SERVICES__{name.upper()}__AUTH_URL"] = sandbox.auth_url
        variables[f"ASTAKOS_SERVICES__{name.upper()}__TOKEN_FILE"] = str(sandbox.token_file)
    directory = tmp_path_factory.mktemp("two-services")
    with LocalStack(directory, workers=1, flower=False, env=variables) as stack:
        yield stack


@pytest.fixture(scope="module")
def settings(stack):
    urls = {"broker_url": stack.broker_url, "ledger_url": stack.ledger_url}
    return Settings(times="demo", service="shop", **urls)


@pytest.fixture(scope="module")
def shop(settings, sandboxes):
    return Service("shop", settings, sandboxes["shop"])


@pytest.fixture(scope="module")
def lab(settings, sandboxes):
    return Service("lab", settings, sandboxes["lab"])


@pytest.fixture
def command(stack):
    """Run a command of the operator's; returns its exit status and what it printed."""

    def run(*words):
        done = subprocess.run(
            [sys.executable, "-m", "astakos_worker.cli", *words],
            env={**os.environ, **stack.worker_env, "NO_COLOR": "1", "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    return run


def test_a_hanging_astakos_holds_up_nothing_of_another_service(shop, lab, settings):
    """F75: neither its commissions nor its lookups nor its sweep, with eight carriers hanging."""
    lab.control.set_faults({"kind": "hang-before"})
    lists = shop.requests()["commissions.list"]
    for number in range(200):
        lab.issue(f"hung-{number}", accept=True)
    until(lambda: lab.control.audit()["in_flight"].get("all", 0) >= 2)
    keys = [f"beside-{number}" for number in range(100)]
    for key in keys:
        shop.issue(key, accept=True)
    name = "user01@example.org"
    assert name in Lookups("shop", settings=settings).uuids([name])
    shop.until_accepted(*keys)
    until(lambda: shop.requests()["commissions.list"] > lists)
    assert lab.used() == (0, 0)
    lab.control.clear_faults()
    lab.until_accepted(*(f"hung-{number}" for number in range(200)))
    assert set(lab.events("hung-")["issued"].values()) == {1}


def test_a_wrong_token_stops_its_lane_is_alarmed_of_and_is_mended_without_a_restart(
    shop, lab, stack, command
):
    """F11, F60: nothing fails, the other lane goes on, and the operator is told three times."""
    worker = stack.processes["commissions-1"]
    before, new = worker.pid, "another-token-of-the-lab"
    lab.control.rotate_token(new, component="cyclades")
    lab.issue("without-a-token", accept=True)
    until(lambda: "token" in lab.alarms())
    shop.issue("with-a-token", accept=True).outcome(60)
    shop.until_accepted("with-a-token")

    assert lab.state("without-a-token") in {"queued", "issuing"}
    line = re.compile(r"event='lane_rests' lane='lab' .*alarm='token' .*does not know our token")
    assert line.search(worker.log.read_text())
    status, printed = command("status", "--json")
    lanes = {lane["name"]: lane for lane in json.loads(printed)["lanes"]}
    assert status == 1
    assert "does not know our token" in lanes["lab"]["alarms"]["token"]
    assert lanes["shop"]["alarms"] == {}
    status, printed = command("health")
    assert status == 0  # to start the worker again would not mend it
    assert "RED token lab: it does not know our token" in printed

    lab.sandbox.token_file.write_text(new)
    lab.until_accepted("without-a-token")
    assert lab.events("without-")["issued"] == {"without-a-token": 1}
    until(lambda: lab.alarms() == {})
    until(lambda: command("status", "--json")[0] == 0)  # with the next sweep
    assert (worker.pid, worker.restarts) == (before, 0)


@pytest.mark.parametrize("spoil", ["removed", "emptied", "spoilt"])
def test_a_token_file_that_goes_wrong_stops_its_lane_alone_and_is_alarmed_of(
    shop, lab, stack, command, spoil
):
    """F84, F75: nothing is sent or refused, also on a lane without work; then all goes on."""
    logs = [stack.processes[name].log for name in ("commissions-1", "lookups-1")]

    def noticed():
        return [log.read_text().count("event='no_client'") for log in logs]

    file, before = lab.sandbox.token_file, noticed()
    token = file.read_text()
    if spoil == "removed":
        file.unlink()
    else:
        file.write_bytes(b"" if spoil == "emptied" else b"\xef\xbb\xbf" + token.encode())
    until(lambda: all(now > then for now, then in zip(noticed(), before, strict=True)))
    until(lambda: "RED client lab: " in command("status")[1])
    status, printed = command("status")
    assert status == 1 and str(file) in printed and token not in printed
    posts = lab.requests()["commissions.issue"]
    lab.issue(f"{spoil}-file", accept=True)
    shop.issue(f"beside-{spoil}", accept=True)
    shop.until_accepted(f"beside-{spoil}")
    until(lambda: lab.ledger.lane("lab").resting > 0)
    with pytest.raises(LocalError, match=str(file)):
        Lookups("lab", settings=lab.settings).resources()
    assert lab.state(f"{spoil}-file") == "queued"
    assert lab.requests()["commissions.issue"] == posts

    file.write_text(token)
    lab.until_accepted(f"{spoil}-file")
    until(lambda: lab.alarms() == {})
    until(lambda: "RED client" not in command("status")[1])


def test_a_long_outage_costs_astakos_a_trickle_and_ends_without_a_stampede(shop, lab, settings):
    """F59, F67: with 2,000 waiting; none uses up its attempts, and all drain in the end."""
    lab.issue("before", accept=True)
    lab.until_accepted("before")
    used, _ = lab.used()
    lab.control.set_faults(
        {"kind": "hang-before", "probability": 0.3}, {"kind": "error-before", "status": 503}
    )
    before, began = lab.requests(), lab.ledger.clock.now()
    keys = [f"waiting-{number}" for number in range(WAITING)]
    for key in keys:
        lab.issue(key, accept=True)
    until(lambda: {"silent", "fails"} & lab.alarms().keys())
    shop.issue("meanwhile", accept=True)
    shop.until_accepted("meanwhile")
    until(lambda: lab.ledger.clock.now() - began >= OUTAGE)

    seen = sum((lab.requests() - before).values())
    lasted = lab.ledger.clock.now() - began
    waiting = records(lab, keys)
    assert seen <= trickle(settings, lasted), lab.requests() - before
    assert sum(record.marks for record in waiting.values()) <= seen
    assert {str(record.state) for record in waiting.values()} <= {"queued", "issuing"}
    # Slow enough that as many requests meet as are sent at once.
    lab.control.set_faults({"kind": "delay", "route": "commissions.issue", "seconds": 0.03})
    lab.until_accepted(*keys, within=120)
    lab.control.clear_faults()

    assert lab.used() == (used + WAITING, 0)
    assert lab.events("waiting-")["issued"] == dict.fromkeys(keys, 1)
    most = lab.control.audit()["most_in_flight"]
    assert settings.carriers / 2 < most["commissions.issue"] <= settings.carriers
    assert most["all"] <= settings.carriers + 1  # the sweep is no carrier
    until(lambda: lab.alarms() == {})


def trickle(settings, seconds):
    """The most requests of an outage of so many seconds; derived in docs/chaos.md."""
    at_first = settings.carriers * 3
    growing = 1
    while settings.backoff_first * 2**growing < settings.backoff_cap:
        growing += 1
    trials = seconds / (settings.backoff_cap / 2) + 1
    sweeps = seconds / settings.sweep + 1
    return at_first + growing + trials + sweeps
