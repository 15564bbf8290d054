"""`Commissions.in_memory()` answers a service as the real thing does."""

import inspect
import re

import pytest

from astakos_worker import (
    Commissions,
    DecisionConflict,
    KeyConflict,
    OutcomeTimeout,
    Settings,
    UnknownKey,
)
from astakosclient.errors import BadValue, NotFound, QuotaLimit
from tests.unit.testing.in_memory.conftest import ONE_VM, RAM, VM


class BuildError(Exception):
    """The service's own work failed."""


def test_an_issue_is_pending_when_it_returns(commissions, usage):
    commission = commissions.issue(**ONE_VM, key="k")
    assert commissions.get("k").state == "pending"
    assert commission.outcome(timeout=5).serial == 1
    assert usage() == (0, 1)


@pytest.mark.parametrize(
    ("decide", "state", "taken"), [("accept", "accepted", (1, 0)), ("reject", "rejected", (0, 0))]
)
def test_a_decision_is_carried_out(commissions, usage, decide, state, taken):
    commissions.issue(**ONE_VM, key="k")
    getattr(commissions, decide)("k")
    assert commissions.get("k").state == state
    assert usage() == taken
    assert commissions.astakos.pending == []


def test_an_issue_that_is_accepted_at_once_is_through(commissions, usage):
    assert commissions.issue(**ONE_VM, accept=True).outcome(timeout=5).state == "accepted"
    assert usage() == (1, 0)


def test_a_hold_is_accepted_on_leaving(commissions, usage):
    with commissions.hold(**ONE_VM, key="k") as held:
        assert held.last.serial == 1
        assert usage() == (0, 1)
    assert usage() == (1, 0)


def test_a_hold_is_rejected_on_an_exception(commissions, usage):
    with pytest.raises(BuildError), commissions.hold(**ONE_VM, key="k"):
        raise BuildError
    assert usage() == (0, 0)
    assert commissions.get("k").reason == "BuildError"


def test_a_hold_that_is_refused_is_not_entered(commissions):
    commissions.astakos.set_limit(VM, 0, project="lab", user="ada")
    entered = []
    with pytest.raises(QuotaLimit), commissions.hold(**ONE_VM):
        entered.append(True)
    assert entered == []


def test_a_refusal_says_what_was_short_as_the_client_would(commissions):
    commissions.issue(**ONE_VM, accept=True)
    with pytest.raises(QuotaLimit) as caught:
        commissions.issue(**ONE_VM | {"provisions": {VM: 2}}).outcome(timeout=5)
    refusal = caught.value
    assert (refusal.case, refusal.holder, refusal.source) == ("member", "user:ada", "project:lab")
    assert (refusal.resource, refusal.limit, refusal.usage, refusal.quantity) == (VM, 2, 1, 2)
    assert str(refusal) == (
        "The user's limit for a resource in the project is exceeded: "
        "Virtual Machine: available 1, requested 2"
    )


def test_what_all_of_a_project_may_have_is_a_limit_of_its_own(commissions):
    commissions.astakos.set_limit(VM, 3, project="lab")
    for user in ("ada", "bob"):
        commissions.issue(**ONE_VM | {"user": user}, accept=True).outcome(timeout=5)
    with pytest.raises(QuotaLimit) as caught:
        commissions.issue(**ONE_VM | {"user": "eve", "provisions": {VM: 2}}).outcome(timeout=5)
    assert caught.value.case == "project"
    assert commissions.astakos.quota("ada", "lab", VM) == {
        "limit": 2,
        "usage": 1,
        "pending": 0,
        "project_limit": 3,
        "project_usage": 2,
        "project_pending": 0,
    }


def test_the_limit_of_each_can_be_changed_and_a_single_one_stands(commissions):
    commissions.astakos.set_limit(VM, 5, project="lab", user="ada")
    commissions.astakos.set_limit(VM, 0)
    assert commissions.issue(**ONE_VM).outcome(timeout=5).state == "pending"
    with pytest.raises(QuotaLimit):
        commissions.issue(**ONE_VM | {"user": "bob"}).outcome(timeout=5)


def test_without_limits_everything_may_be_had():
    commissions = Commissions.in_memory()
    many = {"anything": 10**12}
    commissions.issue(user="u", project="p", provisions=many, accept=True).outcome(timeout=5)
    assert commissions.astakos.quota("u", "p", "anything")["usage"] == 10**12


def test_a_misspelt_resource_is_tried_again_for_a_while_and_then_not_found(commissions):
    """F14: here as there. The nearest name is known at once, and in each error."""
    commission = commissions.issue(user="ada", project="lab", provisions={"cyclades.wm": 1})
    text = r"no resource 'cyclades.wm'; the nearest known name is 'cyclades.vm'"
    outcome = commission.get()
    assert re.search(text, outcome.why) and outcome.last_error["class"] == "NotFound"
    assert outcome.error is None
    with pytest.raises(OutcomeTimeout, match=f"lastly: Astakos has {text}"):
        commission.outcome(timeout=30)
    with pytest.raises(NotFound, match=text):
        commission.outcome(timeout=600)


def test_asking_for_what_is_no_resource_names_those_there_are(commissions):
    with pytest.raises(BadValue, match=r"'cyclades.wm' has no limit.*cyclades.ram, cyclades.vm"):
        commissions.astakos.quota("ada", "lab", "cyclades.wm")


def test_a_users_limit_without_a_project_makes_no_sense(commissions):
    with pytest.raises(BadValue, match="project"):
        commissions.astakos.set_limit(VM, 1, user="ada")
    with pytest.raises(BadValue, match="limits"):
        Commissions.in_memory().astakos.set_limit(VM, 1)


def test_keys_conflicts_and_strangers_are_as_in_production(commissions):
    commissions.issue(**ONE_VM, key="k")
    assert commissions.issue(**ONE_VM, key="k").outcome(timeout=5).serial == 1
    with pytest.raises(KeyConflict):
        commissions.issue(**ONE_VM | {"provisions": {RAM: 1}}, key="k")
    commissions.reject("k")
    with pytest.raises(DecisionConflict):
        commissions.accept("k")
    with pytest.raises(UnknownKey):
        commissions.accept("nobody issued this")


def test_a_bare_serial_that_astakos_does_not_know_is_not_found(commissions):
    """It is believed while Astakos lists another commission of this ledger (F87)."""
    commissions.issue(**ONE_VM, key="listed")
    with pytest.raises(NotFound):
        commissions.accept(57).outcome(timeout=5)


def test_many_are_resolved_at_once(commissions, usage):
    for key in "abc":
        commissions.issue(**ONE_VM | {"user": key}, key=key)
    became = commissions.resolve(accept=["a", "b"], reject=["c", "b"])
    assert isinstance(became["b"], DecisionConflict)
    assert [commissions.get(key).state for key in "abc"] == ["accepted", "pending", "rejected"]
    assert [usage(user=key) for key in "abc"] == [(1, 0), (0, 1), (0, 0)]


def test_a_move_between_projects_is_charged_on_both(commissions, usage):
    commissions.issue(**ONE_VM, accept=True)
    commissions.reassign(user="ada", provisions={("lab", "shop", VM): 1}, accept=True)
    assert (usage(), usage(project="shop")) == ((0, 0), (1, 0))


def test_releasing_more_than_there_is_is_refused(commissions):
    with pytest.raises(QuotaLimit) as caught:
        commissions.issue(**ONE_VM | {"provisions": {VM: -1}}).outcome(timeout=5)
    assert caught.value.case == "release"


def test_call_backs_are_kept_for_the_test_to_look_at(commissions):
    commissions.issue(**ONE_VM, key="k", accept=True, callback="service.done@mine")
    [(callback, payload)] = commissions.workers.told
    assert callback == "service.done@mine"
    assert (payload["key"], payload["state"], payload["serial"]) == ("k", "accepted", 1)


def test_bad_arguments_are_refused_before_anything_is_stored(commissions):
    with pytest.raises(BadValue):
        commissions.issue(**ONE_VM | {"provisions": {VM: 1.5}}, key="k")
    with pytest.raises(UnknownKey):
        commissions.get("k")


def test_two_of_them_share_nothing(commissions, usage):
    Commissions.in_memory().issue(**ONE_VM, key="k")
    with pytest.raises(UnknownKey):
        commissions.get("k")
    assert usage() == (0, 0)


def test_the_environment_is_not_read(monkeypatch):
    monkeypatch.setenv("ASTAKOS_LEDGER_URL", "nonsense")
    monkeypatch.setenv("ASTAKOS_SERVICE", "other")
    assert Commissions.in_memory().service == "default"
    assert Commissions.in_memory(service="cyclades").issue(**ONE_VM).outcome(5).serial == 1


def test_settings_of_the_tests_own_are_kept_to(monkeypatch):
    monkeypatch.setenv("ASTAKOS_TIMES", "demo")
    commissions = Commissions.in_memory(settings=Settings(hold_deadline=7))
    commissions.issue(**ONE_VM, key=None)
    commissions.advance(7 + 3)
    assert commissions.astakos.pending == []


def test_it_is_the_face_that_services_know():
    """Whoever takes `Commissions` can be given this one, and every call of it works."""
    commissions = Commissions.in_memory()
    assert isinstance(commissions, Commissions)
    overridden = {
        name
        for name, _ in inspect.getmembers(Commissions, inspect.isfunction)
        if name in vars(type(commissions))
    }
    assert overridden == {"__init__"}
