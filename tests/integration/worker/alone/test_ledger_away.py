"""A service whose ledger is away: an error in bounded time, and nothing half-done."""

import threading

import pytest
from redis import Redis

from astakos_worker import Commissions, LedgerFull, Unavailable
from tests.integration.cluster.servers import BOTH_SERVERS
from tests.integration.cluster.until import until
from tests.integration.worker.alone.calls import BOUND, BY_DEFAULT, again, at_once, messages, timed
from tests.unit.service.conftest import LANE, VM, Worker

CALLS = {
    "issue": lambda c: c.issue(**VM, key="k"),
    "issue without a key": lambda c: c.issue(**VM),
    "hold": lambda c: c.hold(**VM, key="k").__enter__(),
    "accept": lambda c: c.accept("before"),
    "reject": lambda c: c.reject("before"),
    "accept a serial": lambda c: c.accept(57),
    "resolve": lambda c: c.resolve(accept=["before", 57], reject=["k"]),
    "get": lambda c: c.get("before"),
    "outcome": lambda c: c.outcome("before", timeout=30),
}


@BY_DEFAULT
@pytest.mark.parametrize("how", ["killed", "paused"])
def test_without_a_ledger_every_call_is_an_error_in_about_a_second(commissions, server, how):
    """F56: whether nobody answers at its address or nothing comes back from it."""
    server.kill() if how == "killed" else server.process.pause()
    for name, (raised, seconds) in at_once(commissions, CALLS).items():
        assert isinstance(raised, Unavailable), (name, raised)
        assert seconds < BOUND, name
        assert "call again" in str(raised), name
        assert raised.key, name


@BY_DEFAULT
def test_a_service_that_starts_without_a_ledger_is_told_in_about_a_second(settings, server):
    """F56: making `Commissions` opens nothing, and the first call does not hang."""
    server.process.pause()
    raised, seconds = timed(lambda: Commissions(settings=settings).issue(**VM, key="k"))
    assert isinstance(raised, Unavailable)
    assert seconds < BOUND


@BY_DEFAULT
def test_a_hundred_threads_without_a_ledger_are_told_as_soon(commissions, server):
    """More than there are connections: who waits for one waits no longer."""
    server.process.pause()
    calls = {n: lambda c, n=n: c.issue(**VM, key=f"k{n}") for n in range(100)}
    answers = at_once(commissions, calls).values()
    assert {type(raised) for raised, _ in answers} == {Unavailable}
    assert max(seconds for _, seconds in answers) < 2 * BOUND


@BY_DEFAULT
@BOTH_SERVERS
@pytest.mark.parametrize("how", ["killed", "paused"])
def test_the_same_call_again_is_safe(commissions, server, broker, ledger, how):
    """F56: the write whose answer was lost may have been done, and is not done twice."""
    server.kill() if how == "killed" else server.process.pause()
    with pytest.raises(Unavailable) as caught:
        commissions.issue(**VM, key="k", accept=True)
    assert caught.value.key == "k"
    with pytest.raises(Unavailable):
        commissions.accept("before")
    with pytest.raises(Unavailable):
        commissions.reject(57)
    server.start() if how == "killed" else server.process.resume()
    commission = until(lambda: again(lambda: commissions.issue(**VM, key="k", accept=True)))
    assert (commission.last.state, commission.last.decision) == ("queued", "accept")
    assert commissions.accept("before").last.decision == "accept"
    assert commissions.reject(57).last.decision == "reject"
    assert ledger.lane(LANE).open == 3
    assert messages(broker) >= 1


def test_a_killed_ledger_keeps_nothing_of_what_it_refused(commissions, server, ledger):
    """F56: nothing half-done, no record without its index and no index without its record."""
    server.kill()
    with pytest.raises(Unavailable):
        commissions.issue(**VM, key="k", deadline=60)
    server.start()
    until(lambda: again(lambda: commissions.get("before")))
    assert ledger.get(LANE, ["k"]) == {}
    assert (ledger.lane(LANE).open, ledger.lane(LANE).due) == (1, 1)


def test_what_was_acknowledged_outlives_a_kill(commissions, server):
    """Each answer is after the write is on disk."""
    for number in range(50):
        commissions.issue(**VM, key=f"k{number}", accept=True)
    server.kill()
    server.start()
    until(lambda: again(lambda: commissions.get("before")))
    assert {commissions.get(f"k{number}").decision for number in range(50)} == {"accept"}


class Block(threading.Thread):
    """A block of `hold`, which leaves when it is told to; `raised` is what came out of it."""

    def __init__(self, commissions, ledger, failure=None):
        super().__init__()
        self.commissions, self.failure, self.raised = commissions, failure, None
        self.entered, self.leaves = threading.Event(), threading.Event()
        self.start()
        until(lambda: ledger.get(LANE, ["held"]))
        Worker(ledger).issues("held", 57)
        assert self.entered.wait(10)

    def run(self):
        try:
            with self.commissions.hold(**VM, key="held", deadline=60):
                self._work()
        except Exception as error:  # noqa: BLE001  # it is judged by the test
            self.raised = error

    def _work(self):
        self.entered.set()
        self.leaves.wait(60)
        if self.failure:
            raise self.failure

    def leave(self, timeout):
        self.leaves.set()
        self.join(timeout)


def test_leaving_hold_outlasts_a_short_outage(commissions, server, ledger):
    """The decision of a block that has built something is tried for some seconds."""
    block = Block(commissions, ledger)
    server.kill()
    block.leave(0.5)
    assert block.is_alive()
    server.start()
    block.join()
    assert block.raised is None
    assert ledger.get(LANE, ["held"])["held"].cell.verb == "accept"


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr("astakos_worker.service.hold._PERSISTENCE", 0.5)


def test_leaving_hold_gives_up_in_the_end_and_names_key_and_deadline(
    commissions, server, ledger, impatient
):
    """F80: the deadline rejects it; whoever built something on it has to know."""
    block = Block(commissions, ledger)
    server.kill()
    block.leave(60)
    assert isinstance(block.raised, Unavailable)
    assert "accept of 'held' is not recorded" in str(block.raised)
    assert "60 s" in str(block.raised)


def test_an_exception_of_the_block_comes_through_without_a_ledger(
    commissions, server, ledger, impatient
):
    """The failed reject is noted on it."""
    failure = ZeroDivisionError("the block's own")
    block = Block(commissions, ledger, failure)
    server.kill()
    block.leave(60)
    assert block.raised is failure
    assert "reject of 'held' is not recorded" in failure.__notes__[0]


def test_a_ledger_that_is_nearly_full_takes_decisions_and_no_new_commissions(
    commissions, server, ledger
):
    """F79: refused aloud, before anything is stored."""
    with Redis.from_url(server.url()) as connection:
        connection.config_set("maxmemory", 1)
        with pytest.raises(LedgerFull, match="full") as caught:
            commissions.issue(**VM, key="k")
        assert caught.value.key == "k"
        assert commissions.accept("before").last.decision == "accept"
        connection.config_set("maxmemory", 0)
    assert ledger.get(LANE, ["k"]) == {}
    assert commissions.issue(**VM, key="k").last.state == "queued"
