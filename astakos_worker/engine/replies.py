"""What an answer of Astakos means for a commission: pure, from an error to an event.

The client has said already whether a failed request was not sent, refused or ambiguous; no
status code is looked at here but by the name of its class.
"""

from enum import Enum
from typing import Any

from astakos_worker.engine.ports import Draw, Limits
from astakos_worker.ledger.events import (
    Declined,
    Died,
    Doubtful,
    Event,
    Refused,
    SettleFailed,
    SettleUnsent,
    Unsent,
)
from astakos_worker.ledger.record import Fault, Record
from astakosclient.errors import (
    AstakosClientException,
    Forbidden,
    NotFound,
    Outcome,
    Unauthorized,
)

_KEPT = 500  # characters of a raw body that a record keeps


class Condition(Enum):
    """What an answer says of Astakos itself, as opposed to the commission."""

    ANSWERS = "it answers"
    SILENT = "it does not answer"
    TOKEN = "it does not know our token"  # noqa: S105  # a sentence, no secret
    PROXY = "a proxy answers in its place"


def fault_of(error: AstakosClientException) -> Fault:
    """Return an error as a record keeps it; `AstakosClientException.from_dict` reads it."""
    fault: dict[str, Any] = {k: v for k, v in error.to_dict().items() if v is not None}
    if isinstance(response := fault.get("response"), str):
        fault["response"] = response[:_KEPT]
    if isinstance(details := fault.get("details"), str):
        fault["details"] = details[:_KEPT]
    return fault


def plain_fault(name: str, message: str) -> Fault:
    """Return a fault that is our own finding, no answer of Astakos."""
    return {"class": name, "message": message, "outcome": Outcome.REFUSED.value}


def condition_of(error: AstakosClientException) -> Condition:
    """Return what an error says of Astakos."""
    if error.outcome is Outcome.REFUSED:
        return Condition.TOKEN if isinstance(error, Unauthorized | Forbidden) else Condition.ANSWERS
    if error.outcome is Outcome.AMBIGUOUS and 400 <= error.status < 500 and error.response:
        return Condition.PROXY  # a page, not Astakos' own words (F15)
    return Condition.SILENT


def issue_failed(
    error: AstakosClientException, record: Record, now: float, limits: Limits, draw: Draw
) -> Event:
    """Return what a failed POST means for its commission."""
    fault, mark = fault_of(error), record.marks
    later = now + limits.backoff(record.attempts, draw)
    if error.outcome is Outcome.NOT_SENT:
        return Unsent(mark, later, fault)
    if error.outcome is Outcome.AMBIGUOUS:
        return Doubtful(mark, later, fault)
    if isinstance(error, Unauthorized | Forbidden):
        return Unsent(mark, now)  # the token is wrong, not the commission (F11)
    if isinstance(error, NotFound) and not _persists(record, fault, now, limits):
        return Declined(mark, later, fault)
    return Refused(mark, fault)


def settle_failed(
    error: AstakosClientException, record: Record, now: float, limits: Limits, draw: Draw
) -> Event:
    """Return what a failed request to settle one commission alone means for it."""
    fault = fault_of(error)
    later = now + limits.backoff(record.attempts, draw)
    if error.outcome is Outcome.NOT_SENT:
        return SettleUnsent(record.settles, later, fault)
    if condition_of(error) is Condition.TOKEN:
        return SettleUnsent(record.settles, now)
    if is_poison(error) and _persists(record, fault, now, limits):
        return Died(fault)
    if error.outcome is Outcome.REFUSED:  # it did nothing, and is not to count as a send (F25)
        return SettleUnsent(record.settles, later, fault)
    return SettleFailed(later, fault)


def is_poison(error: AstakosClientException) -> bool:
    """Return whether one commission of a batch may be why all of it failed (F27)."""
    return error.status in {400, 500} and bool(error.response)


def is_too_large(error: AstakosClientException) -> bool:
    """Return whether somebody on the way found the body too large (F29)."""
    return error.status == 413


def _persists(record: Record, fault: Fault, now: float, limits: Limits) -> bool:
    """Return whether this very failure has gone on for longer than a quota synchronisation."""
    same = record.error is not None and record.error.get("class") == fault.get("class")
    since = record.failing_since if same else None
    return since is not None and now - since >= limits.refusal_window
