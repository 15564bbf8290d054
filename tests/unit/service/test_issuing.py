"""Issuing: the ledger first, one commission for a key, and wrong arguments before all."""

from dataclasses import replace
from itertools import pairwise

import pytest

from astakos_worker.configuration import names
from astakos_worker.ledger.contract import WakeupPolicy
from astakos_worker.ledger.memory.store import MemoryLedger
from astakos_worker.ledger.request import NAME_LIMIT, wire_name
from astakos_worker.service.commissions import Commissions
from astakos_worker.service.errors import DecisionConflict, KeyConflict
from astakosclient.errors import BadValue, QuotaLimit
from tests.unit.service.conftest import LANE, VM

RAM = {**VM, "provisions": {"cyclades.ram": 1, "cyclades.vm": 2}}


def test_a_commission_is_in_the_ledger_before_its_message(commissions, ledger, bell):
    """The test's waker checks that the record is there."""
    commission = commissions.issue(**VM, key="server-42/create", name="create server 42")
    assert bell.rung == [(names.WAKE_ISSUE, LANE, "server-42/create")]
    assert (commission.key, commission.last.state) == ("server-42/create", "queued")
    record = ledger.get(LANE, ["server-42/create"])["server-42/create"].record
    assert (record.request.name, record.deadline, record.decision) == (
        "create server 42",
        None,
        None,
    )


def test_a_thousand_calls_before_the_first_carrier_ring_a_few_times(commissions, bell, ledger):
    """F67: a burst does not send as many messages."""
    for number in range(1000):
        commissions.issue(**VM, key=f"k{number}")
    assert len(bell.rung) == 8
    assert ledger.lane(LANE).due == 1000


def test_without_coalescing_every_call_rings(settings, connections, clock):
    """The cost of a row in Flower for every call."""
    connections.ledger = connections.waker.ledger = MemoryLedger(
        clock, wakeups=WakeupPolicy(coalesce=False)
    )
    commissions = Commissions(settings=settings, connections=connections)
    for number in range(30):
        commissions.issue(**VM, key=f"k{number}")
    assert len(connections.waker.rung) == 30


# --- The same key again (F3) ------------------------------------------------------------------


def test_the_same_call_again_finds_the_same_commission(commissions, ledger, bell):
    first = commissions.issue(**RAM, key="k")
    before = ledger.get(LANE, ["k"])
    again = commissions.issue(**RAM, key="k")
    assert again.last == first.last
    assert ledger.get(LANE, ["k"]) == before
    assert ledger.lane(LANE).open == 1
    assert len(bell.rung) == 1


def test_the_same_contents_in_another_order_are_a_replay(commissions, ledger):
    """F3, one direction."""
    commissions.issue(**RAM, key="k")
    other = {**RAM, "provisions": {"cyclades.vm": 2, "cyclades.ram": 1}}
    assert commissions.issue(**other, key="k").last.state == "queued"
    assert ledger.lane(LANE).open == 1


def test_the_generic_form_of_the_same_contents_is_a_replay(commissions, ledger):
    commissions.issue(**VM, key="k")
    commissions.issue_generic(
        project_provisions={("p", "cyclades.vm"): 1},
        user_provisions={("u", "p", "cyclades.vm"): 1},
        key="k",
    )
    assert ledger.lane(LANE).open == 1


def test_name_deadline_and_callback_of_the_first_call_stand(commissions, ledger):
    commissions.issue(**VM, key="k", name="first", deadline=60, callback="told")
    commissions.issue(**VM, key="k", name="second", deadline=1)
    record = ledger.get(LANE, ["k"])["k"].record
    assert (record.request.name, record.callback) == ("first", "told")
    assert record.deadline == record.created + 60


@pytest.mark.parametrize(
    "other",
    [
        {**VM, "provisions": {"cyclades.vm": 2}},
        {**VM, "provisions": {"cyclades.ram": 1}},
        {**VM, "provisions": {"cyclades.vm": 1, "cyclades.ram": 1}},
        {**VM, "user": "other"},
        {**VM, "project": "other"},
        {**VM, "force": True},
        {**VM, "accept": True, "user": "other"},
        {**VM, "reuse": True, "user": "other"},
    ],
)
def test_other_contents_under_a_key_conflict_and_change_nothing(commissions, ledger, bell, other):
    """F3, the other direction."""
    commissions.issue(**VM, key="k")
    before = ledger.get(LANE, ["k"])
    with pytest.raises(KeyConflict, match=r"'k' is in use .*queued") as caught:
        commissions.issue(**other, key="k")
    assert caught.value.key == "k"
    assert ledger.get(LANE, ["k"]) == before
    assert len(bell.rung) == 1


def test_a_key_whose_commission_has_ended_still_replays(commissions, worker):
    """F57: until it is purged."""
    commissions.issue(**VM, key="k", accept=True)
    worker.issues("k", 57)
    worker.settles("k")
    again = commissions.issue(**VM, key="k", accept=True)
    assert (again.last.state, again.last.serial) == ("accepted", 57)


def test_a_refused_key_replays_as_refused(commissions, worker):
    commissions.issue(**VM, key="k")
    worker.is_refused("k")
    assert commissions.issue(**VM, key="k").last.state == "refused"
    with pytest.raises(QuotaLimit):
        commissions.issue(**VM, key="k").outcome(1)


def test_reuse_takes_an_ended_key_for_a_new_commission(commissions, worker, bell, clock):
    """F57, F71: it is another incarnation, and knows nothing of the first one."""
    commissions.issue(**VM, key="k", accept=True)
    old = worker.issues("k", 57)
    worker.settles("k")
    clock.passes(60)
    again = commissions.issue(**VM, key="k", reuse=True, name="anew")
    assert (again.last.state, again.last.serial, again.last.decision) == ("queued", None, None)
    new = worker.entry("k").record
    assert new.incarnation != old.incarnation
    assert new.request.name == "anew"
    assert [task for task, _, _ in bell.rung] == [names.WAKE_ISSUE] * 2
    worker.issues("k", 58)
    assert commissions.get("k").serial == 58


def test_reuse_takes_other_contents_once_the_key_has_ended(commissions, worker):
    """After the retention the key would be new for them, too."""
    commissions.issue(**VM, key="k")
    worker.is_refused("k")
    smaller = {**VM, "provisions": {"cyclades.vm": 0}}
    assert commissions.issue(**smaller, key="k", reuse=True).last.state == "queued"


def test_reuse_of_an_open_key_is_a_replay(commissions, worker):
    commissions.issue(**VM, key="k")
    before = worker.entry("k")
    assert commissions.issue(**VM, key="k", reuse=True).last.state == "queued"
    assert worker.entry("k") == before


# --- Decided with the issue -------------------------------------------------------------------


def test_accept_at_once_is_stored_with_the_issue(commissions, ledger):
    """F16: `auto_accept` is never sent, so there is always something to find."""
    commission = commissions.issue(**VM, key="k", accept=True)
    entry = ledger.get(LANE, ["k"])["k"]
    assert commission.last.decision == entry.cell.verb == entry.record.decision.verb == "accept"


def test_accept_at_once_decides_a_commission_that_was_there(commissions):
    commissions.issue(**VM, key="k")
    assert commissions.issue(**VM, key="k", accept=True).last.decision == "accept"


def test_accept_at_once_of_what_was_rejected_is_a_conflict(commissions, worker):
    commissions.issue(**VM, key="k")
    worker.issues("k", 57)
    commissions.reject("k")
    with pytest.raises(DecisionConflict):
        commissions.issue(**VM, key="k", accept=True)
    assert commissions.get("k").decision == "reject"


# --- Keys and deadlines -----------------------------------------------------------------------


def test_a_commission_without_a_key_gets_one_and_a_deadline(commissions, worker, settings):
    """A producer that dies leaves nothing for ever."""
    made = [commissions.issue(**VM) for _ in range(3)]
    assert all(one.key != two.key for one, two in pairwise(made))
    for commission in made:
        record = worker.entry(commission.key).record
        assert record.deadline == record.created + settings.hold_deadline


def test_a_deadline_that_is_given_is_kept_also_without_a_key(commissions, worker):
    record = worker.entry(commissions.issue(**VM, deadline=7).key).record
    assert record.deadline == record.created + 7


def test_the_two_other_forms_are_enqueued_alike(commissions, worker):
    commissions.issue_generic(project_provisions={("p", "vm"): 1}, key="g", accept=True, name="g")
    commissions.reassign(user="u", provisions={("p", "q", "vm"): 1}, key="r", deadline=9)
    generic, moved = worker.entry("g").record, worker.entry("r").record
    assert [(p.holder, p.quantity) for p in generic.request.provisions] == [("project:p", 1)]
    assert generic.decision.verb == "accept"
    assert [p.quantity for p in moved.request.provisions] == [-1, -1, 1, 1]
    assert moved.deadline == moved.created + 9


# --- Refused before anything is stored --------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": ""},
        {"key": "x" * 201},
        {"key": "a\nb"},
        {"key": "\x1f57"},
        {"key": 7},
        {"name": "x" * NAME_LIMIT},
        {"name": "a\0"},
        {"name": "\ud800"},
        {"provisions": {}},
        {"provisions": {"vm": True}},
        {"provisions": {"vm": 1.5}},
        {"provisions": {"vm": 2**63}},
        {"user": "a\x07"},
        {"project": ""},
        {"force": "yes"},
        {"accept": 1},
        {"accept": "no"},
        {"deadline": 0},
        {"deadline": "soon"},
        {"callback": ""},
        {"callback": "a\nb"},
    ],
)
def test_bad_input_raises_and_nothing_is_stored_or_sent(commissions, ledger, bell, wrong):
    """F22, F28, F61."""
    with pytest.raises(BadValue):
        commissions.issue(**{**VM, "key": "k", **wrong})
    assert ledger.lanes() == []
    assert bell.rung == []


@pytest.mark.parametrize("key", ["k", "a key/ü"])
def test_the_longest_name_that_is_taken_fits_with_its_tag(commissions, ledger, key):
    """F22: Astakos would cut off what is longer, and the tag stands at its end."""
    commissions.issue(**VM, key=key)
    tag = ledger.get(LANE, [key])[key].record.tag(f"default.{LANE}")
    longest = "x" * (NAME_LIMIT - len(wire_name("x", tag)) + 1)
    commissions.issue(**VM, key=key[::-1], name=longest)
    with pytest.raises(BadValue, match="characters"):
        commissions.issue(**VM, key=key.upper(), name=f"{longest}x")


@pytest.mark.parametrize("service", ["", "Cyclades", "a:b", "a b", "x" * 33, 7])
def test_a_service_that_could_not_be_a_lane_is_refused(settings, connections, service):
    with pytest.raises(BadValue, match="service"):
        Commissions(service, settings=settings, connections=connections)


def test_two_services_keep_their_keys_apart(settings, connections, commissions):
    other = Commissions("other", settings=settings, connections=connections)
    commissions.issue(**VM, key="k")
    other.issue(**{**VM, "user": "someone else"}, key="k")
    assert sorted(connections.ledger.lanes()) == ["default", "other"]


def test_a_commission_shows_its_key_and_state(commissions):
    assert repr(commissions.issue(**VM, key="k")) == "<Commission k queued>"


def test_the_outcome_of_a_call_is_a_value(commissions):
    last = commissions.issue(**VM, key="k").last
    assert replace(last) == last
    with pytest.raises(AttributeError):
        last.state = "accepted"
