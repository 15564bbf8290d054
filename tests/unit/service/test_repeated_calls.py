"""One issuing call makes one commission, whoever repeats it: the transport or its caller.

An answer of the ledger is lost before or after the ledger has written; meanwhile workers go on.
"""

import pickle
from itertools import count

import pytest

from astakos_worker.ledger.contract import UnavailableError
from astakos_worker.service.errors import DecisionConflict, KeyConflict, Unavailable
from astakos_worker.service.inside import history
from astakos_worker.service.tokens import Token
from astakosclient.errors import BadValue
from tests.unit.service.conftest import LANE, VM


class LosingLedger:
    """The shipped ledger; the test says which call of which method loses request or answer."""

    def __init__(self, ledger):
        self.ledger = ledger
        self.lose = {}  # {method: "request", "answer" or "twice"}
        self.meanwhile = lambda: None

    def __getattr__(self, name):
        return getattr(self.ledger, name)

    def get(self, *arguments):
        return self._called("get", arguments)

    def cas(self, *arguments):
        return self._called("cas", arguments)

    def decide(self, *arguments):
        return self._called("decide", arguments)

    def _called(self, name, arguments):
        how, do = self.lose.pop(name, None), getattr(self.ledger, name)
        if how == "request":
            raise UnavailableError("the request is lost")
        answer = do(*arguments)
        if how is None:
            return answer
        self.meanwhile()
        if how == "twice":  # a transport sends the same request again
            return do(*arguments)
        raise UnavailableError("the answer is lost")


@pytest.fixture
def losing(connections, ledger):
    connections.ledger = LosingLedger(ledger)
    return connections.ledger


@pytest.fixture
def serials():
    return count(57)


@pytest.fixture
def ends(worker, serials):
    """Let workers carry a commission to its end, if there is one to carry."""

    def ends(key="k"):
        if worker.entry(key).record.is_open:
            worker.issues(key, next(serials))
            worker.settles(key)

    return ends


@pytest.fixture
def ended(commissions, ends):
    """A key whose commission was accepted; return its incarnation."""
    commissions.issue(**VM, key="k", accept=True)
    ends()
    return commissions.get("k").incarnation


@pytest.fixture
def stage(commissions, losing, ends, serials):
    return commissions, losing, ends, serials


AGAIN = {**VM, "key": "k", "reuse": True, "accept": True}


def test_a_transport_that_sends_the_write_twice_makes_one_commission(
    commissions, losing, ended, ends, serials
):
    """F81: the script is repeated after a worker has accepted the new commission."""
    losing.lose, losing.meanwhile = {"cas": "twice"}, ends
    handle = commissions.issue(**AGAIN)
    assert handle.last.state == "accepted"
    assert handle.incarnation != ended
    ends()
    assert next(serials) == 59  # one before, and one of this call


@pytest.mark.parametrize("lost", ["request", "answer"])
@pytest.mark.parametrize("call", ["get", "cas"])
@pytest.mark.parametrize("go_on", [True, False])
def test_a_call_that_is_repeated_with_its_token_makes_one_commission(
    ended, stage, lost, call, go_on
):
    """F81: whether request or answer was lost, and whether workers went on meanwhile."""
    commissions, losing, ends, serials = stage
    losing.lose, losing.meanwhile = {call: lost}, ends if go_on else lambda: None
    with pytest.raises(Unavailable) as caught:
        commissions.issue(**AGAIN)
    for _ in range(3):
        handle = commissions.issue(**AGAIN, token=caught.value.token)
        ends()
    assert handle.incarnation == Token.read(caught.value.token).incarnation != ended
    assert next(serials) == 59


@pytest.mark.parametrize("go_on", [True, False])
def test_so_does_one_whose_key_was_free(commissions, losing, ends, serials, go_on):
    losing.lose, losing.meanwhile = {"cas": "answer"}, ends if go_on else lambda: None
    with pytest.raises(Unavailable) as caught:
        commissions.issue(**AGAIN)
    commissions.issue(**AGAIN, token=caught.value.token)
    ends()
    assert next(serials) == 58


def test_a_call_that_found_an_open_commission_finds_it_again_after_its_end(
    commissions, losing, ends, serials
):
    """F81: its acceptance was recorded, and only the answer is lost: nothing is replaced."""
    first = commissions.issue(**VM, key="k")
    losing.lose, losing.meanwhile = {"decide": "answer"}, ends
    with pytest.raises(Unavailable) as caught:
        commissions.issue(**AGAIN)
    again = commissions.issue(**AGAIN, token=caught.value.token)
    assert (again.incarnation, again.last.state) == (first.incarnation, "accepted")
    assert next(serials) == 58


@pytest.mark.parametrize("lost", ["answer", "request"])
def test_a_repeated_call_replaces_no_commission_of_another_call(
    commissions, losing, ended, ends, lost
):
    """It cannot know whether its own has been there, and was replaced in turn."""
    losing.lose = {"cas": lost}
    with pytest.raises(Unavailable) as caught:
        commissions.issue(**AGAIN)
    ends()
    other = commissions.issue(**AGAIN)
    ends()
    with pytest.raises(KeyConflict, match="used by another call"):
        commissions.issue(**AGAIN, token=caught.value.token)
    assert commissions.get("k").incarnation == other.incarnation


def test_a_call_that_has_read_nothing_may_replace_whatever_is_there(
    commissions, losing, ended, ends
):
    losing.lose = {"get": "request"}
    with pytest.raises(Unavailable) as caught:
        commissions.issue(**AGAIN)
    commissions.issue(**AGAIN)
    ends()
    commissions.issue(**AGAIN, token=caught.value.token)
    assert commissions.get("k").state == "queued"


# --- A life that is named ---------------------------------------------------------------------


def test_reuse_may_name_the_commission_that_it_replaces(commissions, ended, ends, serials):
    """F81: then it may be repeated by hand too."""
    for _ in range(3):
        handle = commissions.issue(**{**AGAIN, "reuse": ended})
        ends()
    assert handle.incarnation != ended
    assert next(serials) == 59


def test_a_named_commission_that_is_open_is_not_replaced(commissions):
    first = commissions.issue(**VM, key="k")
    again = commissions.issue(**VM, key="k", reuse=first.incarnation)
    assert again.incarnation == first.incarnation


def test_a_named_commission_that_was_replaced_conflicts_with_other_contents(
    commissions, ended, ends
):
    commissions.issue(**{**AGAIN, "reuse": ended})
    ends()
    with pytest.raises(KeyConflict):
        commissions.issue(**{**AGAIN, "reuse": ended, "provisions": {"cyclades.vm": 2}})


@pytest.mark.parametrize("reuse", [None, 1, "yes", "", "0" * 7, "ABCDEF01", ["0" * 8]])
def test_what_is_no_incarnation_is_no_reuse(commissions, reuse):
    with pytest.raises(BadValue, match="reuse must be"):
        commissions.issue(**VM, key="k", reuse=reuse)


# --- Tokens -----------------------------------------------------------------------------------


def test_without_a_key_the_token_has_it(commissions, losing, ledger):
    losing.lose = {"cas": "answer"}
    with pytest.raises(Unavailable) as caught:
        commissions.issue(**VM)
    again = commissions.issue(**VM, token=caught.value.token)
    assert again.key == caught.value.key
    assert ledger.lane(LANE).open == 1
    assert history(commissions, again.key)[0].deadline is not None


@pytest.mark.parametrize(
    "token", [7, "", "k", "00000000-unread", "0000000-unread-k", "00000000-other-k", "x" * 300]
)
def test_what_is_no_token_is_refused(commissions, token):
    with pytest.raises(BadValue, match="token must be"):
        commissions.issue(**VM, key="k", token=token)


def test_the_token_of_another_key_is_refused(commissions):
    with pytest.raises(BadValue, match="token is that of key 'other', not of 'k'"):
        commissions.issue(**VM, key="k", token="00000000-unread-other")


def test_a_token_comes_through_a_pickle(commissions, losing):
    losing.lose = {"cas": "request"}
    with pytest.raises(Unavailable) as caught:
        commissions.issue(**VM, key="k")
    copied = pickle.loads(pickle.dumps(caught.value))
    assert (copied.key, copied.token) == ("k", caught.value.token)
    assert str(copied) == str(caught.value)


def test_a_token_holds_for_other_contents_no_more_than_a_key(commissions, losing):
    losing.lose = {"cas": "answer"}
    with pytest.raises(Unavailable) as caught:
        commissions.issue(**VM, key="k")
    other = {**VM, "provisions": {"cyclades.vm": 2}}
    with pytest.raises(KeyConflict):
        commissions.issue(**other, token=caught.value.token)


def test_of_many_each_has_its_token(commissions, losing, ended, ends, serials):
    wanted = [AGAIN, {**VM, "key": "free", "reuse": True}, {"user": "u"}]
    losing.lose, losing.meanwhile = {"cas": "answer"}, ends
    with pytest.raises(Unavailable) as caught:
        commissions.issue_many(wanted)
    tokens = caught.value.tokens
    assert tokens[2] is None
    repeated = [{**one, "token": token} for one, token in zip(wanted, tokens, strict=True)]
    one, free, wrong = commissions.issue_many(repeated)
    assert isinstance(wrong, BadValue)
    assert (one.last.state, free.last.state) == ("accepted", "queued")
    assert next(serials) == 59


def test_what_is_called_again_after_a_commit_makes_one_commission(
    commissions, losing, ended, ends, serials
):
    waiting = []
    commissions.on_commit(waiting.append).issue(**AGAIN)
    losing.lose, losing.meanwhile = {"cas": "answer"}, ends
    with pytest.raises(Unavailable):
        waiting[0]()
    waiting[0]()
    ends()
    assert next(serials) == 59


# --- Errors -----------------------------------------------------------------------------------


def test_a_repeated_call_is_told_of_a_decision_that_was_first(commissions, losing, ended):
    losing.lose = {"cas": "answer"}
    with pytest.raises(Unavailable) as caught:
        commissions.issue(**{**AGAIN, "accept": False})
    commissions.reject("k")
    with pytest.raises(DecisionConflict):
        commissions.issue(**AGAIN, token=caught.value.token)
