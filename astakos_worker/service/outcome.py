"""How a commission stands: from the ledger's entry to a caller's value or error. Pure."""

from dataclasses import dataclass
from typing import Literal

from astakos_worker.ledger.contract import Entry
from astakos_worker.ledger.record import CLOSED, Fault, Record, State, Verb, shown
from astakos_worker.service.errors import CommissionFailed, DecisionConflict
from astakosclient.errors import AstakosClientException, NotFound

#: The states of a commission, as callers see them: those of `ledger.record.State`.
CommissionState = Literal[
    "awaited",
    "queued",
    "issuing",
    "pending",
    "settling",
    "accepted",
    "rejected",
    "refused",
    "cancelled",
    "vanished",
    "conflict",
    "unknown",
    "merged",
    "dead",
    "discarded",
]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a commission stands.

    `state` is one of "awaited", "queued", "issuing", "pending", "settling" (open), "accepted",
    "rejected", "refused", "cancelled", "vanished", "conflict", "unknown", "merged", "dead",
    "discarded" (ended). `decision` is "accept", "reject" or None, and `reason` its text. `error`
    is why an ended commission failed: `{"class": ..., "message": ..., ...}`. `incarnation` names
    this use of the key: a key that is used again has another one. `last_error` is what went wrong
    last with an open one, in the same form: it is tried again.
    """

    key: str
    state: CommissionState
    serial: int | None = None
    decision: Verb | None = None
    reason: str = ""
    error: Fault | None = None
    incarnation: str = ""
    last_error: Fault | None = None

    @property
    def why(self) -> str:
        """Why it failed, or what keeps it open: the message of `error` or `last_error`, or ""."""
        return str((self.error or self.last_error or {}).get("message", ""))


def outcome_of(record: Record) -> Outcome:
    """Return the outcome of a record."""
    decision = record.decision
    return Outcome(
        shown(record.key),
        record.state.value,
        record.serial,
        decision.verb if decision else None,
        decision.reason if decision else "",
        record.error if record.state in CLOSED else None,
        record.incarnation,
        None if record.state in CLOSED else record.error,
    )


def through(entry: Entry) -> bool:
    """Return whether a wait is over: the commission has ended, or is pending and undecided."""
    record = entry.record
    if record.state in CLOSED:
        return True
    return record.state is State.PENDING and record.decision is None


def check_verb(record: Record, verb: Verb) -> None:
    """Raise `DecisionConflict` if the other decision was recorded."""
    decision = record.decision
    if decision is not None and decision.verb != verb:
        why = f" ({decision.reason})" if decision.reason else ""
        text = f"commission {shown(record.key)!r} has been decided: {decision.verb}{why}"
        raise DecisionConflict(record.key, text)


def check_decision(record: Record, verb: Verb) -> None:
    """Raise if the other decision was recorded, or if nothing is left that could be accepted."""
    check_verb(record, verb)
    if verb == "accept" or record.state not in {State.REFUSED, State.CANCELLED}:
        or_error(outcome_of(record))


def still_open(outcome: Outcome, seconds: float, unserved: str) -> str:
    """Return the text about a commission that did not become pending or end in these seconds."""
    text = f"commission {outcome.key!r} is still {outcome.state} after {seconds:g} s"
    error = outcome.last_error or {}
    if outcome.why:
        text += f", lastly: {outcome.why}"
    if error.get("class") == "NotFound" and outcome.state == State.QUEUED.value:
        text += " (tried again for ASTAKOS_REFUSAL_WINDOW seconds, and refused then)"
    return f"{text}; {unserved}" if unserved else text


def or_error(outcome: Outcome) -> Outcome:
    """Return the outcome; raise the error of a commission that has failed."""
    match outcome.state:
        case State.REFUSED:
            raise AstakosClientException.from_dict(outcome.error or {})
        case State.UNKNOWN:
            raise NotFound(f"{outcome.key} is not pending in Astakos: resolved, or not ours")
        case State.VANISHED | State.CONFLICT | State.DEAD | State.DISCARDED:
            why = (outcome.error or {}).get("message", "another program settled it")
            raise CommissionFailed(outcome.key, f"{outcome.key!r} is {outcome.state}: {why}")
    return outcome
