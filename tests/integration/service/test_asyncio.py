"""`AsyncCommissions` on a real ledger: the calls of `Commissions`, awaited; tests play workers."""

import asyncio

import pytest

from astakos_worker import (
    AsyncCommissions,
    Commissions,
    DecisionConflict,
    KeyConflict,
    KeyReused,
    OutcomeTimeout,
    UnknownKey,
)
from astakosclient.errors import BadValue, QuotaLimit
from tests.unit.service.conftest import LANE, OVER_QUOTA, VM


@pytest.fixture
def settings(server, broker):
    from astakos_worker import Settings

    return Settings(times="demo", broker_url=broker.url(), ledger_url=server.url())


@pytest.fixture
def calls(settings):
    return AsyncCommissions(settings=settings)


async def later(calls, call, key, *arguments, seconds=0.05):
    """Make a blocking call of a test's, as another process would, once the key is known."""
    await until(known, calls, key)
    await asyncio.sleep(seconds)  # the caller waits by then, mostly: both must do
    return await asyncio.to_thread(call, key, *arguments)


def test_each_call_is_that_of_commissions(calls, settings, worker):
    async def main():
        one = await calls.issue(**VM, key="k", name="one")
        assert repr(one) == "<AsyncCommission k queued>"
        assert await calls.get("k") == one.last
        again = await calls.issue(**VM, key="k")
        assert again.incarnation == one.incarnation
        with pytest.raises(KeyConflict):
            await calls.issue(**{**VM, "provisions": {"cyclades.vm": 2}}, key="k")
        await asyncio.to_thread(worker.issues, "k", 57)
        assert (await one.outcome(5)).serial == 57
        assert (await calls.outcome(57)).state == "pending"
        await one.extend(3600)
        assert (await one.accept()).last.decision == "accept"
        with pytest.raises(DecisionConflict):
            await calls.reject("k")
        with pytest.raises(UnknownKey):
            await calls.get("nobody")
        many = await calls.issue_many([{**VM, "key": "a"}, {"key": "b"}, {**VM, "key": "c"}])
        assert [type(one).__name__ for one in many] == [
            "AsyncCommission",
            "BadValue",
            "AsyncCommission",
        ]
        decided = await calls.resolve(accept=["a"], reject=[many[2]])
        assert [outcome.decision for outcome in decided.values()] == ["accept", "reject"]
        assert await calls.dead.list() == []
        with pytest.raises(BadValue):
            await calls.issue(user="", project="p", provisions={"cyclades.vm": 1})

    asyncio.run(main())
    assert Commissions(settings=settings).get("k").decision == "accept"


def test_a_handle_names_its_own_use_of_the_key(calls, worker):
    async def main():
        first = await calls.issue(**VM, key="k")
        await first.reject()
        second = await calls.issue(**VM, key="k", reuse=True)
        assert second.incarnation != first.incarnation
        with pytest.raises(KeyReused):
            await first.accept()

    asyncio.run(main())


def test_a_wait_is_told_of_the_end_and_not_polled_for(calls, worker, monkeypatch):
    """Without the slow poll, only a published change can wake the callers."""
    monkeypatch.setattr("astakos_worker.service.waiting._POLL", 60.0)

    async def main():
        await calls.issue(**VM, key="k")
        waits = [asyncio.create_task(calls.outcome("k", 60)) for _ in range(50)]
        await later(calls, worker.issues, "k", 57, seconds=0.5)
        async with asyncio.timeout(20):
            assert {(await one).serial for one in waits} == {57}

    asyncio.run(main())


def test_a_wait_is_bounded_and_raises_what_astakos_said(calls, worker):
    async def main():
        await calls.issue(**VM, key="k")
        with pytest.raises(OutcomeTimeout, match=r"still queued after 0\.05 s"):
            await calls.outcome("k", 0.05)
        await asyncio.to_thread(worker.is_refused, "k")
        with pytest.raises(QuotaLimit) as caught:
            await calls.outcome("k", 5)
        assert caught.value.limit == OVER_QUOTA["limit"]

    asyncio.run(main())


def test_outcomes_come_as_they_are_known(calls, worker):
    async def main():
        for key in "abc":
            await calls.issue(**VM, key=key)
        handle = await calls.issue(**VM, key="d")

        async def play():
            await later(calls, worker.issues, "c", 3)
            await later(calls, worker.is_refused, "a")
            await later(calls, worker.issues, "d", 4)

        playing = asyncio.create_task(play())
        told = [one async for one in calls.outcomes(["a", "b", "c", handle], 3.0)]
        await playing
        assert [(which, type(one).__name__) for which, one in told] == [
            ("c", "Outcome"),
            ("a", "QuotaLimit"),
            (handle, "Outcome"),
            ("b", "OutcomeTimeout"),
        ]
        assert handle.serial == 4

    asyncio.run(main())


def test_who_leaves_the_loop_over_outcomes_early_waits_for_none(calls, worker):
    async def main():
        for key in "ab":
            await calls.issue(**VM, key=key)
        await asyncio.to_thread(worker.issues, "a", 1)
        outcomes = calls.outcomes(["a", "b"], 60)
        assert (await anext(outcomes))[0] == "a"
        await outcomes.aclose()
        names = {task.get_name() for task in asyncio.all_tasks() - {asyncio.current_task()}}
        assert names == {f"astakos-listener-{LANE}"}

    asyncio.run(main())


# --- Hold -------------------------------------------------------------------------------------


def test_a_block_is_accepted_or_rejected_at_its_end(calls, worker):
    async def main():
        playing = asyncio.create_task(later(calls, worker.issues, "k", 57))
        async with calls.hold(**VM, key="k") as one:
            assert (one.last.state, one.serial) == ("pending", 57)
        await playing
        assert one.last.decision == "accept"
        playing = asyncio.create_task(later(calls, worker.issues, "j", 58))
        with pytest.raises(ZeroDivisionError):
            async with calls.hold(**VM, key="j"):
                raise ZeroDivisionError
        await playing
        assert ((await calls.get("j")).decision, (await calls.get("j")).reason) == (
            "reject",
            "ZeroDivisionError",
        )
        playing = asyncio.create_task(later(calls, worker.is_refused, "l"))
        with pytest.raises(QuotaLimit):
            async with calls.hold(**VM, key="l"):
                pytest.fail("the block must not run")
        await playing

    asyncio.run(main())


@pytest.mark.parametrize("where", ["before its serial", "in the block"])
def test_a_hold_that_is_cancelled_is_rejected(calls, worker, where):
    async def main():
        if where == "in the block":
            await calls.issue(**VM, key="k", deadline=60)
            await asyncio.to_thread(worker.issues, "k", 57)
        entered = asyncio.Event()

        async def block():
            async with calls.hold(**VM, key="k"):
                entered.set()
                await asyncio.sleep(60)

        task = asyncio.create_task(block())
        if where == "in the block":
            await entered.wait()
        else:
            await until(known, calls, "k")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        outcome = await until(decided, calls, "k")
        assert (outcome.decision, outcome.reason) == ("reject", "CancelledError")

    asyncio.run(main())


async def until(call, *arguments, within=20):
    """Call until there is an answer that is true; return it."""
    async with asyncio.timeout(within):
        while not (answer := await call(*arguments)):  # noqa: ASYNC110  # of another process
            await asyncio.sleep(0.01)
    return answer


async def decided(calls, key):
    outcome = await calls.get(key)
    return outcome if outcome.decision else None


async def known(calls, key):
    try:
        return await calls.get(key)
    except UnknownKey:
        return None
