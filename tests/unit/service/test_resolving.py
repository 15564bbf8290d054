"""Deciding many at once: each stands alone."""

import pytest

from astakos_worker.ledger import events
from astakos_worker.service.errors import CommissionFailed, DecisionConflict, UnknownKey
from astakos_worker.service.outcome import Outcome
from astakosclient.errors import BadValue, QuotaLimit
from tests.unit.service.conftest import LANE, VM


@pytest.fixture
def pending(commissions, worker, clock, bell):
    """Commissions `k1` to `k4`, which Astakos holds as 51 to 54."""
    for number in range(1, 5):
        commissions.issue(**VM, key=f"k{number}")
        worker.issues(f"k{number}", 50 + number)
    clock.passes(60)
    bell.rung.clear()


def decisions(became):
    return {which: one.decision for which, one in became.items() if isinstance(one, Outcome)}


def errors(became):
    return {which: type(one) for which, one in became.items() if isinstance(one, Exception)}


def test_keys_and_serials_are_decided_in_one_call(commissions, pending, worker):
    became = commissions.resolve(accept=["k1", 52, 900], reject=["k3", 54])
    assert decisions(became) == {
        "k1": "accept",
        52: "accept",
        900: "accept",
        "k3": "reject",
        54: "reject",
    }
    cells = [worker.entry(which).cell.verb for which in ("k1", "k2", "k3", "k4", 900)]
    assert cells == ["accept", "accept", "reject", "reject", "accept"]


def test_what_became_of_each_comes_in_the_order_asked(commissions, pending):
    assert list(commissions.resolve(["k2", 51, "k2"], ["k4", 53])) == ["k2", 51, "k4", 53]


def test_many_ring_no_more_often_than_there_is_room_for_carriers(commissions, worker, clock, bell):
    keys = [f"k{number}" for number in range(200)]
    for serial, key in enumerate(keys, start=1):
        commissions.issue(**VM, key=key)
        worker.issues(key, serial)
    clock.passes(60)
    bell.rung.clear()
    commissions.resolve(accept=keys)
    assert len(bell.rung) == 2  # two settle many: a third would find nothing


def test_one_in_both_lists_is_decided_in_neither(commissions, pending, worker):
    """F23: a conflict for it alone."""
    became = commissions.resolve(accept=["k1", "k2", 900], reject=["k2", "k3", 900])
    assert errors(became) == {"k2": DecisionConflict, 900: DecisionConflict}
    assert decisions(became) == {"k1": "accept", "k3": "reject"}
    assert worker.entry("k2").cell is None
    assert worker.ledger.get(LANE, ["\x1f900"]) == {}


def test_one_in_both_lists_under_two_names_is_decided_in_neither(commissions, pending, worker):
    """F23: its key in one, its serial in the other."""
    became = commissions.resolve(accept=["k1", "k2"], reject=[52, "k3"])
    assert errors(became) == {"k2": DecisionConflict, 52: DecisionConflict}
    assert worker.entry("k2").cell is None


def test_one_under_two_names_in_one_list_is_decided_once(commissions, pending, bell):
    """F28."""
    assert decisions(commissions.resolve(accept=["k1", 51])) == {"k1": "accept", 51: "accept"}
    assert len(bell.rung) == 1


def test_what_cannot_be_decided_does_not_keep_the_others(commissions, pending, worker):
    commissions.issue(**VM, key="over")
    worker.is_refused("over")
    worker.does("k2", events.Died({"class": "NotSettled", "message": "for hours"}))
    commissions.reject("k3")
    became = commissions.resolve(accept=["unknown", "over", "k2", "k3", "k1"], reject=["k4"])
    assert errors(became) == {
        "unknown": UnknownKey,
        "over": QuotaLimit,
        "k2": CommissionFailed,
        "k3": DecisionConflict,
    }
    assert decisions(became) == {"k1": "accept", "k4": "reject"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"accept": "k1"},
        {"accept": 51},
        {"reject": "51"},
        {"accept": ["k1", True]},
        {"accept": ["k1", None]},
        {"reject": ["k1", ""]},
        {"accept": ["k1", 5.0]},
        {"accept": ["k1"], "reject": [0]},
    ],
)
def test_bad_input_raises_and_nothing_is_decided(commissions, pending, worker, wrong):
    """F28: not even what was good in it."""
    with pytest.raises(BadValue):
        commissions.resolve(**wrong)
    assert worker.entry("k1").cell is None


def test_nothing_to_decide_is_nothing(commissions):
    assert commissions.resolve() == {}
