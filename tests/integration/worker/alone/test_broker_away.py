"""A service whose broker is away: success in bounded time, for the ledger has what must happen."""

import subprocess
import sys
import threading
import time

import pytest
from redis import Redis

from astakos_worker import Commissions
from astakos_worker.worker.process import WorkerProcess
from tests.integration.cluster.until import until
from tests.integration.worker.alone.calls import BOUND, BY_DEFAULT, messages, timed
from tests.unit.service.conftest import LANE, VM, Worker


@BY_DEFAULT
@pytest.mark.parametrize("how", ["killed", "paused"])
def test_without_a_broker_every_call_succeeds_in_bounded_time(commissions, broker, ledger, how):
    """F56: what must happen is in the ledger; the drive rings later."""
    broker.kill() if how == "killed" else broker.process.pause()
    # The promise of the first wake-up is over, so each of these calls wants to ring.
    until(lambda: ledger.beat({}, "test", 1).get(LANE))
    for name, call in {
        "issue": lambda: commissions.issue(**VM, key="k", accept=True),
        "accept": lambda: commissions.accept("before"),
        "reject": lambda: commissions.reject(57),
    }.items():
        raised, seconds = timed(call)
        assert raised is None, name
        assert seconds < BOUND, name
    assert ledger.get(LANE, ["k"])["k"].cell.verb == "accept"
    assert ledger.lane(LANE).open == 3


@BY_DEFAULT
def test_a_service_that_starts_without_a_broker_is_not_kept(settings, broker):
    broker.process.pause()
    raised, seconds = timed(lambda: Commissions(settings=settings).issue(**VM, key="k"))
    assert raised is None
    assert seconds < BOUND


@BY_DEFAULT
def test_an_outage_of_the_broker_is_not_paid_for_by_every_call(commissions, broker):
    """One of them waits; those that follow within a second do not try."""
    broker.process.pause()
    began = time.monotonic()
    for number in range(200):
        commissions.issue(**VM, key=f"k{number}")
    assert time.monotonic() - began < 4 * BOUND


def test_calls_ring_again_when_the_broker_is_back(commissions, broker):
    broker.kill()
    commissions.issue(**VM, key="k")
    broker.start()
    numbers = iter(range(10_000))

    def rings():
        commissions.issue(**VM, key=f"after-{next(numbers)}")
        return messages(broker)

    assert until(rings)


def test_no_call_waits_for_a_broker_that_hangs(commissions, broker, ledger, patience):
    """The ledger has it: its wake-up is sent by a thread of its own, whatever the patience."""
    broker.process.pause()
    until(lambda: ledger.beat({}, "test", 1).get(LANE))  # the next call wants to ring
    raised, seconds = timed(lambda: commissions.issue(**VM, key="k"))
    assert raised is None
    assert seconds < patience / 2


def test_a_process_that_ends_sends_the_wake_up_that_it_still_has(settings, broker):
    """Its broker is slow to answer: the process waits for it, within its patience."""
    given = settings.model_dump(include={"times", "broker_url", "ledger_url", "patience"})
    program = f"""
from astakos_worker import Commissions, Settings
Commissions(settings=Settings(**{given!r})).issue(**{VM!r}, key="last words")
print("issued", flush=True)
"""
    broker.process.pause()
    words = [sys.executable, "-c", program]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as ending:
        assert ending.stdout.readline() == "issued\n"
        with pytest.raises(subprocess.TimeoutExpired):
            ending.wait(0.5)
        broker.process.resume()
        assert ending.wait(60) == 0
    assert messages(broker) == 1


class BuildError(Exception):
    """The block's own failure."""


@BY_DEFAULT
@pytest.mark.parametrize("how", ["killed", "paused"])
def test_a_block_of_hold_ends_in_bounded_time_without_a_broker(commissions, broker, ledger, how):
    """F56, F80: its exception comes through as it is, and the reject is recorded."""
    held = threading.Event()

    def play():
        until(lambda: ledger.get(LANE, ["held"]))
        Worker(ledger).issues("held", 57)

    threading.Thread(target=play).start()

    def block():
        with commissions.hold(**VM, key="held"):
            held.set()
            broker.kill() if how == "killed" else broker.process.pause()
            raise BuildError

    raised, seconds = timed(block)
    assert isinstance(raised, BuildError) and held.is_set()
    assert getattr(raised, "__notes__", []) == []
    assert seconds < 4 * BOUND
    cell = ledger.get(LANE, ["held"])["held"].cell
    assert (cell.verb, cell.reason) == ("reject", "BuildError")


# --- What is left behind ----------------------------------------------------------------------


def test_a_thousand_waits_leave_one_thread_and_one_subscription(settings, server):
    """However many handles and waiting threads: one subscriber a process and lane."""
    commissions = Commissions(settings=settings)
    commissions.issue(**VM, key="k")

    def wait():
        for _ in range(20):
            with pytest.raises(Exception, match="still queued"):
                Commissions(settings=settings).outcome("k", timeout=0.001)

    before = set(threading.enumerate())
    waiting = [threading.Thread(target=wait) for _ in range(50)]
    for thread in waiting:
        thread.start()
    for thread in waiting:
        thread.join()
    left = set(threading.enumerate()) - before
    assert {thread.name for thread in left} == {f"astakos-listener-{LANE}"}
    with Redis.from_url(server.url()) as connection:
        channel = f"astakos:default:{LANE}:changed"
        assert connection.pubsub_numsub(channel) == [(channel.encode(), 1)]
        assert len(connection.client_list()) < 70


@BY_DEFAULT
@pytest.mark.parametrize("how", ["killed", "paused"])
def test_a_worker_that_rings_for_others_is_not_kept_either(settings, broker, how):
    """Its carriers ring with records in hand, and its heartbeat between two beats."""
    waker = WorkerProcess(settings).waker
    broker.kill() if how == "killed" else broker.process.pause()
    raised, seconds = timed(lambda: waker.wake_lane(LANE))
    assert raised is None
    assert seconds < BOUND
