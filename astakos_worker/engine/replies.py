"""What a failed request means: for its commission, and for Astakos itself. Pure.

The client has already classified the request: not sent, refused, or ambiguous. Here an error
becomes an event of the commission, and a `Condition` of Astakos. No other module of the engine
looks at a status code.
"""

from enum import Enum
from typing import Any

from astakos_worker.engine.ports import Draw, Limits
from astakos_worker.ledger.events import (
    Absent,
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
    BadValue,
    Forbidden,
    LocalError,
    NotFound,
    Outcome,
    Unauthorized,
)

#: A field in the error of a record: others were issued while this one failed.
_OTHERS = "others_succeeded"

#: Characters of a raw answer that a record keeps.
_KEPT = 500

#: Longest time between two tries of a request that a proxy answers instead of Astakos, in seconds.
_LONGEST_WAIT = 3600.0


class Condition(Enum):
    """What a reply says of Astakos, apart from the commission that the request was about.

    The value is the text of the alarm.
    """

    ANSWERS = "it answers"
    FAILS = "it answers with errors"
    SILENT = "it does not answer"
    TOKEN = "it does not know our token"  # noqa: S105  # a sentence, no secret
    PROXY = "a proxy answers in its place"
    LOCAL = "this worker's own machine cannot send requests"


#: Conditions that may be due to one commission, while Astakos does what others ask.
OF_ONE_REQUEST = frozenset({Condition.FAILS, Condition.PROXY})


def condition_of(error: AstakosClientException) -> Condition:
    """Return what an error says of Astakos."""
    if isinstance(error, LocalError):
        return Condition.LOCAL
    if error.outcome is Outcome.REFUSED:
        token = isinstance(error, Unauthorized | Forbidden)
        return Condition.TOKEN if token else Condition.ANSWERS
    if error.outcome is Outcome.AMBIGUOUS and error.response:
        if 400 <= error.status < 500:  # a page, not Astakos' own words (F15)
            return Condition.PROXY
        if error.status >= 500:
            return Condition.FAILS
    return Condition.SILENT


def fault_of(error: AstakosClientException) -> Fault:
    """Return an error as a record keeps it; `AstakosClientException.from_dict` reads it."""
    fault: dict[str, Any] = {k: v for k, v in error.to_dict().items() if v is not None}
    if isinstance(response := fault.get("response"), str):
        fault["response"] = response[:_KEPT]
    if isinstance(details := fault.get("details"), str):
        fault["details"] = details[:_KEPT]
    return fault


def plain_fault(name: str, message: str) -> Fault:
    """Return a fault that the worker itself found; Astakos did not say it."""
    return {"class": name, "message": message, "outcome": Outcome.REFUSED.value}


def issue_failed(
    error: AstakosClientException,
    record: Record,
    now: float,
    limits: Limits,
    draw: Draw,
    *,
    others: bool,
) -> Event:
    """Return what a failed POST means for its commission.

    `others`: Astakos has issued other commissions of the lane since this one began to fail. It is
    kept in the error, for the time when the commission is proven absent: see `issue_absent`.
    """
    fault, mark = fault_of(error), record.marks
    later = now + limits.backoff(record.attempts, draw)
    if condition_of(error) in {Condition.TOKEN, Condition.LOCAL}:
        return Unsent(mark, now)  # the token or the machine is at fault, not the commission (F11)
    if error.outcome is Outcome.NOT_SENT:
        return Unsent(mark, later, fault)
    if error.outcome is Outcome.AMBIGUOUS:
        return Doubtful(mark, later, {**fault, _OTHERS: True} if others else fault)
    if isinstance(error, BadValue):  # the client refused it, not Astakos: a person has to look
        return Died(fault)
    if isinstance(error, NotFound) and not _persists(record, fault, now, limits):
        return Declined(mark, later, fault)
    return Refused(mark, fault)


def issue_absent(record: Record, listed: float, now: float, limits: Limits, draw: Draw) -> Event:
    """Return what it means that a list does not hold an ambiguous commission.

    `listed` is when the list was started. A commission that gets an error each time dies after
    the refusal window, if others were issued before its last try (F85). Successes after that try
    do not count, because Astakos may have recovered since. A commission that a proxy answers each
    time is tried less and less often (F88). Any other one is issued again at once.
    """
    if record.refusal is not None:  # Astakos refused it later, so it ends as refused (F13)
        return Absent(record.marks, listed, now)
    condition = None if record.error is None else _condition_of_fault(record.error)
    if condition is Condition.PROXY:
        wait = limits.quiet_horizon * (2.0 ** min(record.doubts, 30) - 1)
        return Absent(record.marks, listed, now + min(wait, _LONGEST_WAIT))
    if condition is Condition.FAILS and record.doubts:
        if record.error is not None and record.error.get(_OTHERS) and _is_over(record, now, limits):
            return Died(record.error)
        return Absent(record.marks, listed, now + limits.backoff(record.attempts, draw))
    return Absent(record.marks, listed, now)


def settle_failed(
    error: AstakosClientException,
    record: Record,
    now: float,
    limits: Limits,
    draw: Draw,
    *,
    others: bool,
) -> Event:
    """Return what a failed request to settle one commission alone means for it.

    `others`: Astakos has settled other commissions of the lane since this one began to fail.
    Without that, an error with status 500 is no fault of this commission (F85).
    """
    fault, condition = fault_of(error), condition_of(error)
    later = now + limits.backoff(record.attempts, draw)
    if condition in {Condition.TOKEN, Condition.LOCAL}:
        return SettleUnsent(record.settles, now)
    if error.outcome is Outcome.NOT_SENT:
        return SettleUnsent(record.settles, later, fault)
    of_this_one = condition is Condition.ANSWERS or (condition is Condition.FAILS and others)
    if of_this_one and is_poison(error) and _persists(record, fault, now, limits):
        return Died(fault)
    if condition is Condition.PROXY:
        later = now + _wait_for_proxy(record, fault, now, limits, draw)
    if error.outcome is Outcome.REFUSED:  # nothing was done, so it does not count as a send (F25)
        return SettleUnsent(record.settles, later, fault)
    return SettleFailed(later, fault)


def is_poison(error: AstakosClientException) -> bool:
    """Return whether one commission of a batch may be why all of it failed (F27, F88)."""
    of_one = error.status in {400, 500} and bool(error.response)
    return of_one or condition_of(error) is Condition.PROXY


def is_too_large(error: AstakosClientException) -> bool:
    """Return whether a server on the way found the body of a request too large (F29)."""
    return error.status == 413


def _condition_of_fault(fault: Fault) -> Condition:
    return condition_of(AstakosClientException.from_dict(fault))


def _wait_for_proxy(record: Record, fault: Fault, now: float, limits: Limits, draw: Draw) -> float:
    """Return seconds to wait: as long as it has failed so far, an hour at most."""
    so_far = now - (record.failing_since or now) if _is_same(record, fault) else 0.0
    return max(limits.backoff(record.attempts, draw), min(so_far, _LONGEST_WAIT))


def _persists(record: Record, fault: Fault, now: float, limits: Limits) -> bool:
    """Return whether the same failure has gone on for the whole refusal window."""
    return _is_same(record, fault) and _is_over(record, now, limits)


def _is_same(record: Record, fault: Fault) -> bool:
    return record.error is not None and record.error.get("class") == fault.get("class")


def _is_over(record: Record, now: float, limits: Limits) -> bool:
    since = record.failing_since
    return since is not None and now - since >= limits.refusal_window
