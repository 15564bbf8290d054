"""Rates are of the time between two looks, over all workers, and a restart is no negative rate."""

from astakos_worker.worker.health.observed import Presence
from astakos_worker.worker.health.rates import Rates, rates


def worker(node, ended, requests, failed=0.0, seconds=0.0):
    counts = {"ended": ended, "requests": requests, "failed": failed, "seconds": seconds}
    return Presence(node, 0.0, counts={"default": counts})


def test_the_workers_of_a_service_are_added_up():
    before = [worker("a", 10, 100, 1, 5.0), worker("b", 0, 0)]
    after = [worker("a", 30, 140, 3, 7.0), worker("b", 4, 20, 0, 1.0)]
    assert rates(before, after, 2.0) == {"default": Rates(12.0, 30.0, 1.0, 0.05)}


def test_a_worker_that_was_restarted_counts_from_nought():
    assert rates([worker("a", 10, 100)], [worker("a", 3, 10)], 1.0)["default"].ended == 3


def test_one_that_has_gone_does_not_count_and_a_new_one_does():
    found = rates([worker("a", 10, 100)], [worker("b", 2, 2)], 1.0)
    assert found == {"default": Rates(2.0, 2.0, 0.0, 0.0)}


def test_without_requests_there_is_no_latency():
    assert rates([], [worker("a", 0, 0)], 1.0)["default"].latency is None
