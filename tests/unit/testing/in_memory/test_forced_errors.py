"""Every error that a service may meet can be forced in its unit tests."""

import pytest

from astakos_worker import (
    CommissionFailed,
    Commissions,
    LedgerFull,
    Lookups,
    NotFound,
    OutcomeTimeout,
    Unavailable,
)
from astakosclient import AstakosClientException, Unauthorized
from astakosclient.errors import BadValue, NoUUID
from tests.unit.testing.in_memory.conftest import ONE_VM


def test_a_full_ledger_takes_no_new_commission_and_still_takes_decisions(commissions):
    there = commissions.issue(**ONE_VM, key="there")
    commissions.ledger.full = True
    with pytest.raises(LedgerFull):
        commissions.issue(**ONE_VM, key="new")
    assert isinstance(commissions.issue_many([{**ONE_VM, "key": "new"}])[0], LedgerFull)
    assert there.accept().outcome(5).state == "accepted"
    commissions.ledger.full = False
    assert commissions.issue(**ONE_VM, key="new").state == "queued"


def test_a_token_that_astakos_refuses_rests_the_lane_and_refuses_nothing(commissions):
    commissions.astakos.fail(401, times=None)
    commissions.astakos.fail(401, of="list", times=None)
    commission = commissions.issue(**ONE_VM)
    with pytest.raises(OutcomeTimeout):
        commission.outcome(timeout=60)
    assert "token" in commissions.ledger.lane("default").reason
    commissions.astakos.recover()
    assert commission.outcome(timeout=120).state == "pending"


def test_a_404_is_tried_again_and_refused_after_the_window(commissions):
    commissions.astakos.fail(404, times=None)
    commission = commissions.issue(**ONE_VM)
    assert commission.get().last_error["class"] == "NotFound"
    with pytest.raises(NotFound):
        commission.outcome(timeout=600)


def test_a_404_that_ends_is_no_refusal(commissions):
    commissions.astakos.fail(404, times=3)
    assert commissions.issue(**ONE_VM).outcome(timeout=60).state == "pending"


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_5xx_is_tried_again_until_it_goes_well(commissions, status):
    commissions.astakos.fail(status, times=2)
    commission = commissions.issue(**ONE_VM)
    assert commission.state != "pending"
    assert commission.outcome(timeout=1200).state == "pending"


def test_a_400_is_refused_at_once(commissions):
    commissions.astakos.fail(400)
    with pytest.raises(AstakosClientException) as raised:
        commissions.issue(**ONE_VM).outcome(timeout=5)
    assert raised.value.status == 400


def test_a_status_that_is_no_error_cannot_be_forced(commissions):
    with pytest.raises(BadValue, match="400 to 599"):
        commissions.astakos.fail(200)


def test_a_commission_that_another_program_settled_has_failed(commissions):
    commissions.issue(**ONE_VM)  # pending: it proves that the token is the right component's
    commission = commissions.issue(**ONE_VM)
    commissions.astakos.settle_elsewhere(commission.outcome(5).serial, accept=True)
    commission.accept()
    with pytest.raises(CommissionFailed, match="vanished"):
        commission.outcome(timeout=60)


def test_a_ledger_that_is_away_is_unavailable(commissions):
    commissions.ledger.away = True
    with pytest.raises(Unavailable):
        commissions.issue(**ONE_VM)


# --- Look-ups ---------------------------------------------------------------------------------


@pytest.fixture
def lookups(commissions):
    return Lookups.in_memory(commissions)


def test_users_that_a_test_adds_are_found_by_name_and_by_uuid(lookups):
    ada = lookups.users.add_user("Ada@example.org")
    assert lookups.uuid("ada@EXAMPLE.org") == ada
    assert lookups.usernames([ada, "nobody"]) == {ada: "Ada@example.org"}
    assert lookups.users.add_user("bob", of="uuid-of-bob") == "uuid-of-bob"
    assert lookups.username("uuid-of-bob") == "bob"
    with pytest.raises(NoUUID):
        lookups.uuid("eve")


def test_quotas_are_those_of_the_commissions_beside(lookups, commissions):
    commissions.issue(**ONE_VM, accept=True)
    assert lookups.quotas(user="ada")["ada"]["lab"]["cyclades.vm"] == commissions.astakos.quota(
        "ada", "lab", "cyclades.vm"
    )
    assert lookups.project_quotas("lab")["lab"]["cyclades.vm"]["project_usage"] == 1
    with pytest.raises(NotFound):
        lookups.quotas(user="eve")
    assert set(lookups.resources()) == {"cyclades.vm", "cyclades.ram"}


def test_pending_commissions_are_listed_and_described(lookups, commissions):
    serial = commissions.issue(**ONE_VM).outcome(5).serial
    assert lookups.pending_commissions() == [serial]
    assert lookups.commission_info(serial)["provisions"][0]["quantity"] == 1


def test_an_outage_of_the_broker_is_unavailable_and_stops_no_commission(lookups, commissions):
    lookups.users.away = True
    with pytest.raises(Unavailable, match="broker"):
        lookups.resources()
    assert commissions.issue(**ONE_VM).outcome(5).state == "pending"


def test_an_error_of_astakos_is_the_clients_error(lookups):
    lookups.astakos.fail(401, of="look-up")
    with pytest.raises(Unauthorized):
        lookups.resources()
    lookups.resources()  # it was forced once


def test_a_test_may_set_the_answer_of_a_look_up(lookups):
    lookups.users.answers["services"] = [{"name": "cyclades"}]
    assert lookups.services() == [{"name": "cyclades"}]


def test_look_ups_without_commissions_beside_have_an_astakos_of_their_own():
    assert Lookups.in_memory().resources() == {}
    assert Commissions.in_memory() is not None
