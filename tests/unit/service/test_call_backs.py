"""Call-backs: a task of the caller's is told at the moments that it asked for, at least once."""

import pytest

from astakos_worker import Commissions
from astakos_worker.service.inside import history
from astakosclient.errors import BadValue

VM = "cyclades.vm"
ONE = {"user": "ada", "project": "lab", "provisions": {VM: 1}}
MANY = {**ONE, "provisions": {VM: 9}}


@pytest.fixture
def commissions():
    return Commissions.in_memory(limits={VM: 2})


class Broker:
    """Takes call-backs; or is away; or takes one, and its sender dies before it records that."""

    def __init__(self, commissions):
        self.told, self.away, self.kills = [], False, False
        commissions.workers._carrier.send_callback = self.tell

    def tell(self, callback, payload):
        if self.away:
            return False
        self.told.append((payload["about"], payload["state"]))
        if self.kills:
            raise SystemExit
        return True


@pytest.fixture
def broker(commissions):
    return Broker(commissions)


@pytest.mark.parametrize(
    ("moments", "told"),
    [
        (["closed"], [("accepted", "accepted")]),
        (["pending"], [("pending", "pending")]),
        (["closed", "pending"], [("pending", "pending"), ("accepted", "accepted")]),
        (["refused"], []),
    ],
)
def test_a_caller_is_told_at_the_moments_that_it_asked_for(commissions, broker, moments, told):
    commissions.issue(**ONE, key="k", callback="shop.done", callback_on=moments)
    commissions.accept("k")
    assert broker.told == told
    assert not history(commissions, "k")[0].is_open


@pytest.mark.parametrize(
    ("moments", "told"),
    [
        (["closed"], [("refused", "refused")]),
        (["refused"], [("refused", "refused")]),
        (["pending"], []),
    ],
)
def test_a_refusal_is_an_end_and_a_moment_of_its_own(commissions, broker, moments, told):
    commissions.issue(**MANY, key="k", callback="shop.done", callback_on=moments)
    assert broker.told == told


def test_who_says_nothing_is_told_of_the_end_alone(commissions):
    commissions.issue(**ONE, key="k", callback="shop.done@mine")
    assert commissions.workers.told == []
    commissions.reject("k")
    [(callback, payload)] = commissions.workers.told
    entry = history(commissions, "k")
    assert callback == "shop.done@mine"
    assert payload == {
        "key": "k",
        "service": "default",
        "about": "rejected",
        "state": "rejected",
        "serial": entry[0].serial,
        "error": None,
        "version": entry[1] - 1,  # the record as it was told; that it was is one more
        "incarnation": entry[0].incarnation,
    }


def test_a_refused_one_is_told_why(commissions):
    commissions.issue(**MANY, key="k", callback="shop.done")
    [(_, payload)] = commissions.workers.told
    assert payload["error"]["class"] == "QuotaLimit"


def test_it_is_told_again_until_the_broker_has_taken_it(commissions, broker):
    broker.away = True
    commissions.issue(**ONE, key="k", callback="shop.done", accept=True)
    assert commissions.get("k").state == "accepted"
    commissions.advance(120)
    assert broker.told == []
    broker.away = False
    commissions.advance(120)
    assert broker.told == [("accepted", "accepted")]


def test_a_broker_that_is_away_does_not_keep_a_decision_from_being_carried_out(commissions, broker):
    """The call-back about "pending" is sent too, once the broker is back."""
    broker.away = True
    moments = ["pending", "closed"]
    commissions.issue(**ONE, key="k", callback="shop.done", callback_on=moments, accept=True)
    assert commissions.get("k").state == "accepted"
    broker.away = False
    commissions.advance(120)
    assert broker.told == [("pending", "accepted"), ("accepted", "accepted")]


def test_it_is_told_twice_rather_than_not_at_all_by_a_worker_that_dies_in_between(
    commissions, broker
):
    """F55: after the broker has taken it, and before the ledger knows."""
    broker.kills = True
    with pytest.raises(SystemExit):
        commissions.issue(**ONE, key="k", callback="shop.done", accept=True)
    assert commissions.get("k").state == "accepted"
    broker.kills = False
    commissions.advance(120)
    assert broker.told == [("accepted", "accepted")] * 2
    commissions.advance(600)
    assert len(broker.told) == 2


@pytest.mark.parametrize("moments", ["closed", [], ["never"], 3, [True], [["closed"]]])
def test_moments_that_are_none_are_refused(commissions, moments):
    with pytest.raises(BadValue, match="callback_on"):
        commissions.issue(**ONE, key="k", callback="shop.done", callback_on=moments)
