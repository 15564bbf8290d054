"""`hold`: reserved for the time of a block; the end of the block decides."""

import threading

import pytest

from astakos_worker.ledger import events
from astakos_worker.ledger.record import Decision
from astakos_worker.service.errors import CommissionFailed, DecisionConflict, OutcomeTimeout
from astakosclient.errors import BadValue, QuotaLimit
from tests.integration.cluster.until import until
from tests.unit.service.conftest import LANE, VM


class BuildError(Exception):
    """The service's own work failed."""


@pytest.fixture
def playing(worker, ledger):
    """Plays a worker beside the block: does this as soon as the commission exists."""
    threads = []

    def playing(play, key="k"):
        def wait_and_play():
            until(lambda: key in ledger.get(LANE, [key]), every=0.001)
            play(key)

        threads.append(threading.Thread(target=wait_and_play))
        threads[-1].start()

    yield playing
    for thread in threads:
        thread.join()


@pytest.fixture
def issued(playing, worker):
    playing(lambda key: worker.issues(key, 57))


def decision(worker):
    cell = worker.entry("k").cell
    return (cell.verb, cell.reason) if cell else None


def test_it_is_accepted_on_leaving_the_block(commissions, worker, issued):
    with commissions.hold(**VM, key="k", name="create server 42") as commission:
        assert (commission.last.state, commission.last.serial) == ("pending", 57)
        assert decision(worker) is None
    assert decision(worker) == ("accept", "")
    assert worker.entry("k").record.request.name == "create server 42"


def test_it_is_rejected_on_an_exception_which_comes_through(commissions, worker, issued):
    failure = BuildError("no disk")
    with pytest.raises(BuildError) as caught, commissions.hold(**VM, key="k"):
        raise failure
    assert caught.value is failure
    assert getattr(failure, "__notes__", []) == []
    assert decision(worker) == ("reject", "BuildError")


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_it_is_rejected_when_the_process_is_told_to_stop(commissions, worker, issued, stop):
    with pytest.raises(stop), commissions.hold(**VM, key="k"):
        raise stop
    assert decision(worker) == ("reject", stop.__name__)


def test_what_is_refused_never_enters_the_block(commissions, worker, playing):
    playing(worker.is_refused)
    entered = []
    with pytest.raises(QuotaLimit) as caught, commissions.hold(**VM, key="k"):
        entered.append(True)
    assert (caught.value.resource, caught.value.limit) == ("cyclades.vm", 2)
    assert entered == []


def test_what_dies_on_the_way_never_enters_the_block(commissions, worker, playing):
    playing(lambda key: worker.does(key, events.Died({"message": "by hand"})))
    entered = []
    with pytest.raises(CommissionFailed), commissions.hold(**VM, key="k"):
        entered.append(True)
    assert entered == []


def test_without_a_serial_in_time_it_is_rejected(commissions, worker):
    """F80."""
    entered = []
    rejected = pytest.raises(OutcomeTimeout, match="it was rejected, and nothing stays")
    with rejected, commissions.hold(**VM, key="k", timeout=0.01):
        entered.append(True)
    assert entered == []
    assert decision(worker) == ("reject", "OutcomeTimeout")


def test_it_always_has_a_deadline(commissions, worker, issued, settings):
    """F80: if this process dies inside the block, nothing stays for ever."""
    with commissions.hold(**VM, key="k"):
        record = worker.entry("k").record
        assert record.deadline == record.created + settings.hold_deadline


def test_the_deadline_can_be_chosen(commissions, worker, issued):
    with commissions.hold(**VM, key="k", deadline=7):
        record = worker.entry("k").record
        assert record.deadline == record.created + 7


@pytest.mark.parametrize("deadline", [0, -1, "soon", True])
def test_a_deadline_that_is_none_is_refused(commissions, ledger, deadline):
    with pytest.raises(BadValue), commissions.hold(**VM, key="k", deadline=deadline):
        pass
    assert ledger.lanes() == []


def test_a_block_that_outlived_its_deadline_is_told_on_leaving(commissions, ledger, issued):
    """The sweep was first: nobody pays for what the block has built."""
    with (  # what is raised on leaving is the point
        pytest.raises(DecisionConflict, match=r"reject \(expired\)"),
        commissions.hold(**VM, key="k"),
    ):
        ledger.decide(LANE, {"k": Decision("reject", "expired", 1.0)})


def test_an_exception_comes_through_even_if_it_was_accepted_meanwhile(commissions, issued):
    """The failed reject is noted on it."""
    with (  # noqa: PT012  # how the block got there is the point
        pytest.raises(BuildError) as caught,
        commissions.hold(**VM, key="k") as commission,
    ):
        commission.accept()
        raise BuildError
    assert "has been decided: accept" in caught.value.__notes__[0]


def test_an_exception_comes_through_even_if_the_commission_has_vanished(
    commissions, worker, issued
):
    with (  # noqa: PT012  # how the block got there is the point
        pytest.raises(BuildError) as caught,
        commissions.hold(**VM, key="k"),
    ):
        worker.does("k", events.Vanished())
        raise BuildError
    assert "vanished" in caught.value.__notes__[0]


def test_a_block_that_decided_by_itself_may(commissions, worker, issued):
    with commissions.hold(**VM, key="k") as commission:
        commission.accept()
    assert decision(worker) == ("accept", "")


def test_the_same_key_again_after_it_was_accepted_enters_again(commissions, worker, issued):
    """A request handler that is tried again finds its reservation."""
    with commissions.hold(**VM, key="k"):
        pass
    worker.settles("k")
    with commissions.hold(**VM, key="k") as commission:
        assert (commission.last.state, commission.last.serial) == ("accepted", 57)


@pytest.mark.parametrize("settled", [True, False])
def test_the_same_key_again_after_it_was_rejected_does_not_enter(
    commissions, worker, issued, settled
):
    """There is nothing reserved that a block could build on."""
    with pytest.raises(BuildError), commissions.hold(**VM, key="k"):
        raise BuildError
    if settled:
        worker.settles("k")
    entered = []
    with pytest.raises(DecisionConflict), commissions.hold(**VM, key="k", timeout=0.01):
        entered.append(True)
    assert entered == []


def test_the_same_key_again_after_it_was_cancelled_does_not_enter(commissions):
    commissions.issue(**VM, key="k")
    commissions.reject("k")
    entered = []
    with pytest.raises(DecisionConflict), commissions.hold(**VM, key="k"):
        entered.append(True)
    assert entered == []
