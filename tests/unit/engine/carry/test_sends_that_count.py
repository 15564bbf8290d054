"""What a failed send of a decision says of itself: whether it may have been executed (F25)."""

import pytest

from astakos_worker import Commissions
from astakos_worker.engine.ports import Limits
from astakos_worker.engine.replies import settle_failed
from astakos_worker.ledger.record import State
from astakos_worker.ledger.states import transition
from astakosclient.errors import (
    AstakosClientException,
    BadRequest,
    ConnectionError,  # noqa: A004  # so named for its users' sake
    LocalError,
    Outcome,
    Unauthorized,
)
from tests.unit.ledger.records import ACCEPTED, ISSUED, MARKED, NOW, SETTLES, after, fresh

SENT = after(fresh(), MARKED, ISSUED, ACCEPTED, SETTLES)


@pytest.mark.parametrize(
    "error",
    [
        ConnectionError(OSError("refused"), outcome=Outcome.NOT_SENT),
        Unauthorized("Invalid token", outcome=Outcome.REFUSED),
        BadRequest("no such action", outcome=Outcome.REFUSED),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_send_that_did_nothing_is_no_earlier_send(error):
    """F25: or a commission that somebody else settled would pass for done as decided."""
    record = transition(
        SENT, settle_failed(error, SENT, NOW, Limits(), lambda: 0.5, others=True), NOW
    )
    assert (record.state, record.sent) == (State.SETTLING, ())
    gone = after(record, SETTLES)
    assert gone.settles == 2 and len(gone.sent) == 1


@pytest.mark.parametrize(
    "error",
    [
        ConnectionError(OSError("reset"), outcome=Outcome.AMBIGUOUS),
        AstakosClientException("Internal error", status=500, response="{}"),
        AstakosClientException("too large", status=413, response="<html>"),
    ],
    ids=["lost", "500", "proxy"],
)
def test_a_send_that_may_have_been_executed_stays_one(error):
    """F24: its success is the next one's "not found"."""
    record = transition(
        SENT, settle_failed(error, SENT, NOW, Limits(), lambda: 0.5, others=True), NOW
    )
    assert record.sent == (1,)


# --- Each followed by somebody else's settle: `vanished`, as after no send at all ----------------


@pytest.fixture
def commissions():
    commissions = Commissions.in_memory()
    for key in ("listed", "k", "other"):
        commissions.issue(user="ada", project="lab", provisions={"cyclades.vm": 1}, key=key)
    return commissions


def settled_by_somebody_else(commissions):
    commissions.astakos._book.resolve("in-memory", commissions.get("k").serial, accept=False)


def answers_once(commissions, answer):
    """Let the first request to settle get an answer of a test's own."""
    real = commissions.astakos.resolve_commissions

    def first(accept, reject):
        commissions.astakos.resolve_commissions = real
        settled_by_somebody_else(commissions)
        if isinstance(answer, Exception):
            raise answer
        return answer(accept, reject)

    commissions.astakos.resolve_commissions = first


def test_a_row_that_failed_is_no_send(commissions):
    """F25: Astakos answered for this serial that it did nothing."""
    fault = {"badRequest": {"code": 400, "message": "not now"}}
    rows = {"accepted": [], "rejected": []}
    answers_once(commissions, lambda accept, _reject: rows | {"failed": [[accept[0], fault]]})
    commissions.accept("k")
    commissions.advance(60)
    assert commissions.get("k").state == "vanished"


def test_a_batch_that_was_refused_is_no_send_of_its_halves(commissions):
    """F25, F27: a 400 says that nothing of it was done."""
    refused = BadRequest("Bad request", outcome=Outcome.REFUSED, response='{"badRequest": {}}')
    answers_once(commissions, refused)
    commissions.resolve(accept=["k", "other"])
    commissions.advance(60)
    assert (commissions.get("k").state, commissions.get("other").state) == ("vanished", "accepted")


def test_a_token_that_was_refused_is_no_send(commissions):
    """F11, F25."""
    answers_once(commissions, Unauthorized("Invalid token", outcome=Outcome.REFUSED))
    commissions.accept("k")
    assert commissions.get("k").state == "settling"
    commissions.advance(60)
    assert commissions.get("k").state == "vanished"


def test_trouble_of_the_workers_own_is_no_send(commissions):
    """F84, F25."""
    answers_once(commissions, LocalError(OSError("no route to host")))
    commissions.accept("k")
    commissions.advance(60)
    assert commissions.get("k").state == "vanished"


def test_a_call_back_between_the_claim_and_the_request_makes_no_second_send(commissions):
    """F25: the mark of the claim is the one send, and stays it."""
    heard = []

    def hear(callback, payload):
        if not heard:
            serial = commissions.get("told").serial
            commissions.astakos._book.resolve("in-memory", serial, accept=False)
        heard.append(payload["state"])
        return True

    commissions.workers._carrier.send_callback = hear
    one = {"user": "ada", "project": "lab", "provisions": {"cyclades.vm": 1}}
    commissions.issue(**one, key="told", accept=True, callback="heard", callback_on=["pending"])
    commissions.advance(60)
    assert heard[0] != "vanished"
    assert commissions.get("told").state == "vanished"
