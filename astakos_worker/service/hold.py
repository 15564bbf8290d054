"""Around the block of `hold`: reserve before it, decide after it (F80)."""

from astakos_worker.ledger.record import Verb
from astakos_worker.ledger.request import Request
from astakos_worker.service.calls import Calls, Followed
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


class Hold:
    """One block: `enter` reserves, `leave` decides. Times in seconds."""

    def __init__(self, request: Request, key: str | None, deadline: float, timeout: float) -> None:
        self._request = request
        self._key = key
        self._deadline = deadline
        self._timeout = timeout
        self._given_up: BaseException | None = None

    async def enter(self, calls: Calls) -> Followed:
        """Issue the commission, and wait for its serial; raise if there is nothing to hold."""
        try:
            held = await calls.connections.finish(self._issue(calls))
        except BaseException as error:
            self._given_up = error
            raise
        _check(held.last)
        try:
            outcome = await held.outcome(calls, self._timeout)
        except (AstakosClientException, CommissionFailed):
            raise  # the commission has ended: there is nothing to reject
        except BaseException as error:
            rejected = await self._insist(calls, held, "reject", reason=error)
            if rejected and isinstance(error, OutcomeTimeout):
                text = f"{error}: it was rejected, and nothing stays reserved"
                raise OutcomeTimeout(held.key, text) from None
            raise
        _check(outcome)
        return held

    async def leave(self, calls: Calls, held: Followed, error: BaseException | None) -> None:
        """Accept, or reject if the block raised `error`."""
        await self._insist(calls, held, "reject" if error else "accept", reason=error)

    async def _issue(self, calls: Calls) -> Followed:
        held = await calls.issue(self._request, self._key, deadline=self._deadline)
        if self._given_up is not None:  # the caller was cancelled meanwhile
            await self._try(calls, held, "reject", reason=self._given_up)
        return held

    async def _insist(
        self, calls: Calls, held: Followed, verb: Verb, *, reason: BaseException | None
    ) -> bool:
        """Record the decision, also if the caller is cancelled meanwhile; see `_try`."""
        return await calls.connections.finish(self._try(calls, held, verb, reason=reason))

    async def _try(
        self, calls: Calls, held: Followed, verb: Verb, *, reason: BaseException | None
    ) -> bool:
        """Record the decision; if the ledger does not answer, try for some seconds.

        False: the decision is not recorded, and a note on the block's own exception says so.
        """
        clock = calls.connections.ledger.clock
        key, end = held.key, clock.now() + _PERSISTENCE
        while True:
            began = clock.now()
            try:
                await held.decide(calls, verb, type(reason).__name__ if reason else "")
            except (CommissionError, AstakosClientException) as error:
                away = isinstance(error, Unavailable)
                if away and clock.now() < end:
                    if clock.now() - began < _PAUSE:  # it failed at once: it was refused
                        await calls.connections.sleep(_PAUSE)
                    continue
                note = f"{verb} of {key!r} is not recorded: {error}"
                if away:
                    note += f"; its deadline is {self._deadline:g} s after its issue"
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
