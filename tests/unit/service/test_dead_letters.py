"""Dead letters: commissions that need a person are listed, resent, or discarded."""

from dataclasses import replace

import pytest

from astakos_worker import (
    CommissionFailed,
    Commissions,
    KeyConflict,
    NotDead,
    Settings,
    Unavailable,
    UnknownKey,
)
from astakos_worker.ledger import events
from astakos_worker.ledger.awaited import at_once
from astakos_worker.ledger.contract import Write
from astakos_worker.ledger.states import transition
from astakos_worker.service.arguments import one
from astakos_worker.service.inside import decider_of, history, issuer_of
from astakosclient.errors import BadValue

VM = "cyclades.vm"
ONE = {"project": "lab", "provisions": {VM: 1}}
WINDOW = Settings.model_fields["refusal_window"].default


@pytest.fixture
def commissions():
    return Commissions.in_memory(limits={VM: 3})


@pytest.fixture
def lose_holding(commissions):
    """Have Astakos lose a user's holding: to settle a commission on it is a 500 then."""
    book = commissions.astakos._book

    def lose(user):
        [key] = [key for key in book.holdings if key.holder == f"user:{user}"]
        holding = book.holdings.pop(key)
        return lambda: book.holdings.__setitem__(key, holding)

    return lose


@pytest.fixture
def dead(commissions, lose_holding):
    """A dead commission `k` of `ada` with a decision; call the value to give the holding back."""

    def dead(verb="accept"):
        commissions.issue(user="ada", **ONE, key="k")
        give_back = lose_holding("ada")
        getattr(commissions, verb)("k")
        window_passes(commissions)
        assert commissions.get("k").state == "dead"
        return give_back

    return dead


def window_passes(commissions):
    """Let the refusal window pass, while Astakos settles what others ask (F85)."""
    commissions.advance(WINDOW / 2)
    commissions.issue(user="eve", **ONE, key=f"other-{commissions.now:.0f}", accept=True)
    commissions.advance(WINDOW / 2 + 120)


def pending(commissions, user="ada"):
    return commissions.astakos.quota(user, "lab", VM)["pending"]


def usage(commissions, user="ada"):
    figures = commissions.astakos.quota(user, "lab", VM)
    return figures["usage"] - figures["pending"]


def die(commissions, key):
    """Let a commission die in its present state."""
    [entry] = commissions.ledger.get("default", [key]).values()
    record = transition(entry.record, events.Died({"class": "Broken"}), commissions.now)
    [verdict] = commissions.ledger.cas([Write(record, entry.version)])
    assert verdict.done


def test_one_poison_among_many_is_found_and_dies_alone(commissions, lose_holding):
    """F27: the batch is halved until it stands alone; the others are settled at once."""
    users = [f"user-{n}" for n in range(10)]
    for user in users:
        commissions.issue(user=user, **ONE, key=user)
    lose_holding("user-3")
    commissions.resolve(accept=users)
    others = [user for user in users if user != "user-3"]
    assert {commissions.get(user).state for user in others} == {"accepted"}
    assert commissions.get("user-3").state == "settling"
    assert commissions.dead.list() == []
    commissions.advance(WINDOW + 120)
    [letter] = commissions.dead.list()
    assert (letter.key, letter.decision, letter.serial) == (
        "user-3",
        "accept",
        commissions.get("user-3").serial,
    )
    assert letter.reason.startswith("AstakosClientException: ")
    assert commissions.ledger.lane("default").dead == 1


def test_what_passes_within_the_window_kills_nothing(commissions, lose_holding):
    """F27: a quota synchronisation makes accept answer 500 for a while."""
    commissions.issue(user="ada", **ONE, key="k")
    give_back = lose_holding("ada")
    commissions.accept("k")
    commissions.advance(WINDOW / 2)
    give_back()
    commissions.advance(120)
    assert commissions.get("k").state == "accepted"


def test_an_error_of_every_request_kills_nothing(commissions, lose_holding):
    """F85: without one success of another commission, the trouble may be Astakos' own."""
    commissions.issue(user="ada", **ONE, key="k")
    give_back = lose_holding("ada")
    commissions.accept("k")
    commissions.advance(10 * WINDOW)
    assert commissions.get("k").state == "settling"
    give_back()
    commissions.advance(120)
    assert commissions.get("k").state == "accepted"


def test_its_caller_is_told_that_a_person_has_to_look(commissions, dead):
    dead()
    with pytest.raises(CommissionFailed, match="dead"):
        commissions.outcome("k")


@pytest.mark.parametrize(
    ("verb", "state", "used"), [("accept", "accepted", 1), ("reject", "rejected", 0)]
)
def test_what_is_sent_again_ends_as_it_was_decided(commissions, dead, verb, state, used):
    dead(verb)()
    words = {"resend": f"sends its {verb} again", "discard": "rejects serial 1 at Astakos"}
    assert commissions.dead.choices("k") == words
    commissions.dead.resend("k")
    assert commissions.get("k").state == state
    assert (usage(commissions), pending(commissions)) == (used, 0)
    assert commissions.dead.list() == []


def test_what_is_sent_again_too_early_dies_again_after_another_window(commissions, dead):
    give_back = dead()
    assert commissions.dead.resend("k").state == "settling"
    commissions.advance(WINDOW / 2)
    assert commissions.get("k").state == "settling"
    window_passes(commissions)
    assert commissions.get("k").state == "dead"
    give_back()
    commissions.dead.resend("k")
    assert commissions.get("k").state == "accepted"


@pytest.mark.parametrize("verb", ["accept", "reject"])
def test_what_is_discarded_keeps_nothing_reserved_whatever_was_decided(commissions, dead, verb):
    dead(verb)()
    assert commissions.dead.discard("k", "the server is gone").state == "discarded"
    assert (usage(commissions), pending(commissions), commissions.astakos.pending) == (0, 0, [])
    record, _ = history(commissions, "k")
    assert not record.is_open
    assert "discarded by an operator: the server is gone" in [n.what for n in record.history]
    assert commissions.dead.list() == []
    with pytest.raises(CommissionFailed, match="discarded"):
        commissions.outcome("k")


def test_a_discarded_one_that_cannot_be_rejected_yet_is_rejected_later(commissions, dead):
    give_back = dead()
    commissions.dead.discard("k")
    assert commissions.astakos.pending == [1]
    give_back()
    commissions.advance(120)
    assert commissions.astakos.pending == []


def test_a_discarded_ones_key_is_in_use_until_somebody_asks_for_it_anew(commissions, dead):
    dead()()
    commissions.dead.discard("k")
    with pytest.raises(KeyConflict):
        commissions.issue(user="bob", **ONE, key="k")
    commissions.issue(user="bob", **ONE, key="k", reuse=True)
    assert commissions.get("k").state == "pending"


def test_what_may_be_at_astakos_is_looked_for_before_it_is_issued_again(commissions):
    """F5: an answer was lost, its commission died, and a person sends it again."""
    commissions.astakos.lose_answers()
    commissions.workers.away = True
    commissions.issue(user="ada", **ONE, key="k")
    commissions.workers.away = False
    commissions.workers.work()
    assert commissions.get("k").state == "issuing"
    die(commissions, "k")
    assert commissions.dead.choices("k")["resend"].startswith("looks for it at Astakos")
    commissions.dead.resend("k")
    assert (commissions.get("k").state, commissions.astakos.pending) == ("pending", [1])


def test_what_never_left_is_issued(commissions):
    commissions.workers.away = True
    commissions.issue(user="ada", **ONE, key="k", accept=True)
    die(commissions, "k")
    commissions.workers.away = False
    assert commissions.dead.choices("k")["resend"] == "issues it"
    commissions.dead.resend("k")
    assert commissions.get("k").state == "accepted"


def test_a_decision_whose_request_never_came_is_kept_once_more(commissions):
    """F77: dead with that reason; sent again it waits as long once more."""
    at_once(decider_of(commissions).decide_or_await("k", "accept", patience=3600))
    awaited = Settings.model_fields["awaited"].default
    commissions.advance(awaited + 60)
    [letter] = commissions.dead.list()
    assert letter.reason.startswith("NeverIssued: nobody issued it")
    assert commissions.dead.choices("k")["resend"].startswith("keeps its accept for 3600 s more")
    commissions.dead.resend("k")
    commissions.advance(awaited / 2)
    at_once(issuer_of(commissions).issue(one("ada", "lab", {VM: 1}), "k"))
    assert commissions.get("k").state == "accepted"


def test_a_serial_that_was_issued_elsewhere_is_named_by_it(commissions, lose_holding):
    commissions.issue(user="ada", **ONE, key="other")
    pending = commissions.astakos._book.commissions
    pending[1] = replace(pending[1], name="by hand")
    commissions.ledger._lanes.clear()
    commissions.ledger.lost_writes()
    assert commissions.ledger.trust("default")
    lose_holding("ada")
    commissions.accept(1)
    window_passes(commissions)
    [letter] = commissions.dead.list()
    assert (letter.key, letter.which) == ("serial 1", 1)
    commissions.dead.discard(letter.which)
    assert commissions.get(1).state == "discarded"


@pytest.mark.parametrize("do", ["resend", "discard", "choices"])
def test_only_what_is_dead_is_touched(commissions, do):
    commissions.issue(user="ada", **ONE, key="k")
    before = history(commissions, "k")
    with pytest.raises(NotDead, match="is pending, not dead"):
        getattr(commissions.dead, do)("k")
    assert history(commissions, "k") == before
    with pytest.raises(UnknownKey):
        getattr(commissions.dead, do)("nobody's")
    with pytest.raises(BadValue):
        getattr(commissions.dead, do)("")


def test_the_ledger_being_away_is_said(commissions, dead):
    dead()
    commissions.ledger.away = True
    for call in (commissions.dead.list, lambda: commissions.dead.resend("k")):
        with pytest.raises(Unavailable):
            call()
