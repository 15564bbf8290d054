"""A call that names a commission's use of its key means no later use of that key."""

import pytest

from astakos_worker import Commissions
from astakos_worker.ledger.awaited import at_once
from astakos_worker.service.errors import KeyReused, UnknownKey
from astakos_worker.service.inside import decider_of, history
from astakosclient.errors import BadValue
from tests.unit.service.conftest import LANE, VM


@pytest.fixture
def first(commissions, worker):
    """A handle of the first commission of key k, which was accepted."""
    first = commissions.issue(**VM, key="k")
    worker.issues("k", 57)
    first.accept()
    worker.settles("k")
    return first


@pytest.fixture
def second(commissions, worker, first):
    """A handle of the second one, which nobody has decided."""
    second = commissions.issue(**VM, key="k", reuse=True)
    worker.issues("k", 58)
    return second


LATE = {
    "accept by its handle": lambda commissions, first: first.accept(),
    "reject by its handle": lambda commissions, first: first.reject(),
    "extend by its handle": lambda commissions, first: first.extend(60),
    "get by its handle": lambda commissions, first: first.get(),
    "wait by its handle": lambda commissions, first: first.outcome(1),
    "accept": lambda commissions, first: commissions.accept("k", incarnation=first.incarnation),
    "reject": lambda commissions, first: commissions.reject("k", incarnation=first.incarnation),
    "extend": lambda commissions, first: commissions.extend("k", 9, incarnation=first.incarnation),
    "get": lambda commissions, first: commissions.get("k", incarnation=first.incarnation),
    "wait": lambda commissions, first: commissions.outcome("k", 1, incarnation=first.incarnation),
    "accept after a commit": lambda commissions, first: commissions.on_commit(
        lambda call: call()
    ).accept("k", incarnation=first.incarnation),
    "reject after a commit": lambda commissions, first: commissions.on_commit(
        lambda call: call()
    ).reject("k", incarnation=first.incarnation),
    "accept by name": lambda commissions, first: at_once(
        decider_of(commissions).decide_or_await(
            "k", "accept", patience=60, incarnation=first.incarnation
        )
    ),
}


@pytest.mark.parametrize("call", LATE.values(), ids=LATE)
def test_a_late_call_for_the_first_commission_does_nothing_to_the_second(
    commissions, first, second, call
):
    """F82: by a handle, or by the incarnation that a call-back has."""
    before = history(commissions, "k")
    with pytest.raises(KeyReused, match=rf"'k' was used again: commission {first.incarnation}"):
        call(commissions, first)
    assert history(commissions, "k") == before
    assert commissions.get("k").decision is None


def test_the_second_is_decided_by_its_own_handle(commissions, second):
    assert second.accept().last.decision == "accept"
    assert commissions.get("k", incarnation=second.incarnation).decision == "accept"


def test_many_are_decided_by_their_handles(commissions, worker, first, second):
    other = commissions.issue(**VM, key="other")
    results = commissions.resolve(accept=[first, other])
    assert isinstance(results[first], KeyReused)
    assert results[other].decision == "accept"
    assert commissions.get("k").decision is None
    assert commissions.resolve(reject=[second])[second].decision == "reject"


def test_a_decision_that_names_a_purged_commission_is_not_awaited(commissions, ledger):
    """Its request has been here: it will not come."""
    decider = decider_of(commissions)
    with pytest.raises(UnknownKey):
        at_once(decider.decide_or_await("k", "accept", patience=60, incarnation="0123abcd"))
    assert ledger.lane(LANE).open == 0


def test_leaving_a_block_whose_key_was_used_again_decides_nothing():
    """Its own commission expired inside the block, and another caller took the key."""
    commissions = Commissions.in_memory()

    def work():
        with commissions.hold(**VM, key="k", deadline=5):
            commissions.advance(60)
            commissions.issue(**VM, key="k", reuse=True)

    with pytest.raises(KeyReused):
        work()
    assert commissions.get("k").decision is None


@pytest.mark.parametrize("wrong", ["", "0123abc", "0123ABCD", 7, b"0123abcd", ["0123abcd"]])
def test_what_is_no_incarnation_is_refused(commissions, wrong):
    for call in (
        lambda: commissions.accept("k", incarnation=wrong),
        lambda: commissions.reject("k", incarnation=wrong),
        lambda: commissions.extend("k", 60, incarnation=wrong),
        lambda: commissions.get("k", incarnation=wrong),
        lambda: commissions.outcome("k", 1, incarnation=wrong),
        lambda: commissions.on_commit(print).accept("k", incarnation=wrong),
    ):
        with pytest.raises(BadValue, match="incarnation must be"):
            call()


def test_a_handle_of_a_serial_names_its_commission_by_the_serial(commissions, worker):
    handle = commissions.accept(57)
    assert handle.get().serial == 57
    assert handle.accept().last.decision == "accept"
