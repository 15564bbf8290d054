"""Waiting for an outcome: told at once, for a bounded time, and with the client's errors."""

import threading
import time
from dataclasses import replace

import pytest
from msgspec import structs

from astakos_worker import Commissions
from astakos_worker.ledger import events
from astakos_worker.ledger.record import State
from astakos_worker.service.errors import CommissionFailed, OutcomeTimeout, UnknownKey
from astakosclient.errors import BadRequest, QuotaLimit
from tests.integration.cluster.until import until
from tests.unit.service.conftest import LANE, VM


@pytest.fixture
def waiting(commissions):
    """Waits for outcomes in threads; a call returns the outcome or the error."""
    threads = []

    def waiting(key, timeout=30):
        answers = []

        def wait():
            try:
                answers.append(commissions.outcome(key, timeout))
            except Exception as error:  # noqa: BLE001  # it belongs to the test's own thread
                answers.append(error)

        thread = threading.Thread(target=wait)
        threads.append(thread)
        thread.start()

        def answer():
            thread.join()
            return answers[0]

        return answer

    yield waiting
    for thread in threads:
        thread.join()


def watched(connections):
    return len(connections.watcher._waiting)


def test_an_undecided_commission_is_through_when_it_has_a_serial(commissions, worker, waiting):
    commissions.issue(**VM, key="k")
    answer = waiting("k")
    worker.issues("k", 57)
    assert (answer().state, answer().serial) == ("pending", 57)


def test_a_decided_one_is_through_when_it_is_settled(commissions, worker, waiting, connections):
    commissions.issue(**VM, key="k", accept=True)
    worker.issues("k", 57)
    with pytest.raises(OutcomeTimeout):
        commissions.outcome("k", 0.01)
    answer = waiting("k")
    worker.settles("k")
    assert answer().state == "accepted"


def test_a_handle_remembers_the_outcome(commissions, worker):
    commission = commissions.issue(**VM, key="k")
    worker.issues("k", 57)
    assert commission.last.state == "queued"
    assert commission.outcome(1).serial == 57
    assert commission.last.serial == 57


def test_a_change_is_heard_and_not_polled_for(
    commissions, worker, waiting, connections, monkeypatch
):
    """Without the slow poll, only a published change can wake the waiting callers."""
    monkeypatch.setattr("astakos_worker.service.waiting._POLL", 60.0)
    commissions.issue(**VM, key="k")
    answers = [waiting("k", timeout=60) for _ in range(5)]
    until(lambda: len(connections.watcher._waiting.get((LANE, "k"), ())) == 5)
    until(lambda: worker.ledger._lanes[LANE].rows["k"].watched > 0)
    began = time.monotonic()
    worker.issues("k", 57)
    assert {answer().serial for answer in answers} == {57}
    assert time.monotonic() - began < 30


def test_a_change_that_nobody_publishes_is_found_by_a_poll(commissions, worker, waiting, listener):
    """A message that is lost costs half a second."""
    commissions.issue(**VM, key="k")
    answer = waiting("k")
    until(lambda: listener.heard)
    listener.heard.clear()
    worker.issues("k", 57)
    assert answer().serial == 57


def test_a_change_that_is_heard_late_says_nothing_new(commissions, worker, waiting, listener):
    """It was published before the decision that the waiting caller has recorded."""
    commissions.issue(**VM, key="k")
    worker.issues("k", 57)
    undecided = worker.entry("k")
    commissions.accept("k")
    answer = waiting("k")
    until(lambda: listener.heard and worker.ledger._lanes[LANE].rows["k"].watched > 0)
    listener.tell("k", undecided)
    worker.settles("k")
    assert answer().state == "accepted"


def test_another_services_commission_of_the_same_key_is_nothing_that_is_waited_for(  # noqa: PLR0917  # fixtures
    commissions, settings, connections, worker, waiting, listener
):
    """Both are waited for in one process; the other one has its serial first."""
    other = Commissions("other", settings=settings, connections=connections)
    for each in (commissions, other):
        each.issue(**VM, key="k")
    with pytest.raises(OutcomeTimeout):
        other.outcome("k", 0.01)
    answer = waiting("k")
    until(lambda: worker.ledger._lanes[LANE].rows["k"].watched > 0)
    [theirs] = connections.ledger.get("other", ["k"]).values()
    pending = structs.replace(theirs.record, state=State.PENDING, serial=99)
    listener.tell("k", replace(theirs, record=pending, version=7), "other")
    worker.issues("k", 57)
    assert answer().serial == 57


def test_a_wait_is_bounded_and_says_how_it_stands(commissions, connections):
    commissions.issue(**VM, key="k")
    with pytest.raises(OutcomeTimeout, match=r"'k' is still queued after 0\.01 s") as caught:
        commissions.outcome("k", timeout=0.01)
    assert caught.value.key == "k"
    assert watched(connections) == 0


def test_nobody_is_left_waiting_for(commissions, worker, connections):
    commissions.issue(**VM, key="k")
    worker.issues("k", 57)
    for _ in range(3):
        commissions.outcome("k", 1)
    with pytest.raises(UnknownKey):
        commissions.outcome("other", 1)
    assert watched(connections) == 0


def test_the_refusal_is_the_one_that_the_client_would_raise(commissions, worker):
    """F12: with the figures."""
    commissions.issue(**VM, key="k")
    worker.is_refused("k")
    with pytest.raises(QuotaLimit) as caught:
        commissions.outcome("k", 1)
    assert (caught.value.holder, caught.value.source) == ("user:u", "project:p")
    assert (caught.value.resource, caught.value.limit, caught.value.usage) == ("cyclades.vm", 2, 2)
    assert caught.value.status == 413


def test_a_bad_request_is_told_as_one(commissions, worker):
    commissions.issue(**VM, key="k")
    worker.is_refused("k", BadRequest("no such resource").to_dict())
    with pytest.raises(BadRequest, match="no such resource"):
        commissions.outcome("k", 1)


@pytest.mark.parametrize(
    ("event", "state"),
    [
        (events.Vanished(), "vanished"),
        (events.Conflicted({"message": "two truths"}), "conflict"),
        (events.Died({"message": "by hand"}), "dead"),
    ],
)
def test_what_a_person_has_to_look_at_says_so(commissions, worker, event, state):
    commissions.issue(**VM, key="k")
    worker.issues("k", 57)
    worker.does("k", event)
    with pytest.raises(CommissionFailed, match=f"'k' is {state}"):
        commissions.outcome("k", 1)
    assert commissions.get("k").state == state


@pytest.mark.parametrize("state", ["rejected", "cancelled"])
def test_rejected_and_cancelled_are_outcomes_and_no_errors(commissions, worker, state):
    commissions.issue(**VM, key="k")
    if state == "rejected":
        worker.issues("k", 57)
    commissions.reject("k")
    if state == "rejected":
        worker.settles("k")
    assert commissions.outcome("k", 1).state == state


def test_a_key_that_nobody_issued_is_unknown(commissions):
    with pytest.raises(UnknownKey, match="'k'"):
        commissions.outcome("k", 1)
    with pytest.raises(UnknownKey, match="'k'"):
        commissions.get("k")


def test_an_error_on_the_way_is_not_the_outcome(commissions, worker):
    """An error of a try is for operators, until the commission has ended."""
    commissions.issue(**VM, key="k")
    record = worker.announces("k")
    worker.does("k", events.Doubtful(record.marks, record.created, {"class": "ConnectionError"}))
    assert commissions.get("k").error is None


def test_a_bare_serial_that_turns_out_to_be_a_keys_gets_no_second_wait(
    commissions, worker, waiting, connections, clock
):
    """The rest of the caller's time goes to the key's commission."""
    commissions.issue(**VM, key="k")
    commissions.accept(57)
    answer = waiting(57, timeout=3600)
    until(lambda: watched(connections) == 1)
    clock.passes(3600)
    worker.does(57, events.Merged("k"))
    assert isinstance(answer(), OutcomeTimeout)
