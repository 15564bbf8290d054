"""The calls of an event loop leave it to others: no stall, no thread, nothing half-done.

Bounds are on what the loop's own thread computes, and not on the time of day: a busy machine takes
the processor away from every program.
"""

import asyncio
import gc
import os
import random
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis

from astakos_worker import AsyncCommissions, Commissions, Unavailable, UnknownKey
from tests.unit.service.conftest import VM

#: Requests at once.
MANY = 200
#: Seconds that the loop may compute between two ticks. On a quiet machine it is 0.004; a slow
#: machine computes for longer.
LONGEST = 0.015


class Ticker:
    """Ticks every 5 ms in an event loop, and notes how long the loop computed in between.

    A full garbage collection takes as long as the program is large, whoever has filled it; here it
    is the tests'. None runs meanwhile.
    """

    def __init__(self):
        self.computed, self.ticks = [], 0

    async def __aenter__(self):
        gc.collect()
        gc.disable()
        self._task = asyncio.create_task(self._tick())
        await asyncio.sleep(0.02)
        return self

    async def __aexit__(self, *_):
        await asyncio.sleep(0.02)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        gc.enable()

    async def _tick(self):
        before = time.thread_time()
        while True:
            await asyncio.sleep(0.005)
            now = time.thread_time()
            self.computed.append(now - before)
            before, self.ticks = now, self.ticks + 1

    @property
    def longest(self):
        return max(self.computed)


@pytest.fixture
def calls(settings):
    return AsyncCommissions(settings=settings)


async def at_once(call, keys):
    return await asyncio.gather(*(call(key) for key in keys), return_exceptions=True)


def keys(prefix, number=MANY):
    return [f"{prefix}-{n}" for n in range(number)]


def test_two_hundred_requests_at_once_stall_nobody(calls, commissions):
    """The synchronous calls stall the loop for as long as all of them take."""

    async def main():
        await calls.issue(**VM, key="first")
        found = {}
        async with Ticker() as ticker:
            issued = await at_once(lambda key: calls.issue(**VM, key=key), keys("a"))
        found["issue"] = ticker.longest
        async with Ticker() as ticker:
            read = await at_once(calls.get, keys("a"))
        found["get"] = ticker.longest
        async with Ticker() as ticker:
            decided = await at_once(calls.accept, keys("a"))
        found["accept"] = ticker.longest
        async with Ticker() as ticker:
            await calls.issue_many([{**VM, "key": key} for key in keys("many", 1000)])
        found["issue_many"] = ticker.longest
        async with Ticker() as ticker:
            for key in keys("blocking"):
                commissions.issue(**VM, key=key)
        assert [one.key for one in issued] == [one.key for one in read] == keys("a")
        assert {one.last.decision for one in decided} == {"accept"}
        return found, ticker.longest

    found, blocking = asyncio.run(main())
    assert max(found.values()) < LONGEST, found
    assert max(found.values()) < blocking / 2, (found, blocking)


def test_it_costs_no_more_than_a_pool_of_threads(calls, commissions):
    """So its throughput is at least theirs. Both are measured by turns, and the best counts."""

    async def main():
        costs = {"loop": [], "threads": []}
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(32) as pool:

            def in_thread(key):
                return loop.run_in_executor(pool, lambda: commissions.issue(**VM, key=key))

            ways = {"loop": lambda key: calls.issue(**VM, key=key), "threads": in_thread}
            for number in range(6):
                for name, way in ways.items():
                    began = time.process_time()
                    await at_once(way, keys(f"{name}-{number}"))
                    costs[name].append(time.process_time() - began)
        return {name: min(seconds) for name, seconds in costs.items()}

    costs = asyncio.run(main())
    assert costs["loop"] < 1.2 * costs["threads"], costs


def test_no_call_has_a_thread(calls):
    """One thread of the process publishes the wake-ups of all."""

    before = set(threading.enumerate())  # other tests may have left some

    async def main():
        await calls.issue(**VM, key="first")
        waits = [asyncio.create_task(calls.outcome("first", 60)) for _ in range(MANY)]
        await at_once(lambda key: calls.issue(**VM, key=key), keys("a"))
        names = [one.name for one in threading.enumerate() if one not in before]
        for one in waits:
            one.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        return names

    assert set(asyncio.run(main())) <= {"astakos-wake-ups"}


# --- A ledger that is away --------------------------------------------------------------------


def test_with_a_frozen_ledger_other_requests_go_on(calls, server, settings):
    """F56: all calls fail within the patience of two, and the loop ticks meanwhile."""

    async def main():
        await calls.issue(**VM, key="first")
        server.process.pause()
        began = time.monotonic()
        async with Ticker() as ticker:
            failed = await at_once(lambda key: calls.issue(**VM, key=key), keys("a"))
            took = time.monotonic() - began
        assert {type(one) for one in failed} == {Unavailable}
        assert all(one.token for one in failed)
        assert took < 3 * settings.patience, took
        assert ticker.longest < LONGEST
        assert ticker.ticks > 20
        server.process.resume()
        async with asyncio.timeout(20):
            while isinstance((await at_once(calls.get, ["first"]))[0], Unavailable):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        issued = await at_once(lambda key: calls.issue(**VM, key=key), keys("a"))
        assert [one.key for one in issued] == keys("a")

    asyncio.run(main())


def test_a_call_before_the_ledger_is_there_fails_and_a_later_one_does_not(calls, server, settings):
    async def main():
        with pytest.raises(Unavailable):
            await calls.issue(**VM, key="k")
        await asyncio.to_thread(server.start)
        async with asyncio.timeout(20):
            while isinstance((await at_once(calls.get, ["k"]))[0], Unavailable):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert (await calls.issue(**VM, key="k")).state == "queued"

    server.kill()
    asyncio.run(main())


# --- Cancellation -----------------------------------------------------------------------------


def test_calls_that_are_cancelled_at_any_moment_leave_nothing_half_done(calls):
    """Each commission is there or not. The others' answers are their own."""
    chance = random.Random(1)

    async def given_up(key):
        task = asyncio.create_task(calls.issue(**VM, key=key))
        await asyncio.sleep(chance.choice([0, 0, 0.001, 0.003, 0.01]))
        task.cancel()
        return (await asyncio.gather(task, return_exceptions=True))[0]

    async def main():
        await calls.issue(**VM, key="first")
        for number in range(5):
            results = await asyncio.gather(
                at_once(given_up, keys(f"cancelled-{number}", 40)),
                at_once(lambda key: calls.issue(**VM, key=key), keys(f"kept-{number}", 40)),
            )
            assert [one.key for one in results[1]] == keys(f"kept-{number}", 40)
        read = await at_once(calls.get, cancelled := keys("cancelled-0", 40))
        assert {type(one).__name__ for one in read} <= {"Outcome", "UnknownKey"}
        assert {one.key for one in read} == set(cancelled)
        again = await at_once(lambda key: calls.issue(**VM, key=key), cancelled)
        assert [one.key for one in again] == cancelled

    asyncio.run(main())


def test_what_a_cancelled_call_has_begun_is_written(calls):
    async def main():
        await calls.issue(**VM, key="first")
        task = asyncio.create_task(calls.issue(**VM, key="k"))
        await asyncio.sleep(0)  # it has begun
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(20):
            while isinstance((await at_once(calls.get, ["k"]))[0], UnknownKey):  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    asyncio.run(main())


def test_a_time_out_of_the_callers_ends_a_wait_at_once(calls):
    async def main():
        await calls.issue(**VM, key="k")
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await calls.outcome("k", 60)
        assert time.monotonic() - began < 10
        assert (await calls.get("k")).state == "queued"

    asyncio.run(main())


# --- Several event loops, forks ---------------------------------------------------------------


def connections(settings):
    with Redis.from_url(settings.ledger_url) as admin:
        return len(admin.client_list()) - 1


def test_each_event_loop_has_its_own_connections_and_closes_them(settings, server):
    """One after the other, and several at once in threads; by the same object."""
    calls = AsyncCommissions(settings=settings)

    async def main(name):
        await calls.issue(**VM, key=name)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await calls.outcome(name, 60)
        return (await calls.get(name)).key

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [asyncio.run(main(f"k{n}")) for n in range(3)] == ["k0", "k1", "k2"]
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda n: asyncio.run(main(f"t{n}")), range(20)))
        gc.collect()
    assert found == [f"t{n}" for n in range(20)]
    assert connections(settings) <= 2  # those of the thread that publishes wake-ups


def test_a_child_of_a_fork_has_connections_of_its_own(calls, settings):
    async def issue(key):
        return (await calls.issue(**VM, key=key)).key

    async def main():
        await calls.issue(**VM, key="first")
        child = os.fork()
        if not child:
            os._exit(asyncio_in_a_child(issue))
        _, status = await asyncio.to_thread(os.waitpid, child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert await issue("parent") == "parent"
        assert (await calls.get("child")).state == "queued"

    asyncio.run(main())


def asyncio_in_a_child(issue):
    """Run a loop in the child of a fork; return the child's exit status."""
    asyncio.events._set_running_loop(None)  # the parent's does not run here
    try:
        return 0 if asyncio.run(issue("child")) == "child" else 1
    except BaseException:  # noqa: BLE001  # a child of a test must not go on as the test
        return 2


def test_the_blocking_calls_go_on_beside_it(calls, commissions):
    async def main():
        await calls.issue(**VM, key="a")
        return await asyncio.to_thread(commissions.get, "a")

    assert asyncio.run(main()).state == "queued"
    assert isinstance(commissions, Commissions)
