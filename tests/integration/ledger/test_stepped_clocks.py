"""The clock of the ledger's server is set while the ledger is in use: its time goes on (F89).

A library of a few lines is preloaded into a real server, and reads the step from a file.
"""

import subprocess
import time
from pathlib import Path

import pytest

from astakos_worker.ledger import events
from astakos_worker.ledger.contract import Write
from astakos_worker.ledger.record import State
from tests.integration.cluster.servers import BOTH_SERVERS, Server
from tests.integration.cluster.until import until
from tests.integration.ledger.places import ACCEPT, LANE, LONG, RedisPlace

pytestmark = [BOTH_SERVERS, pytest.mark.c_compiler]

SOURCE = Path(__file__).parents[1] / "cluster" / "stepped_clock.c"
STEPS = pytest.mark.parametrize("step", [-600, -60, 3600])
SMALL_TOO = pytest.mark.parametrize("step", [-600, -60, -2, 3, 60, 3600])
#: How far the ledger's time may be off for a call: what an answer takes on a busy machine.
CLOSE = 1.5


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    built = tmp_path_factory.mktemp("stepped-clock") / "stepped_clock.so"
    command = ["cc", "-shared", "-fPIC", "-O1", "-o", str(built), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True)
    return built


class SteppedPlace(RedisPlace):
    """A ledger on a server whose clock a test can set."""

    def __init__(self, server, file):
        self._file = file
        self.set_clock(0)
        server.start()
        self._began = time.monotonic(), time.time()
        super().__init__(server.url())

    def set_clock(self, seconds):
        """Set the server's clock off by so many seconds, at once for each of its reads."""
        new = self._file.with_suffix(".new")
        new.write_text(str(seconds))
        new.replace(self._file)

    def true_time(self):
        monotonic, began = self._began
        return began + time.monotonic() - monotonic


@pytest.fixture
def stepped(server_kind, library, tmp_path, processes):
    server, file = Server(server_kind, tmp_path), tmp_path / "step"
    server.process.environment |= {"LD_PRELOAD": str(library), "STEPPED_CLOCK": str(file)}
    processes.append(server.process)
    place = SteppedPlace(server, file)
    yield place
    place.close()
    server.close()


def in_use(place):
    """Have a process know the time, as each does that has called for a while."""
    place.put("before", late=1)
    until(lambda: place.server.get("astakos:test:agreed") or place.ledger.lost_writes())


def is_close(place, ledger=None):
    return abs((ledger or place.ledger).clock.now() - place.true_time()) < CLOSE


def is_noticed(place):
    """Whether some call has found the step; calls are made as a worker makes them."""
    place.ledger.beat({LANE: ["carrier"]}, "driver", 60)
    return "clock" in place.ledger.lane(LANE).alarms


@SMALL_TOO
def test_the_ledgers_time_goes_on_and_the_difference_is_an_alarm(stepped, step):
    """F89."""
    in_use(stepped)
    stepped.set_clock(step)
    assert is_close(stepped)
    until(lambda: is_noticed(stepped))
    assert f"{step:+d}" in stepped.ledger.lane(LANE).alarms["clock"]
    assert is_close(stepped)
    stepped.open()  # a process that starts now
    stepped.ledger.lost_writes()
    assert is_close(stepped)


@STEPS
def test_from_the_step_on_nothing_is_given_to_a_second_carrier(stepped, step):
    """F89: a claim stays its carrier's, whatever the clock says of the lease."""
    in_use(stepped)
    [held] = stepped.claim("first", lease=30).entries
    stepped.set_clock(step)
    assert stepped.claim("second").entries == ()
    until(lambda: is_noticed(stepped))
    assert stepped.claim("second").entries == ()
    back = stepped.write(held, events.Unsent(1, stepped.now()), fence=held.fence)
    assert back.done
    assert stepped.claimed("second") == ["before"]


@STEPS
def test_what_is_to_be_done_is_not_stuck_for_the_step(stepped, step):
    """F89."""
    in_use(stepped)
    assert stepped.claimed("first", lease=0.2) == ["before"]
    stepped.set_clock(step)
    before = time.monotonic()
    stepped.put("after")
    found = set()
    until(lambda: found.update(stepped.claimed("second")) or found >= {"before", "after"})
    stepped.put("decided", serial=7)
    stepped.decide("decided")
    until(lambda: "decided" in stepped.claimed("second"))
    assert time.monotonic() - before < 20


@STEPS
def test_quiet_horizons_go_by_the_time_that_has_passed(stepped, step):
    """F89: a POST is under way when the clock is set: it is not sent again before its time."""
    in_use(stepped)
    began = time.monotonic()
    [sent] = stepped.claim("first", lease=0.1, quiet_for=1.5).entries
    stepped.set_clock(step)
    until(lambda: stepped.claimed("second", lease=0.1))
    while stepped.now() < sent.record.quiet_at:
        stepped.ledger.lost_writes()
    assert 0.5 < time.monotonic() - began < 30
    assert stepped.entry("before").record.state is State.ISSUING


@STEPS
def test_no_deadline_passes_by_the_step_alone(stepped, step):
    """F89."""
    in_use(stepped)
    record = stepped.new("k", serial=7, deadline=stepped.now() + 30)
    assert stepped.ledger.cas([Write(record, 0)])[0].done
    stepped.set_clock(step)
    assert stepped.ledger.expired(LANE) == []
    until(lambda: is_noticed(stepped))
    assert stepped.ledger.expired(LANE) == []


@STEPS
def test_a_named_lease_ends_when_it_should(stepped, step):
    """F41, F89: one that lasts for the step would keep everybody from driving."""
    in_use(stepped)
    assert stepped.ledger.take_lease("sweep", "one", 0.5)
    stepped.set_clock(step)
    until(lambda: stepped.ledger.take_lease("sweep", "two", LONG))
    assert not stepped.ledger.take_lease("sweep", "one", LONG)


def test_several_processes_take_one_step_back_once(stepped):
    """F89."""
    in_use(stepped)
    others = []
    for _ in range(4):
        stepped.open()
        stepped.ledger.lost_writes()
        others.append(stepped.ledger)
    stepped.set_clock(3600)
    until(lambda: [each.lost_writes() for each in others] and is_noticed(stepped))
    for each in others:
        until(lambda each=each: each.lost_writes() == set() and is_close(stepped, each))
    assert stepped.server.get("astakos:test:clock") == f"1 {offset(stepped)}"


def offset(place):
    found = int(place.server.get("astakos:test:clock").split()[1])
    assert abs(found + 3_600_000) < 1000 * CLOSE
    return found


def test_a_clock_that_was_set_back_while_no_process_ran_is_noticed(stepped):
    """F89."""
    in_use(stepped)
    stepped.put("later", serial=7)
    stepped.set_clock(-600)
    stepped.open()
    stepped.decide("later", ACCEPT)
    until(stepped.claimed)
    assert "clock" in stepped.ledger.lane(LANE).alarms


def test_a_process_that_had_halted_does_not_set_the_time_back_for_the_others(stepped):
    """F89: its own clock stood still: a virtual machine that was suspended."""
    in_use(stepped)
    halted = stepped.ledger
    stepped.open()
    until(lambda: stepped.ledger.lost_writes() == set() and stepped.ledger.clock.epoch)
    halted.clock.monotonic = lambda real=halted.clock.monotonic: real() - 600
    until(lambda: halted.lost_writes() == set() and is_close(stepped, halted))
    assert stepped.server.get("astakos:test:clock") is None
    assert is_close(stepped)
