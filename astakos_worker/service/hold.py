"""Around the block of `Commissions.hold`: reserve before it, decide after it (F80)."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from astakos_worker.ledger.contract import Clock
from astakos_worker.ledger.record import Verb
from astakos_worker.service.errors import (
    CommissionError,
    CommissionFailed,
    DecisionConflict,
    OutcomeTimeout,
    Unavailable,
)
from astakos_worker.service.outcome import Outcome
from astakosclient.errors import AstakosClientException

#: Seconds for which the end of the block tries to record its decision.
_PERSISTENCE = 5.0
#: Seconds between two tries.
_PAUSE = 0.1


class Held(Protocol):
    """The handle of the commission that the block holds."""

    key: str

    @property
    def last(self) -> Outcome:
        """The outcome that the handle heard last."""

    def accept(self) -> object:
        """Decide to accept."""

    def reject(self, reason: str = "") -> object:
        """Decide to reject."""

    def outcome(self, timeout: float | None = None) -> Outcome:
        """Wait until it is pending, or has ended."""


@contextmanager
def held(
    commission: Held,
    deadline: float,
    timeout: float,
    clock: Clock,
) -> Iterator[None]:
    """Wait for the serial, run the block, and record what its end decides."""
    _check(commission.last)
    key = commission.key
    try:
        outcome = commission.outcome(timeout)
    except (AstakosClientException, CommissionFailed):
        raise  # the commission has ended: there is nothing to reject
    except BaseException as error:
        rejected = _insist(commission, "reject", deadline, clock, reason=error)
        if rejected and isinstance(error, OutcomeTimeout):
            text = f"{error}: it was rejected, and nothing stays reserved"
            raise OutcomeTimeout(key, text) from None
        raise
    _check(outcome)
    try:
        yield
    except BaseException as error:
        _insist(commission, "reject", deadline, clock, reason=error)
        raise
    _insist(commission, "accept", deadline, clock)


def _insist(
    commission: Held,
    verb: Verb,
    deadline: float,
    clock: Clock,
    *,
    reason: BaseException | None = None,
) -> bool:
    """Record the decision; if the ledger does not answer, try for some seconds.

    False: the decision is not recorded, and a note on the block's own exception says so.
    """
    key, end = commission.key, clock.now() + _PERSISTENCE
    while True:
        began = clock.now()
        try:
            if verb == "accept":
                commission.accept()
            else:
                commission.reject(type(reason).__name__)
        except (CommissionError, AstakosClientException) as error:
            away = isinstance(error, Unavailable)
            if away and clock.now() < end:
                if clock.now() - began < _PAUSE:  # it failed at once: its connection was refused
                    time.sleep(_PAUSE)
                continue
            note = f"{verb} of {key!r} is not recorded: {error}"
            if away:
                note += f"; its deadline is {deadline:g} s after its issue"
            if reason is not None:
                reason.add_note(note)
            elif away:
                raise Unavailable(key, note) from error
            else:
                raise
            return False
        return True


def _check(outcome: Outcome) -> None:
    """Raise if the commission was rejected: nothing is reserved for a block."""
    if outcome.decision == "reject":
        why = f" ({outcome.reason})" if outcome.reason else ""
        text = f"commission {outcome.key!r} was rejected{why}: hold another key"
        raise DecisionConflict(outcome.key, text)
