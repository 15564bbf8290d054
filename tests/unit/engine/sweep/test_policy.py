"""What is to be done about a commission that no record explains: the whole table."""

import pytest

from astakos_worker.engine.listed import UnrecordedSerial
from astakos_worker.engine.ports import Limits
from astakos_worker.engine.sweep.policy import classify
from astakos_worker.ledger import events, states
from astakos_worker.ledger.contract import Entry, Sighting
from astakos_worker.ledger.events import Issued
from astakos_worker.ledger.record import Decision
from astakos_worker.ledger.request import Provision, Request, Tag
from astakos_worker.ledger.states import transition

NOW, GRACE, QUARANTINE = 10_000.0, 600.0, 3600.0
TAG = Tag("default.svc", "k", "0a1b2c3d", "0" * 16)
REQUEST = Request((Provision("user:u", "project:p", "cyclades.vm", 1),))


def stranger(age, *, tag=TAG, **more):
    return UnrecordedSerial(7, Sighting(NOW - age), tag, **more)


def record(*steps, incarnation="0a1b2c3d", **more):
    made = states.queued("k", "svc", incarnation, REQUEST, now=NOW, **more)
    for event in steps:
        made = transition(made, event, NOW)
    return made


def classified(one, entry=None, *, owner=False, leased=0.0, distrusted=False, **policies):
    limits = Limits(grace=GRACE, quarantine=QUARANTINE, **policies)
    entry = entry and Entry(entry, 1, leased=leased)
    return classify(one, entry, NOW, limits, owner=owner, distrusted=distrusted)


@pytest.mark.parametrize(
    ("one", "entry", "trusted"),
    [
        (stranger(QUARANTINE), None, "reject"),
        (stranger(QUARANTINE), record(incarnation="ffffffff"), "reject"),
        (stranger(QUARANTINE, tag=None), None, "reject"),
        (stranger(QUARANTINE), record(), "adopt"),
        (stranger(QUARANTINE), record(events.Marked(NOW, NOW), Issued(8)), "twin"),
    ],
    ids=["orphan", "ghost", "foreign", "adopt", "twin"],
)
def test_nothing_is_rejected_for_what_a_ledger_that_lost_writes_does_not_know(one, entry, trusted):
    """F101: whatever is not rejected for that stays as it is."""
    assert classified(one, entry, foreign="reject").action == trusted
    found = classified(one, entry, foreign="reject", distrusted=True)
    assert found.action == ("wait" if trusted == "reject" else trusted)
    assert ("lost writes" in found.why) is (trusted == "reject")


@pytest.mark.parametrize(
    ("age", "owner", "action"),
    [
        (0, False, "wait"),
        (GRACE, False, "wait"),
        (QUARANTINE - 1, False, "wait"),
        (QUARANTINE, False, "reject"),
        (GRACE - 1, True, "wait"),
        (GRACE, True, "ask"),
        (10 * QUARANTINE, True, "ask"),
    ],
)
def test_ours_without_a_record_waits_for_the_owner_or_the_quarantine(age, owner, action):
    """F33, F35."""
    assert classified(stranger(age), owner=owner).action == action


@pytest.mark.parametrize(("age", "action"), [(GRACE - 1, "wait"), (GRACE, "reject")])
@pytest.mark.parametrize("owner", [False, True])
def test_a_ghost_of_an_earlier_use_of_a_key_waits_for_the_grace(age, owner, action):
    """F71."""
    assert classified(stranger(age), record(incarnation="ffffffff"), owner=owner).action == action


@pytest.mark.parametrize("policy", ["report", "owner", "reject"])
def test_what_carries_another_ledgers_tag_is_left_alone_under_every_policy(policy):
    """F70."""
    one = stranger(10 * QUARANTINE, tag=None, elsewhere=True)
    assert classified(one, foreign=policy, owner=True).action == "foreign"


@pytest.mark.parametrize(
    ("policy", "age", "owner", "action"),
    [
        ("report", 10 * QUARANTINE, True, "foreign"),
        ("owner", GRACE - 1, True, "foreign"),
        ("owner", GRACE, True, "ask"),
        ("owner", 10 * QUARANTINE, False, "foreign"),
        ("reject", QUARANTINE - 1, True, "foreign"),
        ("reject", QUARANTINE, True, "reject"),
    ],
)
def test_what_carries_no_tag_is_what_the_policy_makes_of_it(policy, age, owner, action):
    """F34."""
    assert classified(stranger(age, tag=None), foreign=policy, owner=owner).action == action


def test_what_is_being_settled_by_its_serial_is_left_to_that():
    assert classified(stranger(10 * QUARANTINE, bare=True)).action == "leave"


@pytest.mark.parametrize(
    ("entry", "action"),
    [
        (record(), "adopt"),
        (record(Issued(7)), "leave"),
        (record(Issued(8)), "twin"),
        (record(Issued(8), Issued(7)), "leave"),
        (transition(record(), events.Decided(Decision("reject")), NOW), "twin"),
    ],
    ids=["queued", "this one", "another", "a known twin", "cancelled"],
)
def test_ours_with_a_record_is_what_the_record_says(entry, action):
    """F36."""
    assert classified(stranger(0), entry).action == action
    assert classified(stranger(0), entry, leased=NOW + 1).action == "leave"


def test_only_what_is_rejected_has_a_word_for_why():
    assert classified(stranger(QUARANTINE)).reason == "orphan"
    assert classified(stranger(GRACE), record(incarnation="ffffffff")).reason == "ghost"
    assert classified(stranger(QUARANTINE, tag=None), foreign="reject").reason == "foreign"
    assert classified(stranger(0), record(Issued(8))).reason == "twin"
    assert classified(stranger(0)).reason == classified(stranger(0), record()).reason == ""


def test_a_ledger_is_trusted_unless_it_is_said_not_to_be():
    limits = Limits(grace=GRACE, quarantine=QUARANTINE)
    assert classify(stranger(QUARANTINE), None, NOW, limits, owner=False).action == "reject"
