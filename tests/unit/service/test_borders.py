"""A text or a number that cannot be right is refused where it comes in: `BadValue`."""

import pytest

from astakos_worker import Commissions, DecisionConflict, Unavailable
from astakos_worker.ledger.awaited import at_once
from astakos_worker.service.inside import decider_of
from astakos_worker.service.lookups import Lookups
from astakosclient.errors import BadValue
from tests.unit.service.conftest import LANE, VM

#: Texts that the ledger's scripts, or Astakos, cannot take.
BAD_TEXTS = ["\ud800", "cannot open '\udcff.txt'", "a\0b", "x" * 4097, object(), None, 7, b"text"]


@pytest.mark.parametrize("reason", BAD_TEXTS, ids=lambda one: repr(one)[:12])
def test_a_reason_that_is_no_text_is_refused_and_decides_nothing(commissions, ledger, reason):
    """F83."""
    commission = commissions.issue(**VM, key="k")
    before = ledger.get(LANE, ["k"])
    for call in (
        lambda: commissions.reject("k", reason=reason),
        lambda: commission.reject(reason),
        lambda: commissions.on_commit(lambda later: later()).reject("k", reason=reason),
        lambda: commissions.dead.discard("k", reason),
    ):
        with pytest.raises(BadValue, match=r"^reason must"):
            call()
    assert ledger.get(LANE, ["k"]) == before


@pytest.mark.parametrize("reason", ["", "no host had room", "κακό 🙁", "two\nlines", "x" * 4096])
def test_any_other_text_is_a_reason(commissions, reason):
    commissions.issue(**VM, key="k")
    assert commissions.reject("k", reason=reason).last.reason == reason


@pytest.mark.parametrize("name", BAD_TEXTS, ids=lambda one: repr(one)[:12])
def test_a_name_that_is_no_text_is_refused(commissions, ledger, name):
    """F83."""
    with pytest.raises(BadValue, match=r"^name must"):
        commissions.issue(**VM, key="k", name=name)
    assert ledger.lanes() == []


@pytest.mark.parametrize(
    "callback",
    [
        "",
        "@",
        "t@",
        "@q",
        "a b",
        "t@q@q",
        " t",
        "t\n",
        "t\0",
        "t@\ud800",
        "x" * 401,
        7,
        b"t",
        ["t"],
    ],
)
def test_what_is_no_task_is_no_call_back(commissions, ledger, callback):
    """F83."""
    with pytest.raises(BadValue, match=r"^callback must"):
        commissions.issue(**VM, key="k", callback=callback)
    assert ledger.lanes() == []


@pytest.mark.parametrize("callback", ["t", "app.tasks.done", "app.tasks.done@queue", "a-b:c@q.r"])
def test_a_task_with_or_without_a_queue_is_a_call_back(commissions, callback):
    assert commissions.issue(**VM, key="k", callback=callback).state == "queued"


@pytest.mark.parametrize("timeout", [float("nan"), float("inf"), "5", -1, True, b"5", [5]])
def test_what_is_no_time_is_no_timeout(commissions, ledger, timeout):
    with pytest.raises(BadValue, match=r"^timeout must"):
        commissions.outcome("k", timeout)
    hold = commissions.hold(**VM, key="k", timeout=timeout)
    with pytest.raises(BadValue, match=r"^timeout must"):
        hold.__enter__()
    assert ledger.lanes() == []


@pytest.mark.parametrize("quantity", [-(2**63), 2**63])
def test_a_quantity_that_cannot_be_given_back_is_refused_at_once(commissions, ledger, quantity):
    """Astakos would count it, and refuse what gives it back."""
    for call in (
        lambda: commissions.issue(**{**VM, "provisions": {"r": quantity}}),
        lambda: commissions.issue_generic(user_provisions={("u", "p", "r"): quantity}),
        lambda: commissions.reassign(user="u", provisions={("p", "q", "r"): quantity}),
    ):
        with pytest.raises(BadValue, match=r"^the quantity of 'r' must fit into 64 bits"):
            call()
    assert ledger.lanes() == []


@pytest.mark.parametrize("limit", [0, -1, True, 2.5, "9", None])
def test_a_list_of_dead_letters_is_of_some_length(commissions, limit):
    with pytest.raises(BadValue, match=r"^limit must"):
        commissions.dead.list(limit)


@pytest.mark.parametrize("name", ["\ud800", "a\0b", 7, None])
def test_a_look_up_of_what_is_no_name_is_refused(settings, name):
    def ask(*_):
        pytest.fail("nobody is asked")

    lookups = Lookups(settings=settings, asks=type("Asks", (), {"ask": ask})())
    for call in (
        lambda: lookups.username(name),
        lambda: lookups.uuid(name),
        lambda: lookups.quotas(user=[name]),
        lambda: lookups.project_quotas([name]),
    ):
        with pytest.raises(BadValue, match=r"must (be a list of strings|have no NUL)"):
            call()


def test_a_message_of_a_refused_argument_says_what_is_wrong_and_no_more(commissions):
    with pytest.raises(BadValue) as caught:
        commissions.issue(**VM, key="")
    assert str(caught.value) == "key must have 1 to 200 characters, not 0"


# --- Awaited decisions ------------------------------------------------------------------------


def test_accept_at_once_over_an_awaited_reject_is_a_conflict_each_time(commissions):
    """The reject came by name, before the request: it stands, and each call is told so."""
    at_once(decider_of(commissions).decide_or_await("k", "reject", patience=60))
    for _ in range(3):
        with pytest.raises(DecisionConflict, match="'k' has been decided: reject"):
            commissions.issue(**VM, key="k", accept=True)
    assert commissions.get("k").decision == "reject"
    assert commissions.issue(**VM, key="k").state == commissions.get("k").state


def test_an_outage_of_the_ledger_says_what_may_have_happened():
    """A call that only reads records nothing."""
    commissions = Commissions.in_memory()
    handle = commissions.issue(**VM, key="k")
    commissions.ledger.away = True
    for call in (
        lambda: commissions.get("k"),
        handle.get,
        lambda: handle.outcome(1),
        lambda: commissions.outcome(57, 1),
        lambda: handle.extend(60),  # its read fails first
    ):
        with pytest.raises(Unavailable) as caught:
            call()
        assert "was not read: call again" in str(caught.value)
    for call in (
        lambda: commissions.issue(**VM, key="k"),
        handle.accept,
        handle.reject,
    ):
        with pytest.raises(Unavailable) as caught:
            call()
        assert "may or may not be recorded: call again" in str(caught.value)


def test_a_handle_says_what_it_heard_last_and_asks_on_request(commissions, worker):
    handle = commissions.issue(**VM, key="k")
    assert (handle.state, handle.serial) == ("queued", None)
    worker.issues("k", 57)
    assert handle.state == "queued"
    assert (handle.get().state, handle.state, handle.serial) == ("pending", "pending", 57)
    handle.accept()
    assert handle.last.decision == "accept"
