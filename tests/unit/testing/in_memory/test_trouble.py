"""What a test may let go wrong, and that it comes out as it would in production."""

import threading
import time

import pytest

from astakos_worker import (
    Commissions,
    DecisionConflict,
    OutcomeTimeout,
    Unavailable,
)
from tests.unit.testing.in_memory.conftest import ONE_VM, VM


def test_while_astakos_is_away_a_call_succeeds_and_the_work_waits(commissions, usage):
    """F4, F59."""
    commissions.astakos.away = True
    commission = commissions.issue(**ONE_VM, key="k", accept=True)
    with pytest.raises(OutcomeTimeout, match="Astakos is away"):
        commission.outcome(timeout=60)
    commissions.astakos.away = False
    commissions.advance(60)
    assert (commissions.get("k").state, usage()) == ("accepted", (1, 0))


def test_an_answer_that_is_lost_is_found_again_and_not_issued_twice(commissions, usage):
    """F5."""
    commissions.astakos.lose_answers()
    commission = commissions.issue(**ONE_VM, key="k")
    assert (commissions.get("k").state, commissions.astakos.pending) == ("issuing", [1])
    assert commission.outcome(timeout=30).serial == 1
    assert (commissions.astakos.pending, usage()) == ([1], (0, 1))


def test_a_request_that_is_lost_is_sent_again_past_the_quiet_horizon(commissions, usage):
    """F6."""
    commissions.astakos.lose_requests()
    commission = commissions.issue(**ONE_VM, key="k")
    with pytest.raises(OutcomeTimeout):
        commission.outcome(timeout=60)
    assert commissions.astakos.pending == []
    assert commission.outcome(timeout=60).serial == 1
    assert usage() == (0, 1)


def test_a_lost_answer_to_an_accept_ends_as_accepted(commissions, usage):
    """F24."""
    commissions.issue(**ONE_VM, key="k")
    commissions.astakos.lose_answers()
    commissions.accept("k")
    assert commissions.get("k").state == "settling"
    assert commissions.outcome("k", timeout=30).state == "accepted"
    assert usage() == (1, 0)


def test_what_nobody_decides_expires_with_its_deadline(commissions, usage):
    """F37."""
    commissions.issue(**ONE_VM, key="k", deadline=3600)
    commissions.advance(3599)
    assert usage() == (0, 1)
    commissions.advance(61)
    assert (commissions.get("k").reason, usage()) == ("expired", (0, 0))
    with pytest.raises(DecisionConflict, match="expired"):
        commissions.accept("k")


def test_what_has_no_deadline_stays(commissions, usage):
    """F38."""
    commissions.issue(**ONE_VM, key="k")
    commissions.advance(86400)
    assert (commissions.get("k").state, usage()) == ("pending", (0, 1))


def test_a_closed_key_is_new_again_after_its_retention(commissions):
    """F57."""
    commissions.issue(**ONE_VM, key="k", accept=True)
    commissions.advance(7 * 86400 + 1)
    assert commissions.issue(**ONE_VM, key="k").outcome(timeout=5).serial == 2


def test_while_the_workers_are_away_a_call_only_enqueues(commissions, usage):
    commissions.workers.away = True
    commission = commissions.issue(**ONE_VM, key="k")
    with pytest.raises(OutcomeTimeout, match="still queued after 5 s"):
        commission.outcome(timeout=5)
    assert usage() == (0, 0)
    commissions.workers.away = False
    commissions.workers.work()
    assert usage() == (0, 1)


def test_a_reject_that_comes_before_the_workers_cancels(commissions):
    """F18."""
    commissions.workers.away = True
    commissions.issue(**ONE_VM, key="k")
    commissions.reject("k")
    commissions.workers.away = False
    assert commissions.outcome("k", timeout=5).state == "cancelled"
    assert commissions.issue(**ONE_VM, key="other").outcome(timeout=5).serial == 1


def test_a_hold_that_gets_no_serial_in_time_is_rejected_whenever_it_comes(commissions, usage):
    """F80."""
    commissions.astakos.away = True
    with pytest.raises(OutcomeTimeout), commissions.hold(**ONE_VM, key="k", timeout=10):
        raise AssertionError
    commissions.astakos.away = False
    commissions.advance(120)
    assert (commissions.get("k").decision, usage()) == ("reject", (0, 0))


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.issue(**ONE_VM, key="k"),
        lambda c: c.accept("k"),
        lambda c: c.accept(57),
        lambda c: c.resolve(accept=["k"]),
        lambda c: c.get("k"),
        lambda c: c.outcome("k", timeout=5),
    ],
)
def test_while_the_ledger_is_away_each_call_says_so(commissions, call):
    """F56."""
    commissions.ledger.away = True
    with pytest.raises(Unavailable, match="call again"):
        call(commissions)
    commissions.ledger.away = False
    assert commissions.issue(**ONE_VM, key="k").outcome(timeout=5).serial == 1


def test_a_hold_that_cannot_record_its_accept_raises_and_expires(commissions, usage):
    """F80."""
    held = commissions.hold(**ONE_VM, key="k", deadline=600)
    with pytest.raises(Unavailable, match="its deadline is 600 s"), held:
        commissions.ledger.away = True
    commissions.ledger.away = False
    commissions.advance(700)
    assert (commissions.get("k").reason, usage()) == ("expired", (0, 0))


def test_no_time_passes_by_itself_and_waiting_takes_none(commissions):
    before, began = commissions.now, time.monotonic()
    commissions.astakos.away = True
    with pytest.raises(OutcomeTimeout):
        commissions.issue(**ONE_VM, key="k").outcome(timeout=1800)
    assert commissions.now == before + 1800
    assert time.monotonic() - began < 60


def test_a_sweep_can_be_asked_for(commissions):
    commissions.issue(**ONE_VM)
    report = commissions.workers.sweep()
    assert (report["listed"], report["rows"]) == (1, [])


def test_an_owner_is_asked_about_what_nobody_decided(commissions, usage):
    """F37: what the service's database knows decides, and not the deadline alone."""
    asked = []

    def owner(unsettled):
        asked.extend((one.key, one.serial) for one in unsettled)
        return ["accept" if one.key == "paid" else "reject" for one in unsettled]

    commissions.workers.owner = owner
    for key in ("paid", "unpaid"):
        commissions.issue(**ONE_VM, key=key, deadline=600)
    commissions.advance(660)
    assert sorted(asked) == [("paid", 1), ("unpaid", 2)]
    assert [commissions.get(key).state for key in ("paid", "unpaid")] == ["accepted", "rejected"]
    assert usage() == (1, 0)


@pytest.mark.parametrize(
    ("owner", "error"),
    [(lambda _: ["perhaps"], "an answer is accept, reject or leave"), (lambda _: 1 / 0, "zero")],
)
def test_an_owner_with_a_mistake_fails_its_test(commissions, owner, error):
    commissions.workers.owner = owner
    commissions.issue(**ONE_VM, key="k", deadline=600)
    with pytest.raises((ValueError, ZeroDivisionError), match=error):
        commissions.advance(660)


def test_nothing_happens_twice_under_many_threads():
    """Each of its threads finds its own commission through; the sums are those of one thread."""
    commissions = Commissions.in_memory(limits={VM: 40})
    failures = []

    def handle(number):
        try:
            for turn in range(5):
                with commissions.hold(**ONE_VM, key=f"{number}/{turn}"):
                    pass
        except BaseException as failure:  # noqa: BLE001  # told below, in the test's own thread
            failures.append(failure)

    threads = [threading.Thread(target=handle, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    figures = commissions.astakos.quota("ada", "lab", VM)
    assert (figures["usage"], figures["pending"]) == (40, 0)


def test_no_thread_is_left_running(commissions):
    before = threading.enumerate()
    commissions.issue(**ONE_VM, accept=True).outcome(timeout=5)
    assert threading.enumerate() == before
