"""What a commission costs in round trips, messages and requests: counts, not times.

One stack serves all. A lane is made busy by pausing the workers while the calls are made, so that
what is waiting, and so every count, does not depend on how fast the machine is.
"""

from itertools import count

import pytest
from redis import Redis

from astakos_worker import Commissions, Settings
from astakos_worker.local import LocalStack
from astakos_worker.sandbox.control_client import ControlClient
from astakos_worker.sandbox.seed import user_uuid
from tests.integration.cluster import counting
from tests.integration.cluster.until import until

USER = user_uuid("user01@example.org")
BUSY = 400
_numbers = count(1)


class Counted:
    """A service, and what all processes together have sent."""

    def __init__(self, stack, path):
        settings = Settings(times="demo", broker_url=stack.broker_url, ledger_url=stack.ledger_url)
        self.stack, self.path = stack, path
        self.commissions = Commissions(settings=settings)
        self.control = ControlClient(stack.sandbox_url)
        self.server = Redis.from_url(stack.ledger_url)
        # Connections and scripts are there from now on, on both sides.
        key = self.issue()
        self.is_through(key, "pending")
        self.commissions.accept(key)
        self.is_through(key, "accepted")

    def issue(self):
        key = f"counted-{next(_numbers)}"
        self.commissions.issue(user=USER, project=USER, provisions={"cyclades.vm": 1}, key=key)
        return key

    def is_through(self, *keys_and_state):
        *keys, state = keys_and_state
        commissions = self.commissions
        until(lambda: all(commissions.get(k).state == state for k in keys), within=60)
        until(lambda: not self.server.zcard("astakos:default:default:awake"), within=60)

    def figures(self):
        requests = self.control.audit()["requests"]
        return {
            "round trips": self.path.stat().st_size,
            "messages": self.server.info("commandstats")["cmdstat_lpush"]["calls"],
            "issues": sum(requests["commissions.issue"].values()),
            "settles": sum(requests["commissions.batch"].values()),
        }

    def since(self, before):
        return {name: now - before[name] for name, now in self.figures().items()}

    def calls(self):
        return counting.counted(self.path)

    def pause(self):
        for process in self.workers():
            process.pause()

    def resume(self):
        for process in self.workers():
            process.resume()

    def workers(self):
        return [p for name, p in self.stack.processes.items() if name.startswith("commissions")]


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    directory = tmp_path_factory.mktemp("counts")
    path = directory / "round-trips"
    path.touch()
    environment = {
        "ASTAKOS_CELERYCONFIG": counting.__file__,
        counting.FILE: str(path),
        # A batch goes out when it is full, or when nothing is left to issue; not when a slow
        # machine has let a tenth of a second pass.
        "ASTAKOS_SETTLE_WAIT": "60",
        # Nor does the drive help out where a worker is slow to take its message.
        "ASTAKOS_DRIVE": "60",
    }
    alone = {"workers": 2, "lookups": 0, "sweeps": 0, "beat": False, "flower": False}
    with LocalStack(directory, env=environment, **alone) as stack:
        yield Counted(stack, path)


def test_a_lone_lifecycle_is_six_round_trips_and_two_messages(counted):
    """Create, claim, serial, decide, claim, close; each call wakes a worker itself."""
    before = counted.figures()
    with counted.calls():
        key = counted.issue()
    counted.is_through(key, "pending")
    with counted.calls():
        counted.commissions.accept(key)
    counted.is_through(key, "accepted")
    spent = counted.since(before)
    assert spent["round trips"] == 6
    assert spent["messages"] == 2
    assert (spent["issues"], spent["settles"]) == (1, 1)


def test_a_call_on_a_busy_lane_is_one_round_trip_and_seldom_a_message(counted):
    before = counted.figures()
    counted.pause()
    with counted.calls():
        keys = [counted.issue() for _ in range(BUSY)]
        for key in keys:
            counted.commissions.accept(key)
    called = counted.since(before)
    counted.resume()
    counted.is_through(*keys, "accepted")
    spent = counted.since(before)
    assert called["round trips"] == 2 * BUSY
    assert spent["round trips"] - called["round trips"] <= 0.3 * BUSY
    assert spent["messages"] <= 0.1 * BUSY
    assert spent["issues"] == BUSY
    assert spent["settles"] <= 0.04 * BUSY


def test_settles_alone_go_out_fifty_at_a_time(counted):
    keys = [counted.issue() for _ in range(BUSY)]
    counted.is_through(*keys, "pending")
    before = counted.figures()
    counted.pause()
    for key in keys:
        counted.commissions.accept(key)
    counted.resume()
    counted.is_through(*keys, "accepted")
    spent = counted.since(before)
    assert spent["settles"] <= BUSY / 50 + 1
    # A claim that records the batch before; what claims nothing besides.
    assert spent["round trips"] <= BUSY / 50 + 2 + 0.1 * BUSY


def test_many_in_bulk_are_a_few_round_trips_and_a_handful_of_messages(counted):
    """Of the caller's own; the workers' are those of a busy lane."""
    keys = [f"bulk-{next(_numbers)}" for _ in range(BUSY)]
    one = {"user": USER, "project": USER, "provisions": {"cyclades.vm": 1}}
    before = counted.figures()
    counted.pause()
    with counted.calls():
        counted.commissions.issue_many([{**one, "key": key} for key in keys])
        counted.commissions.resolve(accept=keys)
    called = counted.since(before)
    counted.resume()
    counted.is_through(*keys, "accepted")
    spent = counted.since(before)
    assert called["round trips"] == 2 * 2
    assert called["messages"] <= 8
    assert spent["messages"] <= 0.1 * BUSY
    assert (spent["issues"], spent["settles"] <= 0.04 * BUSY) == (BUSY, True)
