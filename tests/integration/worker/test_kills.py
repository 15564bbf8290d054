"""Processes that die, messages that are lost: nothing else is."""

import signal
import threading

import pytest
from redis import Redis

from astakos_worker import Unavailable
from astakos_worker.configuration import names
from tests.integration.cluster.until import until


def test_a_worker_killed_before_its_request_leaves_nothing_doubled(service):
    """F9, F72: announced, and never sent."""
    service.control.set_faults({"kind": "delay", "route": "commissions.issue", "seconds": 1.5})
    for number in range(4):
        service.issue(f"held-{number}", accept=True)
    until(lambda: service.state("held-0") == "issuing", every=0.01)
    service.cluster.worker.kill()
    service.control.clear_faults()
    service.cluster.worker.restart()
    for number in range(4):
        assert service.commissions.outcome(f"held-{number}", 60).state == "accepted"
    until(lambda: service.used() == (4, 0), within=20)


def test_a_worker_killed_in_the_middle_of_a_batch_leaves_it_to_the_next(service):
    """F30: Astakos did it all and nobody heard; sent again, each is not found, and done."""
    keys = [f"batch-{number}" for number in range(6)]
    for key in keys:
        service.issue(key)
    for key in keys:
        service.commissions.outcome(key, 20)
    service.control.set_faults({"kind": "hang", "route": "commissions.batch", "count": 1})
    service.commissions.resolve(accept=keys[:4], reject=keys[4:])
    until(lambda: service.used() == (4, 0), within=20, every=0.01)
    service.cluster.worker.kill()
    service.cluster.worker.restart()
    states = [service.commissions.outcome(key, 60).state for key in keys]
    assert states == ["accepted"] * 4 + ["rejected"] * 2
    assert service.used() == (4, 0)


def test_a_message_that_is_lost_costs_seconds(service):
    """F45, F47: the broker forgets everything; the drive rings for what is due."""
    service.cluster.worker.container.pause()
    service.issue("forgotten", accept=True)
    with Redis.from_url(service.cluster.server.url(0)) as broker:
        broker.flushdb()
    service.cluster.worker.container.resume()
    assert service.commissions.outcome("forgotten", 20).state == "accepted"
    assert service.posts() == 1


def test_the_broker_is_killed_under_load_and_all_goes_on(service):
    """F53, F55: the server of broker and ledger, with an append-only file; killed twice.

    The worker outlives it both times.
    """
    answers = {}

    def fire(start):
        for number in range(start, start + 60):
            key = f"load-{number}"
            until(lambda key=key: _issued(service, key), within=40)
            answers[key] = True

    threads = [threading.Thread(target=fire, args=(n * 60,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        reached = len(answers)
        until(lambda reached=reached: len(answers) >= reached + 40, within=40, every=0.01)
        service.cluster.setup.broker.kill()
        service.cluster.server.start()
    for thread in threads:
        thread.join()
    until(lambda: service.used() == (240, 0), within=60)
    assert service.cluster.worker.container.process.alive
    assert len(service.events("issued")) - len(service.events("rejected")) == 240


def test_a_worker_that_is_told_to_stop_hands_its_work_back(service):
    """F54: SIGTERM in the middle of many; another worker does the rest, and nothing twice."""
    service.control.set_cost(issue_ms=30)
    for number in range(400):
        service.issue(f"t-{number}", accept=True)
    until(lambda: service.used()[0] >= 10, within=20)
    worker = service.cluster.worker.container.process
    worker.signal(signal.SIGTERM)
    until(lambda: not worker.alive, within=30)
    assert 0 < service.used()[0] < 400
    service.control.set_cost("none")
    service.cluster.worker.restart()
    until(lambda: service.used() == (400, 0), within=60)
    assert len(service.events("issued")) == 400


@pytest.mark.parametrize("worker_queues", [[names.COMMISSIONS, names.COMMISSIONS]])
def test_two_workers_share_one_lane_without_doubling(service):
    """F2, F31: each record has one holder, and each serial is settled once."""
    for number in range(300):
        service.issue(f"shared-{number}", accept=True)
    until(lambda: service.used() == (300, 0), within=40)
    assert len(service.events("issued")) == 300
    assert service.posts() == 300


def _issued(service, key):
    try:
        return service.issue(key, accept=True)
    except Unavailable:
        return None
