"""Batches of decisions that fail as a whole: the engine's own, over the Astakos in memory."""

import pytest

from astakos_worker import Commissions
from astakos_worker.engine.lane_memory import REMEMBERED
from astakos_worker.engine.ports import Limits
from astakos_worker.ledger.contract import Asked
from astakos_worker.service.inside import history
from astakosclient.errors import AstakosClientException, Outcome, Unauthorized

KEYS = [f"server-{n}" for n in range(20)]


class Between:
    """What stands between the engine and Astakos: sees each batch, and may not let it pass."""

    def __init__(self, astakos):
        self.sizes = []
        self.refuses = lambda serials: None
        self._resolve = astakos.resolve_commissions

    def resolve_commissions(self, accept, reject):
        serials = [*accept, *reject]
        self.sizes.append(len(serials))
        if error := self.refuses(serials):
            raise error
        return self._resolve(accept, reject)


@pytest.fixture
def commissions():
    commissions = Commissions.in_memory()
    for key in KEYS:
        commissions.issue(user="ada", project="lab", provisions={"cyclades.vm": 1}, key=key)
    return commissions


@pytest.fixture
def between(commissions):
    between = Between(commissions.astakos)
    commissions.astakos.resolve_commissions = between.resolve_commissions
    return between


def states(commissions):
    return [commissions.get(key).state for key in KEYS]


def too_large():
    page = "<html>413 Request Entity Too Large</html>"
    return AstakosClientException("Too large", "", 413, page, outcome=Outcome.AMBIGUOUS)


def poisoned():
    return AstakosClientException("Internal Server Error", "", 500, '{"internalServerError": {}}')


def test_a_batch_that_a_proxy_finds_too_large_is_halved_and_the_size_remembered(
    commissions, between
):
    """F29: nothing is lost, and no later task has to find out again."""
    between.refuses = lambda serials: too_large() if len(serials) > 5 else None
    commissions.resolve(accept=KEYS[:10])
    assert between.sizes == [10, 5, 5]
    commissions.resolve(accept=KEYS[10:])
    assert between.sizes[3:] == [5, 5]
    assert states(commissions) == ["accepted"] * 20


def test_what_was_announced_and_not_sent_counts_for_nothing(commissions, between):
    """F25: a claim announces all that it gives, and the lane came to rest after the first batch."""
    between.refuses = lambda serials: too_large() if len(serials) > 5 else None
    commissions.resolve(accept=KEYS[:10])
    between.refuses = lambda serials: Unauthorized("Invalid token", outcome=Outcome.REFUSED)
    commissions.resolve(accept=KEYS[10:])
    assert between.sizes[3:] == [5]
    records = [history(commissions, key)[0] for key in KEYS[10:]]
    assert {(record.state, record.settles, record.sent) for record in records} == {
        ("settling", 1, ())
    }


def overtaken(commissions):
    """Let the carrier be so slow that another has its records in hand meanwhile."""
    commissions._clock.move(commissions.now + Limits().lease + 1)
    assert commissions.ledger.claim(Asked("default", "another", 60.0))[0].entries


def test_a_later_batch_of_a_claim_is_not_sent_when_another_has_it_in_hand(commissions, between):
    """F73."""
    between.refuses = lambda serials: too_large() if len(serials) > 5 else None
    commissions.resolve(accept=KEYS[:10])
    between.refuses = lambda serials: overtaken(commissions)
    commissions.resolve(accept=KEYS[10:])
    assert between.sizes[3:] == [5]


def test_nothing_is_sent_when_another_has_it_in_hand_since_somebody_was_told(commissions, between):
    """F73: call-backs go out between the claim and the request, and a broker may be slow."""
    told = []

    def tell(callback, payload):
        if not told:
            overtaken(commissions)
        told.append(callback)
        return True

    commissions.workers._carrier.send_callback = tell
    one = {"user": "ada", "project": "lab", "provisions": {"cyclades.vm": 1}, "accept": True}
    heard = {"callback": "heard", "callback_on": ["pending"]}
    commissions.issue_many([{**one, "key": "told", **heard}, {**one, "key": "beside"}])
    assert (told, between.sizes) == (["heard"], [])


def test_one_that_failed_alone_is_not_halved_out_of_a_batch_again(commissions, between):
    """F27: ten decisions, and a bad one that is due beside them, cost two requests."""
    serial = commissions.get(KEYS[3]).serial
    between.refuses = lambda serials: poisoned() if serial in serials else None
    commissions.resolve(accept=KEYS[:10])
    assert between.sizes[0] == 10 and between.sizes[-1] == 1
    del between.sizes[:]
    commissions.workers.away = True
    commissions.resolve(accept=KEYS[10:])
    commissions.advance(60)
    assert between.sizes == []
    commissions.workers.away = False
    commissions.advance(0.01)
    assert between.sizes[:2] == [10, 1]
    assert states(commissions).count("accepted") == 19


def test_the_smaller_size_is_forgotten_after_a_while(commissions, between):
    """F29."""
    between.refuses = lambda serials: too_large() if len(serials) > 5 else None
    commissions.resolve(accept=KEYS[:10])
    between.refuses = lambda serials: None
    commissions.advance(REMEMBERED)
    commissions.resolve(accept=KEYS[10:])
    assert between.sizes[3:] == [10]


def test_one_that_poisons_its_batch_is_left_alone_and_dies_after_the_window(commissions, between):
    """F27: the others settle at once."""
    poison = commissions.get(KEYS[6]).serial
    between.refuses = lambda serials: poisoned() if poison in serials else None
    commissions.resolve(accept=KEYS)
    others = [state for n, state in enumerate(states(commissions)) if n != 6]
    assert others == ["accepted"] * 19
    assert commissions.get(KEYS[6]).state == "settling"
    commissions.advance(600)
    assert commissions.get(KEYS[6]).state == "dead"
    assert between.sizes[-1] == 1


def test_each_of_a_mixed_reply_is_settled_by_its_own_row(commissions, between):
    """F26: accepted, rejected, gone, and one in no list, which stays due."""
    resolve = between._resolve
    gone, left_out = (commissions.get(key).serial for key in KEYS[:2])

    def mixed(accept, reject):
        if gone in accept:
            resolve([], [gone])
        return resolve([n for n in accept if n != left_out], reject)

    between._resolve = mixed
    commissions.resolve(accept=KEYS[:10], reject=KEYS[10:])
    expected = ["vanished", "settling"] + ["accepted"] * 8 + ["rejected"] * 10
    assert states(commissions) == expected
    between._resolve = resolve
    commissions.advance(60)
    assert states(commissions)[1] == "accepted"
