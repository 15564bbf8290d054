"""What the absence of an ambiguous commission means for it, by how it has failed so far."""

import pytest
from msgspec.structs import replace

from astakos_worker.engine.ports import Limits
from astakos_worker.engine.replies import (
    Condition,
    condition_of,
    fault_of,
    issue_absent,
    issue_failed,
)
from astakos_worker.ledger.events import Absent, Died
from astakosclient.errors import (
    AstakosClientException,
    BadValue,
    ConnectionError,  # noqa: A004  # so named for its users' sake
    Forbidden,
    LocalError,
    NotFound,
    Outcome,
    QuotaLimit,
    Unauthorized,
)
from tests.unit.ledger.records import MARKED, NOW, REFUSAL, after, fresh

LIMITS = Limits()
PAGE = "<html>no</html>"
FAILS = AstakosClientException("Internal error", "", 500, PAGE)
PROXY = Forbidden("Forbidden", PAGE, 403, PAGE, outcome=Outcome.AMBIGUOUS)
LOST = ConnectionError(OSError("reset"), outcome=Outcome.AMBIGUOUS)


def doubtful(error, *, others=True, doubts=1, since=NOW, **more):
    """One whose last try failed so; `others` had been issued before that."""
    marked = after(fresh(), MARKED)
    failed = after(marked, issue_failed(error, marked, NOW, LIMITS, lambda: 0.5, others=others))
    return replace(failed, failing_since=since, doubts=doubts, **more)


def absent(record, *, now=NOW + LIMITS.refusal_window):
    return issue_absent(record, now - 1, now, LIMITS, lambda: 0.5)


@pytest.mark.parametrize(
    ("error", "condition"),
    [
        (FAILS, Condition.FAILS),
        (PROXY, Condition.PROXY),
        (LOST, Condition.SILENT),
        (ConnectionError(OSError("refused"), outcome=Outcome.NOT_SENT), Condition.SILENT),
        (LocalError(OSError("no CA file")), Condition.LOCAL),
        (Unauthorized("Invalid token", outcome=Outcome.REFUSED), Condition.TOKEN),
        (Forbidden("not yours", outcome=Outcome.REFUSED), Condition.TOKEN),
        (NotFound("no holding", outcome=Outcome.REFUSED), Condition.ANSWERS),
        (QuotaLimit("over", outcome=Outcome.REFUSED), Condition.ANSWERS),
    ],
)
def test_a_reply_says_of_astakos(error, condition):
    """F11, F15, F84, F85."""
    assert condition_of(error) is condition


def test_one_that_gets_an_error_each_time_dies_after_the_window():
    """F85: with its error; another one has been issued since it began to fail."""
    record = doubtful(FAILS)
    assert absent(record) == Died(record.error)
    assert record.error["class"] == fault_of(FAILS)["class"]


@pytest.mark.parametrize(
    "record",
    [
        doubtful(FAILS, others=False),
        doubtful(FAILS, since=NOW + 1),
        doubtful(FAILS, doubts=0),
        doubtful(LOST),
        doubtful(PROXY, doubts=9),
    ],
    ids=["no other succeeded", "within the window", "absent once", "lost", "blocked"],
)
def test_it_lives_on_otherwise(record):
    """F85, F88."""
    assert isinstance(absent(record), Absent)


def test_one_whose_answer_was_lost_is_issued_again_at_once():
    """F6."""
    now = NOW + 100
    assert absent(doubtful(LOST), now=now) == Absent(1, now - 1, now)


def test_one_that_a_proxy_blocks_is_tried_less_and_less_often():
    """F88: an hour apart at most."""
    now = NOW + 100
    waits = [absent(doubtful(PROXY, doubts=n), now=now).due - now for n in (0, 1, 2, 3, 9, 50)]
    horizon = LIMITS.quiet_horizon
    assert waits == [0, horizon, 3 * horizon, 7 * horizon, 3600, 3600]


def test_one_that_was_refused_after_all_ends_as_refused():
    """F13: the 413 came after the errors; an absence makes it final, however long it failed."""
    record = doubtful(FAILS, refusal=REFUSAL)
    assert isinstance(absent(record), Absent)


def test_what_the_client_itself_refuses_is_no_refusal_of_astakos():
    """F84: such a record needs a person."""
    record = after(fresh(), MARKED)
    event = issue_failed(
        BadValue("no such quantity"), record, NOW, LIMITS, lambda: 0.5, others=True
    )
    assert isinstance(event, Died)


@pytest.mark.parametrize("field", ["response", "details"])
def test_of_a_long_answer_a_record_keeps_five_hundred_characters(field):
    error = AstakosClientException("Server Error", **{field: "x" * 501})
    assert fault_of(error)[field] == "x" * 500
