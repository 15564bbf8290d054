"""Many look-ups at the same time: each its own answer, in few requests and few messages."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from celery import Celery

from astakos_worker import Lookups
from astakos_worker.configuration import names
from astakosclient import NotFound
from tests.integration.cluster.until import until
from tests.integration.worker.lookups.asking import USER, USERS, requests, sent


def test_each_of_sixteen_threads_gets_its_own_answer(lookups):
    """F64: with strangers, refusals and other questions in between."""
    start = threading.Barrier(16)

    def ask(uuid):
        start.wait()
        answers = []
        for number in range(5):
            answers.append(lookups.usernames([uuid, f"stranger-{number}"]) == {uuid: USERS[uuid]})
            answers.append(lookups.uuid(USERS[uuid]) == uuid)
            with pytest.raises(NotFound):
                lookups.commission_info(10**6 + number)
        return all(answers)

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, USERS))


def test_a_thousand_leave_nothing_behind(settings, stack, broker):
    """No subscription, no connection for each, no answer that nobody will read again."""
    lookups = Lookups(settings=settings, timeout=30)
    start = threading.Barrier(8)

    def ask(times):
        start.wait()
        return [lookups.usernames([USER]) for _ in range(times)]

    def left():
        results = list(broker.scan_iter("celery-task-meta-*", count=1000))
        return broker.pubsub_channels("celery-task-meta-*"), results

    def connections():
        return sum("brpop" not in one["cmd"] for one in broker.client_list())

    def all_at_once(times):
        with ThreadPoolExecutor(8) as pool:
            return sum(map(len, pool.map(ask, [times] * 8)))

    _, before = left()
    assert all_at_once(10) == 80
    open_then = connections()
    assert all_at_once(125) == 1000
    # A pool holds at most one a thread for sending, and one for reading.
    assert connections() <= open_then + 2 * 8
    until(lambda: left() == ([], before))


def test_what_is_asked_at_the_same_time_goes_in_few_requests(stack, control, paused, broker):
    """F64: sixteen messages, and each its own answer; strangers and refusals in between."""
    url = stack.broker_url
    before = requests(control)
    control.set_cost(read_ms=1000)
    try:
        with Celery("somebody", broker=url, backend=url, set_as_current=False) as app:
            task, queue = names.LOOKUP + "usernames", names.LOOKUPS
            asked = [
                app.send_task(task, queue=queue, kwargs={"uuids": [uuid, f"stranger-{uuid}"]})
                for uuid in list(USERS)[:14]
            ]
            odd = app.send_task(task, queue=queue, kwargs={"uuids": [USER, 7]})
            strange = app.send_task(task, queue=queue, kwargs={"uuids": [USER], "service": "none"})
            paused.resume()
            for uuid, one in zip(USERS, asked, strict=False):
                assert one.get(timeout=60) == {"value": {uuid: USERS[uuid]}}
            assert odd.get(timeout=60)["error"]["class"] == "BadValue"
            with pytest.raises(KeyError, match="no service 'none'"):
                strange.get(timeout=60)
    finally:
        control.set_cost()
    assert 1 <= requests(control) - before <= 7


def test_what_a_service_asks_at_the_same_time_goes_in_few_messages(lookups, broker, paused):
    """F64: no thread waits for a message of its own; four are under way, and the rest gathers."""
    before = sent(broker)
    with ThreadPoolExecutor(16) as pool:
        asked = {uuid: pool.submit(lookups.username, uuid) for uuid in USERS}
        until(lambda: broker.llen(names.LOOKUPS) == 4, every=0.01)
        gather = lookups._here.gathers["usernames"]
        until(lambda: len(gather._waiting) == 12, every=0.01)
        paused.resume()
        assert {uuid: one.result(timeout=60) for uuid, one in asked.items()} == USERS
    assert sent(broker) - before <= 4 + 4
