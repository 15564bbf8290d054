"""When a lane rests, what ends its rest, and what is one commission's own trouble."""

import pytest

from astakos_worker import Commissions, Settings
from astakos_worker.engine.breaker import rest_for_local_trouble
from astakos_worker.engine.ports import Limits
from astakosclient.errors import (
    AstakosClientException,
    ConnectionError,  # noqa: A004  # so named for its users' sake
    Forbidden,
    LocalError,
    Outcome,
)

ONE = {"user": "ada", "project": "lab", "provisions": {"cyclades.vm": 1}}
LANE = "default"
WINDOW = Settings.model_fields["refusal_window"].default
CALLS = (
    "issue_provisions",
    "resolve_commissions",
    "get_pending_commissions",
    "get_commission_info",
)


def server_error():
    page = "<h1>Server Error (500)</h1>"
    return AstakosClientException("Internal Server Error", "", 500, page)


def blocked():
    page = "<html>blocked</html>"
    return Forbidden("Forbidden", page, 403, page, outcome=Outcome.AMBIGUOUS)


def refused_connection():
    return ConnectionError(OSError("connection refused"), outcome=Outcome.NOT_SENT)


class Wrapped:
    """The Astakos in memory, where calls fail as a test says; counts the calls."""

    def __init__(self, astakos):
        self.fails = lambda _name, _args: None
        self.calls = []
        for name in CALLS:
            setattr(astakos, name, self._wrapped(name, getattr(astakos, name)))

    def _wrapped(self, name, call):
        def wrapped(*args, **more):
            self.calls.append(name)
            if error := self.fails(name, args):
                raise error
            return call(*args, **more)

        return wrapped


@pytest.fixture
def commissions():
    return Commissions.in_memory()


@pytest.fixture
def astakos(commissions):
    return Wrapped(commissions.astakos)


def issue_while_away(commissions, keys, **more):
    """Have so many due at once."""
    commissions.workers.away = True
    for key in keys:
        commissions.issue(**ONE, key=key, **more)
    commissions.workers.away = False
    commissions.workers.work()


def states(commissions, keys):
    return {commissions.get(key).state for key in keys}


def alarms(commissions):
    return commissions.ledger.lane(LANE).alarms


# --- Local trouble (F84) ----------------------------------------------------------------------


@pytest.mark.parametrize("decided", [False, True])
def test_trouble_of_the_workers_own_machine_refuses_nothing(commissions, astakos, decided):
    """F84: the lane rests at once, an alarm says why, and all is done when it is mended."""
    if decided:
        commissions.issue(**ONE, key="k")
    trouble = LocalError(OSError("no certificate authorities in /etc/ca.pem"))
    astakos.fails = lambda _name, _args: trouble
    commissions.accept("k") if decided else commissions.issue(**ONE, key="k", accept=True)
    assert commissions.get("k").state == ("settling" if decided else "queued")
    assert "/etc/ca.pem" in alarms(commissions)["local"]
    assert len(astakos.calls) <= 2 + decided
    commissions.advance(2 * WINDOW)
    assert commissions.get("k").state in {"queued", "settling"}
    astakos.fails = lambda _name, _args: None
    commissions.advance(120)
    assert commissions.get("k").state == "accepted"
    assert alarms(commissions) == {}


def test_a_worker_that_cannot_make_a_client_lets_the_lane_rest_longer_each_time(commissions):
    """F84: its reason is the alarm; nobody claims anything meanwhile."""
    waits = []
    for _ in range(3):
        reason = "host-1: the token file /run/token is missing"
        rest_for_local_trouble(commissions.ledger, LANE, Limits(), lambda: 0.5, reason)
        waits.append(commissions.ledger.lane(LANE).resting)
        commissions._clock.move(commissions.now + waits[-1] + 0.1)
    assert waits == [0.75, 1.5, 3.0]
    assert alarms(commissions) == {"local": reason}
    commissions.issue(**ONE, key="k", accept=True)
    assert commissions.get("k").state == "accepted"
    assert alarms(commissions) == {}


# --- An outage (F59, F85) ---------------------------------------------------------------------


def test_an_hour_of_500_pages_kills_nothing_and_costs_astakos_a_trickle(commissions, astakos):
    """F85: every decided commission waits, and ends as it was decided."""
    keys = [f"k{n}" for n in range(50)]
    for key in keys:
        commissions.issue(**ONE, key=key)
    astakos.fails = lambda _name, _args: server_error()
    commissions.resolve(accept=keys)
    astakos.calls.clear()
    commissions.advance(3600)
    assert states(commissions, keys) <= {"pending", "settling"}
    assert len(astakos.calls) < 150
    assert set(astakos.calls) == {"get_pending_commissions"}
    assert "500" in alarms(commissions)["fails"] or "Server" in alarms(commissions)["fails"]
    astakos.fails = lambda _name, _args: None
    commissions.advance(120)
    assert states(commissions, keys) == {"accepted"}
    assert alarms(commissions) == {}


def test_errors_of_every_settle_alone_kill_nothing_either(commissions, astakos):
    """F85: Astakos lists and issues; that says nothing of its settling."""
    keys = [f"k{n}" for n in range(10)]
    for key in keys:
        commissions.issue(**ONE, key=key)
    astakos.fails = lambda name, _args: server_error() if name == "resolve_commissions" else None
    commissions.resolve(accept=keys)
    for n in range(20):
        commissions.advance(WINDOW / 5)
        commissions.issue(**ONE, key=f"issued-{n}")
    assert states(commissions, keys) <= {"pending", "settling"}
    astakos.fails = lambda _name, _args: None
    commissions.advance(120)
    assert states(commissions, keys) == {"accepted"}


def test_a_lone_commission_makes_its_lane_rest_when_nobody_listens(commissions, astakos):
    """One request a carry: it is counted over all of them."""
    astakos.fails = lambda _name, _args: refused_connection()
    commissions.issue(**ONE, key="k", accept=True)
    commissions.advance(30)
    assert "connection refused" in alarms(commissions)["silent"]
    assert commissions.ledger.lane(LANE).rests > 1
    astakos.fails = lambda _name, _args: None
    commissions.advance(60)
    assert (commissions.get("k").state, alarms(commissions)) == ("accepted", {})


def test_a_success_between_failures_keeps_the_lane_at_work(commissions, astakos):
    failing = iter([True, True, False] * 10)
    astakos.fails = lambda _name, _args: refused_connection() if next(failing, False) else None
    for n in range(10):
        commissions.issue(**ONE, key=f"k{n}")
        commissions.advance(5)
    assert (commissions.ledger.lane(LANE).rests, alarms(commissions)) == (0, {})


# --- One commission's own trouble (F85, F88) --------------------------------------------------


def by_name(text, error):
    """Let the requests fail that issue commissions of this name."""

    def fails(name, args):
        return error() if name == "issue_provisions" and text in args[1] else None

    return fails


def test_issues_that_always_get_a_500_die_and_the_others_flow(commissions, astakos):
    """F85: each is tried within the window, is proven absent each time, and dies of its error."""
    astakos.fails = by_name("poison", server_error)
    bad, good = [f"bad-{n}" for n in range(40)], [f"good-{n}" for n in range(10)]
    commissions.workers.away = True
    for key in bad:
        commissions.issue(**ONE, key=key, name="poison", accept=True)
    issue_while_away(commissions, good, accept=True)
    commissions.advance(10)
    assert states(commissions, good) == {"accepted"}
    for n in range(12):
        commissions.advance(60)
        commissions.issue(**ONE, key=f"later-{n}", accept=True)
        assert commissions.get(f"later-{n}").state == "accepted"
    assert states(commissions, bad) == {"dead"}
    assert commissions.dead.list()[0].reason.startswith("AstakosClientException: Internal Server")
    assert astakos.calls.count("issue_provisions") < 40 * 8 + 30


def test_an_issue_that_alone_gets_a_500_waits_when_nobody_else_succeeds(commissions, astakos):
    """F85: then it may be Astakos' trouble; the operator is told, and nothing dies."""
    astakos.fails = by_name("poison", server_error)
    commissions.issue(**ONE, key="bad", name="poison")
    commissions.advance(5 * WINDOW)
    assert commissions.get("bad").state in {"queued", "issuing"}
    assert "Internal Server Error" in alarms(commissions)["fails"]


def test_a_success_after_a_storm_kills_none_that_waits_to_be_proven_absent(commissions, astakos):
    """F85: the others were issued after its last try, when Astakos worked again."""
    astakos.fails = by_name("early", server_error)
    commissions.issue(**ONE, key="k", name="early")
    while commissions.now < commissions.ledger.get(LANE, ["k"])["k"].record.created + 2 * WINDOW:
        commissions.advance(20)
    while commissions.get("k").state != "issuing":
        commissions.advance(1)
    astakos.fails = lambda _name, _args: None
    commissions.issue(**ONE, key="other", accept=True)
    assert commissions.get("other").state == "accepted"
    commissions.advance(200)
    assert commissions.get("k").state == "pending"


def test_a_commission_that_waits_out_a_storm_is_issued_once_it_is_over(commissions, astakos):
    astakos.fails = by_name("", server_error)
    issue_while_away(commissions, ["a", "b", "c"], accept=True)
    commissions.advance(WINDOW)
    astakos.fails = lambda _name, _args: None
    commissions.advance(200)
    assert states(commissions, "abc") == {"accepted"}
    assert commissions.astakos.quota("ada", "lab", "cyclades.vm")["usage"] == 3


@pytest.mark.parametrize("bad", [40, 120])
def test_what_a_filter_always_blocks_is_set_aside_and_the_others_flow(commissions, astakos, bad):
    """F88: the blocked ones are tried less and less often, and never die."""
    astakos.fails = by_name("<script>", blocked)
    keys = [f"bad-{n}" for n in range(bad)]
    good = [f"good-{n}" for n in range(60)]
    commissions.workers.away = True
    for key in keys:
        commissions.issue(**ONE, key=key, name="<script>")
    issue_while_away(commissions, good, accept=True)
    commissions.advance(10)
    assert states(commissions, good) == {"accepted"}
    tries = []
    for _ in range(3):
        astakos.calls.clear()
        commissions.advance(3600)
        tries.append(astakos.calls.count("issue_provisions") / bad)
    assert "Forbidden" in alarms(commissions)["proxy"]
    assert tries[0] > tries[1] and tries[2] <= 2
    assert states(commissions, keys) <= {"queued", "issuing"}
    astakos.fails = lambda _name, _args: None
    commissions.advance(2 * 3600)
    assert (states(commissions, keys), alarms(commissions)) == ({"pending"}, {})


def test_decisions_that_a_filter_always_blocks_keep_no_others_open(commissions, astakos):
    """F88: the batch is halved until each blocked one is alone."""
    keys = [f"k{n}" for n in range(50)]
    for key in keys:
        commissions.issue(**ONE, key=key)
    serials = {commissions.get(key).serial for key in keys[3::5]}

    def fails(name, args):
        return blocked() if name == "resolve_commissions" and serials & {*args[0]} else None

    astakos.fails = fails
    commissions.resolve(accept=keys)
    commissions.advance(15)
    others = [key for key in keys if commissions.get(key).serial not in serials]
    assert states(commissions, others) == {"accepted"}
    commissions.advance(2 * WINDOW)
    assert states(commissions, keys[3::5]) == {"settling"}


def test_a_lane_of_commissions_that_fail_takes_a_new_one_within_seconds(commissions, astakos):
    """F85: the rests of a lane whose Astakos answers a list do not grow beyond 8 s."""
    astakos.fails = by_name("poison", server_error)
    for n in range(60):
        commissions.issue(**ONE, key=f"bad-{n}", name="poison")
    commissions.advance(1200)
    assert commissions.ledger.lane(LANE).resting <= 8
    commissions.issue(**ONE, key="good", accept=True)
    commissions.advance(10)
    assert commissions.get("good").state == "accepted"
