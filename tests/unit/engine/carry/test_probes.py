"""A probe for a lost answer: what it adopts, and what proves that nothing was done."""

import pytest

from astakos_worker import Commissions
from astakos_worker.engine.listed import sighting_text
from astakos_worker.engine.ports import Limits

ONE = {"user": "ada", "project": "lab", "provisions": {"cyclades.vm": 1}}
PROVISION = {"holder": "user:eve", "source": "project:lab", "resource": "disk", "quantity": 1}
LANE = "default"


@pytest.fixture
def commissions():
    return Commissions.in_memory()


def test_a_remembered_name_is_read_again_before_its_serial_is_adopted(commissions):
    """F44: the serial went to another commission since it was looked at."""
    foreign = commissions.astakos.issue_provisions([PROVISION], "somebody else's")
    commissions.astakos.lose_requests()
    commissions.workers.away = True
    commissions.issue(**ONE, key="k")
    entry = commissions.ledger.get(LANE, ["k"])["k"]
    tag = entry.record.tag(Limits().tag_namespace(LANE))
    remembered = sighting_text({"name": f"ours {tag}", "issue_time": "yesterday"})
    commissions.ledger.sightings(LANE, [foreign])
    commissions.ledger.remember_descriptions(LANE, {foreign: remembered})
    commissions.workers.away = False
    commissions.workers.work()
    commissions.advance(300)
    outcome = commissions.get("k")
    assert outcome.state == "pending" and outcome.serial != foreign
    assert set(commissions.astakos.pending) == {foreign, outcome.serial}


def test_an_empty_list_proves_nothing_when_more_than_the_floor_are_held(commissions):
    """F42: after the quiet horizon too; else the commission would be issued twice."""
    keys = [f"held-{n}" for n in range(Limits().brake_floor + 1)]
    for key in keys:
        commissions.issue(**ONE, key=key)
    commissions.astakos.lose_answers()
    commissions.workers.away = True
    commissions.issue(**ONE, key="lost")
    listed = commissions.astakos.get_pending_commissions
    commissions.astakos.get_pending_commissions = list
    commissions.workers.away = False
    commissions.workers.work()
    commissions.advance(3 * Limits().quiet_horizon)
    assert commissions.get("lost").state == "issuing"
    commissions.astakos.get_pending_commissions = listed
    commissions.advance(120)
    assert commissions.get("lost").state == "pending"
    assert len(commissions.astakos.pending) == len(keys) + 1


def test_a_list_that_can_be_right_proves_it_once_the_horizon_has_passed(commissions):
    """F6: the counterpart; with as many held as the floor, an empty list may be right."""
    commissions.astakos.lose_requests()
    commissions.issue(**ONE, key="lost")
    commissions.advance(Limits().quiet_horizon / 2)
    assert commissions.get("lost").state == "issuing"
    commissions.advance(2 * Limits().quiet_horizon)
    assert commissions.get("lost").state == "pending"
