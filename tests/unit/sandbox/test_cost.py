"""The cost model: what a request costs, and who waits for whom."""

from __future__ import annotations

import asyncio
import selectors
import time

import pytest

from astakos_worker.sandbox.api.endpoint import READING, Load, WorkKind
from astakos_worker.sandbox.cost import FREE, REAL, CostModel, Servers
from astakos_worker.sandbox.errors import FaultRuleError

STEP_MS = 30
# How late every timer fires, as timers do on a busy machine.
LATE = 0.001


class JumpingSelector(selectors.DefaultSelector):
    """Where others sleep, this one moves a clock: the tests take no time, and always the same."""

    now = 0.0

    def select(self, timeout=None):
        assert timeout is not None, "everybody waits for somebody else"
        if timeout > 0:
            self.now += timeout + LATE
        return super().select(0)


class JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        self._clock = JumpingSelector()
        super().__init__(self._clock)

    def time(self):
        return self._clock.now


def issue(*holders):
    return Load(WorkKind.ISSUE, 1, frozenset(holders))


def finish_times(model, *loads):
    """When each of these loads, all asked for at once, is done, in steps."""

    async def all_at_once():
        servers = Servers(model)
        loop = asyncio.get_running_loop()
        began = loop.time()

        async def one(load):
            await servers.work(load)
            return (loop.time() - began) * 1000 / STEP_MS

        return await asyncio.gather(*map(one, loads))

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(all_at_once())


def test_the_real_figures_are_those_that_were_measured():
    assert REAL.seconds(issue("u")) == pytest.approx(0.0037)
    assert REAL.seconds(Load(WorkKind.RESOLVE, 1)) == pytest.approx(0.005)
    assert REAL.seconds(Load(WorkKind.RESOLVE, 50)) == pytest.approx(0.0932)
    assert REAL.seconds(Load(WorkKind.ISSUE_AND_ACCEPT, 1)) == pytest.approx(0.0073)


def test_without_a_model_nothing_waits():
    assert finish_times(FREE, *[issue("u")] * 100)[-1] == 0


def test_one_server_does_one_thing_after_another():
    model = CostModel(issue_ms=STEP_MS)
    times = finish_times(model, issue("a"), issue("b"), issue("c"))
    assert times == pytest.approx([1, 2, 3], abs=0.1)


def test_on_several_servers_only_those_that_share_a_holder_wait_for_each_other():
    """The request for `a` holds up another for `a`, but none for `b` that comes behind it."""
    model = CostModel(issue_ms=STEP_MS, servers=2)
    first, second, other = finish_times(model, issue("a"), issue("a"), issue("b"))
    assert (first, second, other) == pytest.approx((1, 2, 1), abs=0.1)


def test_a_batch_locks_the_holders_of_all_its_serials_until_the_last_is_done():
    model = CostModel(issue_ms=1, serial_ms=STEP_MS, servers=4)
    batch = Load(WorkKind.RESOLVE, 3, frozenset({"a", "b"}))
    _, blocked, free = finish_times(model, batch, issue("b"), issue("c"))
    assert blocked > 3
    assert free < 0.1


def test_who_waits_for_two_holders_is_not_overtaken_at_either():
    model = CostModel(issue_ms=STEP_MS, servers=3)
    loads = (issue("a"), issue("a", "b"), issue("b"))
    first, both, late = finish_times(model, *loads)
    assert (first, both, late) == pytest.approx((1, 2, 3), abs=0.1)


def test_late_timers_do_not_add_up():
    """A hundred pieces of a millisecond and a bit take as long as their sum, not longer."""
    model = CostModel(issue_ms=1.5)
    times = finish_times(model, *[issue("u")] * 100)
    assert 150 / STEP_MS <= times[-1] < 153 / STEP_MS


def test_reading_waits_for_no_lock():
    model = CostModel(issue_ms=STEP_MS * 4, read_ms=1, servers=2)
    write, read = finish_times(model, issue("a"), READING)
    assert read < write


def test_a_model_may_burn_cpu_instead_of_waiting():
    servers = Servers(CostModel(issue_ms=STEP_MS, burn=True, servers=2))

    async def both():
        await asyncio.gather(servers.work(issue("a")), servers.work(issue("b")))

    before = time.process_time()
    asyncio.run(both())
    assert (time.process_time() - before) * 1000 >= 2 * STEP_MS


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"isue_ms": 1}, "no 'isue_ms'; did you mean 'issue_ms'"),
        ({"issue_ms": -1}, "issue_ms cannot be -1"),
        ({"issue_ms": "fast"}, "issue_ms cannot be 'fast'"),
        ({"servers": 0}, "servers cannot be 0"),
        ({"servers": True}, "servers cannot be True"),
        ({"burn": 1}, "burn cannot be 1"),
    ],
)
def test_a_model_that_makes_no_sense_is_refused(values, complaint):
    with pytest.raises(FaultRuleError, match=complaint):
        CostModel.of(values)
