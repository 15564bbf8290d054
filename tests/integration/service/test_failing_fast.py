"""A server that does not answer costs a process the patience of one call, not of every call."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from astakos_worker import Lookups, Settings, Unavailable
from astakos_worker.local.free_ports import LOOPBACK, Port
from tests.integration.cluster.until import until
from tests.integration.worker.alone.calls import again, timed
from tests.unit.service.conftest import VM


@pytest.mark.parametrize("how", ["killed", "paused"])
def test_ten_calls_without_a_ledger_do_not_wait_ten_times(commissions, server, settings, how):
    """F56."""
    server.kill() if how == "killed" else server.process.pause()
    began = time.monotonic()
    for number in range(10):
        with pytest.raises(Unavailable):
            commissions.issue(**VM, key=f"k{number}")
    took = time.monotonic() - began
    assert took < 6 * settings.patience, f"{took:.1f} s"


def test_a_process_tries_its_ledger_again_by_itself(commissions, server):
    server.process.pause()
    with pytest.raises(Unavailable):
        commissions.get("before")
    server.process.resume()
    assert until(lambda: again(lambda: commissions.get("before"))).state == "queued"


def test_while_a_ledger_is_frozen_one_call_at_a_time_waits_for_it(commissions, server, settings):
    """Of all threads of a process: the others go on to their callers at once."""
    server.process.pause()
    with pytest.raises(Unavailable):
        commissions.get("before")
    until(lambda: timed(lambda: commissions.get("before"))[1] > settings.patience / 2, within=20)

    def call(number):
        return timed(lambda: commissions.get("before"))[1]

    with ThreadPoolExecutor(20) as threads:
        seconds = sorted(threads.map(call, range(20)))
    assert seconds[18] < settings.patience, seconds


@pytest.mark.parametrize("how", ["refuses", "paused"])
def test_a_look_up_without_a_broker_fails_within_the_patience(broker, settings, how):
    """F56."""
    if how == "paused":
        broker.process.pause()
    else:
        broker.kill()
    lookups = Lookups(settings=settings, timeout=10)
    for call in (
        lambda: lookups.username("u"),
        lambda: lookups.quotas(user="u"),
        lookups.resources,
    ):
        raised, seconds = timed(call)
        assert isinstance(raised, Unavailable)
        assert "broker" in str(raised)
        assert seconds < 4 * settings.patience, f"{seconds:.1f} s"


PROGRAM = """
import sys
from astakos_worker import Lookups, Unavailable
lookups = Lookups(timeout=10)
for _ in range(5):
    try:
        lookups.username("u")
    except Unavailable:
        print("unavailable", file=sys.stderr)
"""


def test_an_outage_of_the_broker_is_one_line_of_output():
    port = Port()
    environment = {
        **{name: value for name, value in os.environ.items() if "ASTAKOS" not in name},
        "ASTAKOS_BROKER_URL": f"redis://{LOOPBACK}:{port.number}/0",
    }
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    port.close()
    assert done.stderr.count("unavailable") == 5
    assert len(done.stdout.splitlines()) <= 1, done.stdout
    assert time.monotonic() - began < 5 * Settings(services={}).patience + 5


def test_look_ups_go_on_when_the_broker_is_back(broker, settings):
    """Without workers they time out: what counts is that the message is with the broker."""
    lookups = Lookups(settings=settings, timeout=1)
    broker.kill()
    with pytest.raises(Unavailable, match="broker"):
        lookups.resources()
    broker.start()
    until(lambda: "no worker runs on this ledger" in str(timed(lookups.resources)[0]), within=20)
