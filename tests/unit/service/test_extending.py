"""`extend`: a deadline moves for as long as nobody has decided, and no longer."""

import pytest

from astakos_worker import CommissionFailed, DecisionConflict, UnknownKey
from astakos_worker.ledger import events
from astakosclient.errors import BadValue, QuotaLimit
from tests.unit.service.conftest import LANE, OVER_QUOTA, VM


def deadline(worker, key="k"):
    return worker.entry(key).record.deadline


def test_a_deadline_is_counted_from_now(commissions, worker, clock):
    commission = commissions.issue(**VM, key="k", deadline=60)
    clock.passes(50)
    assert commission.extend(600).last.state == "queued"
    assert deadline(worker) == clock.now() + 600
    commissions.extend("k", 5)
    assert deadline(worker) == clock.now() + 5


def test_one_that_had_none_has_one_then(commissions, worker, clock):
    commissions.issue(**VM, key="k")
    worker.issues("k", 57)
    commissions.extend(57, 5)  # by its serial, too
    assert deadline(worker) == clock.now() + 5


def test_one_that_is_overdue_is_saved_if_the_sweep_was_not_there_yet(commissions, ledger, clock):
    """F37: expiry is a decision like any other: the first one stands."""
    commissions.issue(**VM, key="k", deadline=60)
    clock.passes(61)
    assert ledger.expired(LANE) == ["k"]
    commissions.extend("k", 60)
    assert ledger.expired(LANE) == []


@pytest.mark.parametrize("verb", ["accept", "reject"])
def test_what_is_decided_is_not_extended_even_if_no_worker_has_seen_it(commissions, worker, verb):
    commissions.issue(**VM, key="k", deadline=60)
    worker.issues("k", 57)
    getattr(commissions, verb)("k")
    before = worker.entry("k")
    with pytest.raises(DecisionConflict, match=f"has been decided: {verb}"):
        commissions.extend("k", 600)
    assert worker.entry("k") == before


@pytest.mark.parametrize(
    ("ends", "error"),
    [
        (lambda worker: worker.is_refused("k", OVER_QUOTA), QuotaLimit),
        (lambda worker: worker.does("k", events.Died({"message": "x"})), CommissionFailed),
    ],
)
def test_what_has_ended_says_how(commissions, worker, ends, error):
    commissions.issue(**VM, key="k", deadline=60)
    ends(worker)
    with pytest.raises(error):
        commissions.extend("k", 600)


def test_a_key_that_nobody_issued_is_unknown(commissions):
    with pytest.raises(UnknownKey):
        commissions.extend("k", 600)


@pytest.mark.parametrize("seconds", [0, -1, "soon", True, None])
def test_seconds_that_are_none_are_refused(commissions, worker, seconds):
    commissions.issue(**VM, key="k", deadline=60)
    with pytest.raises(BadValue, match="deadline"):
        commissions.extend("k", seconds)
