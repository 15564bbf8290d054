"""What a failed send of a decision says of itself: whether it may have been executed (F25)."""

import pytest

from astakos_worker.engine.ports import Limits
from astakos_worker.engine.replies import settle_failed
from astakos_worker.ledger.record import State
from astakos_worker.ledger.states import transition
from astakosclient.errors import (
    AstakosClientException,
    BadRequest,
    ConnectionError,  # noqa: A004  # so named for its users' sake
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
