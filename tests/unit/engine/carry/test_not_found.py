"""That Astakos does not find a serial is believed only with a token that is proven (F25, F87)."""

import pytest

from astakos_worker import Commissions
from astakos_worker.service.inside import history
from astakosclient.errors import ConnectionError, Outcome  # noqa: A004  # so named for its users

ONE = {"user": "ada", "project": "lab", "provisions": {"cyclades.vm": 1}}
LANE = "default"


@pytest.fixture
def commissions():
    return Commissions.in_memory()


class OtherComponent:
    """Answers as Astakos does to the token of a component that has issued nothing of ours."""

    def __init__(self, commissions):
        self.astakos = commissions.astakos
        self.batches = []

    def begin(self):
        self.astakos.get_pending_commissions = list
        self.astakos.resolve_commissions = self._settle

    def end(self):
        del self.astakos.get_pending_commissions
        del self.astakos.resolve_commissions

    def _settle(self, accept, reject):
        serials = [*accept, *reject]
        self.batches.append(len(serials))
        failed = [[n, {"itemNotFound": {"code": 404}}] for n in serials]
        return {"accepted": [], "rejected": [], "failed": failed}


@pytest.fixture
def other(commissions):
    return OtherComponent(commissions)


def alarms(commissions):
    return commissions.ledger.lane(LANE).alarms


def issue(commissions, count):
    keys = [f"k{n}" for n in range(count)]
    for key in keys:
        commissions.issue(**ONE, key=key)
    return keys


def states(commissions, keys):
    return [commissions.get(key).state for key in keys]


# --- Commissions of ours ----------------------------------------------------------------------


def test_twelve_accepts_sent_singly_with_another_components_token_stay_open(commissions, other):
    """F25: each is alone in its batch; all end as decided when the right token is back."""
    keys = issue(commissions, 12)
    other.begin()
    for key in keys:
        commissions.accept(key)
    commissions.advance(30)
    assert states(commissions, keys) == ["settling"] * 12
    assert set(other.batches) >= {1}
    assert "another component's" in alarms(commissions)["unproven"]
    other.end()
    commissions.advance(120)
    assert states(commissions, keys) == ["accepted"] * 12


def test_five_accepts_in_one_batch_with_another_components_token_make_the_lane_rest(
    commissions, other
):
    """F25: nothing on the lane can succeed with it."""
    keys = issue(commissions, 5)
    other.begin()
    commissions.resolve(accept=keys)
    assert other.batches == [5]
    assert states(commissions, keys) == ["settling"] * 5
    assert commissions.ledger.lane(LANE).resting > 0
    assert "another component's" in alarms(commissions)["token"]
    commissions.advance(600)
    assert states(commissions, keys) == ["settling"] * 5
    other.end()
    commissions.advance(120)
    assert states(commissions, keys) == ["accepted"] * 5
    assert alarms(commissions) == {}


def test_a_lone_accept_on_a_lane_with_nothing_else_stays_open_too(commissions, other):
    issue(commissions, 1)
    other.begin()
    commissions.accept("k0")
    commissions.advance(600)
    assert states(commissions, ["k0"]) == ["settling"]


def test_what_somebody_else_settled_has_vanished_once_the_token_is_proven(commissions):
    """F25: with an alarm; a request that was answered "not found" did nothing."""
    issue(commissions, 2)
    commissions.astakos.resolve_commissions([], [commissions.get("k0").serial])
    commissions.accept("k0")
    assert states(commissions, ["k0"]) == ["vanished"]
    assert "somebody else has settled it" in alarms(commissions)["vanished"]


def test_a_record_that_another_worker_settled_meanwhile_says_nothing_of_the_token(commissions):
    """F25: a settler that stood still comes back to "not found" for all that it had."""
    keys = issue(commissions, 6)
    resolve = commissions.astakos.resolve_commissions

    def slow(accept, reject):
        commissions.astakos.resolve_commissions = resolve
        commissions._clock.move(commissions.now + 120)  # its leases are over
        commissions.workers._busy = False
        commissions.workers.work()  # and another worker settles them
        return resolve(accept, reject)

    commissions.astakos.resolve_commissions = slow
    commissions.resolve(accept=keys)
    assert states(commissions, keys) == ["accepted"] * 6
    assert (commissions.ledger.lane(LANE).rests, alarms(commissions)) == (0, {})


def test_a_list_that_fails_proves_nothing(commissions):
    issue(commissions, 2)
    commissions.astakos.resolve_commissions([], [commissions.get("k0").serial])
    away = ConnectionError(OSError("refused"), outcome=Outcome.NOT_SENT)

    def fails():
        raise away

    commissions.astakos.get_pending_commissions = fails
    commissions.accept("k0")
    assert states(commissions, ["k0"]) == ["settling"]
    del commissions.astakos.get_pending_commissions
    commissions.advance(120)
    assert states(commissions, ["k0"]) == ["vanished"]


def test_a_send_that_was_not_believed_is_no_earlier_send(commissions, other):
    """F25: else the next "not found" would count as done as decided."""
    issue(commissions, 1)
    other.begin()
    commissions.accept("k0")
    record, _ = history(commissions, "k0")
    assert (record.state, record.sent) == ("settling", ())


# --- Bare serials -----------------------------------------------------------------------------


def test_a_thousand_serials_end_in_one_look_each_and_others_flow(commissions):
    """F87."""
    commissions.issue(**ONE, key="listed")
    looks = []
    info = commissions.astakos.get_commission_info

    def counted(serial):
        looks.append(serial)
        return info(serial)

    commissions.astakos.get_commission_info = counted
    stale = range(900_000, 901_000)
    commissions.workers.away = True
    commissions.resolve(accept=stale)
    commissions.issue(**ONE, key="k", accept=True)
    commissions.workers.away = False
    commissions.advance(60)
    assert {commissions.get(n).state for n in stale} == {"unknown"}
    assert commissions.get("k").state == "accepted"
    assert len(looks) == 1000
    assert (commissions.ledger.lane(LANE).rests, alarms(commissions)) == (0, {})


def test_unproven_serials_stay_open_with_an_alarm(commissions):
    """F87: they are tried less and less often, and the lane goes on."""
    commissions.resolve(accept=range(900_000, 900_010))
    commissions.advance(300)
    assert {commissions.get(n).state for n in range(900_000, 900_010)} == {"pending"}
    assert "lists no commission that the ledger holds" in alarms(commissions)["unproven"]
    assert commissions.ledger.lane(LANE).rests == 0
    commissions.issue(**ONE, key="listed")
    commissions.advance(120)
    assert {commissions.get(n).state for n in range(900_000, 900_010)} == {"unknown"}
    assert alarms(commissions) == {}


def test_a_pending_serial_that_a_caller_named_proves_the_token(commissions):
    """F87: a service that issues with its own client has no commission of the ledger's."""
    provision = {"holder": "user:a", "source": "project:p", "resource": "vm", "quantity": 1}
    serial = commissions.astakos.issue_provisions([provision], "by its own client")
    commissions.resolve(accept=[serial, 900_000])
    assert commissions.get(serial).state == "accepted"
    assert commissions.get(900_000).state == "unknown"
