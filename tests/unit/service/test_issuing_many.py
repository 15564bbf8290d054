"""Issuing many at once: in few round trips, and each stands alone."""

import pytest

from astakos_worker.ledger.awaited import at_once
from astakos_worker.ledger.contract import UnavailableError, Written
from astakos_worker.service.commissions import Commission
from astakos_worker.service.connections import TOGETHER
from astakos_worker.service.errors import (
    DecisionConflict,
    KeyConflict,
    LedgerFull,
    NewerRecord,
    Unavailable,
    UnknownKey,
)
from astakos_worker.service.inside import decider_of
from astakos_worker.service.outcome import Outcome
from astakosclient.errors import BadValue
from tests.unit.service.conftest import LANE, VM

TWO = {**VM, "provisions": {"cyclades.vm": 2}}


class Trips:
    """The shipped ledger with its round trips counted; it stops answering before one of them."""

    def __init__(self, ledger):
        self.ledger = ledger
        self.writes = []
        self.away_from = None
        self.full = set()

    def __getattr__(self, name):
        return getattr(self.ledger, name)

    def cas(self, writes):
        self.trip(len(writes))
        told = self.ledger.cas([one for one in writes if one.record.key not in self.full])
        verdicts = iter(told)
        full = Written(False, None, full=True)
        return [full if one.record.key in self.full else next(verdicts) for one in writes]

    def decide(self, lane, decisions, incarnations=None):
        self.trip(len(decisions))
        return self.ledger.decide(lane, decisions, incarnations)

    def trip(self, number):
        if self.away_from is not None and len(self.writes) >= self.away_from:
            raise UnavailableError("gone")
        self.writes.append(number)


@pytest.fixture
def trips(connections, ledger):
    connections.ledger = Trips(ledger)
    return connections.ledger


def many(number, **more):
    return [{**VM, "key": f"k{n}", **more} for n in range(number)]


def states(became):
    return [one.last.state if isinstance(one, Commission) else type(one) for one in became]


def test_a_thousand_are_a_few_round_trips_and_a_handful_of_messages(commissions, trips, bell):
    became = commissions.issue_many(many(1000))
    assert [one.key for one in became] == [f"k{n}" for n in range(1000)]
    assert trips.ledger.lane(LANE).due == 1000
    assert trips.writes == [250] * 4
    assert len(bell.rung) == 8


def test_no_round_trip_takes_more_than_so_many(commissions, trips):
    """The ledger's server serves others in between."""
    commissions.issue_many(many(TOGETHER + 1))
    assert trips.writes == [TOGETHER, 1]


def test_each_is_as_if_it_had_been_issued_by_itself(commissions, ledger):
    one = {**VM, "name": "a", "deadline": 60, "callback": "app.done", "callback_on": ["refused"]}
    alone = commissions.issue(key="alone", **one)
    [among, decided] = commissions.issue_many(
        [{**one, "key": "among"}, {**VM, "key": "decided", "accept": True}]
    )
    assert (among.last.state, among.last.decision) == (alone.last.state, alone.last.decision)
    fields = ("request", "callback", "moments", "deadline", "fingerprint")
    mine, its = (
        [getattr(ledger.get(LANE, [key])[key].record, name) for name in fields]
        for key in ("alone", "among")
    )
    assert mine == its
    assert decided.last.decision == "accept"


def test_generic_ones_may_be_among_them_and_keys_are_made(commissions, ledger, settings):
    became = commissions.issue_many(
        [VM, {"project_provisions": {("p", "cyclades.vm"): 1}, "key": "g"}, VM]
    )
    assert states(became) == ["queued"] * 3
    first, generic, last = became
    assert generic.key == "g" and first.key != last.key
    made = ledger.get(LANE, [first.key])[first.key].record
    assert made.deadline == made.created + settings.hold_deadline


def test_one_that_is_wrong_fails_alone(commissions, ledger):
    """F22, F61."""
    good = many(2)
    wrong = [
        {**VM, "provisions": {"cyclades.vm": 1.5}, "key": "w1"},
        {**VM, "key": ""},
        {**VM, "key": "w3", "name": "x" * 5000},
        {"user": "u", "provisions": {"cyclades.vm": 1}, "key": "w4"},
        {**VM, "key": "w5", "acept": True},
        {**VM, "key": "w6", "accept": 1},
        {**VM, "key": "w7", "callback_on": "closed"},
        {"key": "w8"},
        "w9",
    ]
    became = commissions.issue_many([good[0], *wrong, good[1]])
    assert states(became) == ["queued", *[BadValue] * len(wrong), "queued"]
    assert ledger.lane(LANE).open == 2


def test_one_whose_key_is_in_use_fails_alone_and_replays_succeed(commissions, trips, worker):
    """F3."""
    commissions.issue(**VM, key="k0")
    commissions.issue(**TWO, key="k1")
    worker.issues("k0", 51)
    trips.writes.clear()
    became = commissions.issue_many(many(3))
    assert states(became) == ["pending", KeyConflict, "queued"]
    assert became[0].last.serial == 51 and became[1].key == "k1"
    assert trips.writes == [3]


def test_the_same_key_twice_in_one_call_is_one_commission(commissions, ledger):
    """F3: also where only one of them says what is decided."""
    became = commissions.issue_many(
        [{**VM, "key": "k"}, {**VM, "key": "k", "accept": True}, {**TWO, "key": "k"}]
    )
    assert states(became) == ["queued", "queued", KeyConflict]
    assert became[1].last.decision == "accept"
    assert ledger.lane(LANE).open == 1


def test_a_decision_that_comes_too_late_fails_alone(commissions, worker):
    """F23."""
    commissions.issue(**VM, key="k0")
    worker.issues("k0", 51)
    commissions.reject("k0")
    assert states(commissions.issue_many(many(2, accept=True))) == [DecisionConflict, "queued"]


def test_keys_that_have_ended_are_used_again_where_that_is_asked(commissions, worker, trips):
    commissions.issue_many(many(3))
    worker.is_refused("k0")
    worker.is_refused("k2")
    trips.writes.clear()
    became = commissions.issue_many([{**one, "reuse": n < 2} for n, one in enumerate(many(3))])
    assert states(became) == ["queued", "queued", "refused"]
    assert trips.writes == [2]  # k1 is open: it is found by the read


def test_decisions_that_were_awaited_find_theirs(commissions):
    """F77."""
    at_once(decider_of(commissions).decide_or_await("k1", "accept", patience=3600))
    became = commissions.issue_many(many(3))
    assert [one.last.decision for one in became] == [None, "accept", None]


def test_one_for_which_there_is_no_room_fails_alone(commissions, trips):
    """F79."""
    trips.full = {"k1"}
    became = commissions.issue_many(many(3))
    assert states(became) == ["queued", LedgerFull, "queued"]
    assert "maxmemory" in str(became[1])


def test_one_that_a_newer_version_wrote_fails_alone(commissions, trips, monkeypatch):
    """F78."""
    newer = Written(False, None, newer=True)
    cas = trips.cas
    monkeypatch.setattr(trips, "cas", lambda writes: [newer, *cas(writes[1:])])
    assert states(commissions.issue_many(many(2))) == [NewerRecord, "queued"]


def test_away_from_the_start_is_raised_and_nothing_is_stored(commissions, trips, ledger):
    """F56."""
    trips.away_from = 0
    with pytest.raises(Unavailable, match="'k0' and 249 others"):
        commissions.issue_many(many(600))
    assert ledger.lane(LANE).open == 0


def test_away_in_between_is_said_of_those_it_has_met_and_the_same_call_mends_it(
    commissions, trips, ledger, bell
):
    """F56."""
    trips.away_from = 1
    became = commissions.issue_many(many(600))
    assert states(became) == ["queued"] * 250 + [Unavailable] * 350
    assert became[599].key == "k599" and "call again" in str(became[599])
    assert len(bell.rung) == 8
    trips.away_from = None
    assert states(commissions.issue_many(many(600))) == ["queued"] * 600
    assert ledger.lane(LANE).open == 600


def test_a_thousand_decisions_are_a_few_round_trips_too(commissions, trips, bell):
    commissions.issue_many(many(1000))
    trips.writes.clear()
    bell.rung.clear()
    keys = [f"k{n}" for n in range(1000)]
    became = commissions.resolve(accept=keys[:600], reject=[*keys[600:], "nobody's"])
    assert {type(one) for which, one in became.items() if which in keys} == {Outcome}
    assert isinstance(became["nobody's"], UnknownKey)
    assert [one.decision for one in list(became.values())[:1000]] == (
        ["accept"] * 600 + ["reject"] * 400
    )
    assert sum(trips.writes) == 1001 and max(trips.writes) == 250
    assert len(trips.writes) == 5
    assert len(bell.rung) <= 8


def test_decisions_that_an_outage_in_between_has_met_are_told(commissions, trips):
    """F56."""
    keys = [f"k{n}" for n in range(600)]
    commissions.issue_many(many(600))
    trips.writes.clear()
    trips.away_from = 2
    became = commissions.resolve(accept=keys)
    assert [type(one) for one in became.values()] == [Outcome] * 500 + [Unavailable] * 100
    trips.away_from = None
    assert {one.decision for one in commissions.resolve(accept=keys).values()} == {"accept"}


@pytest.mark.parametrize("wrong", ["k", {"key": "k"}, 7, None])
def test_what_is_no_list_is_refused(commissions, wrong):
    with pytest.raises(BadValue, match="list of commissions"):
        commissions.issue_many(wrong)


def test_nothing_to_issue_is_nothing(commissions):
    assert commissions.issue_many([]) == []
