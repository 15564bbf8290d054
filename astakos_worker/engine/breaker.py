"""When to leave Astakos alone: it does not answer, or does not know our token (F11, F59).

A lane at rest is nobody's work for a while; then one carrier tries with one record. So an hour
of outage costs Astakos a trickle, and no commission its attempts.
"""

import structlog

from astakos_worker.engine.ports import Draw, Limits
from astakos_worker.engine.replies import Condition, condition_of
from astakos_worker.ledger.contract import Ledger
from astakosclient.errors import AstakosClientException

log = structlog.get_logger(__name__)


class CircuitBreaker:
    """What one carry learns of a lane's Astakos."""

    def __init__(
        self, ledger: Ledger, lane: str, limits: Limits, draw: Draw, *, trial: int = 0
    ) -> None:
        self._ledger = ledger
        self._lane = lane
        self._limits = limits
        self._draw = draw
        self._trial = trial
        self._silent = 0
        self.open = False

    def on_trial(self, trial: int) -> None:
        """Say that the lane comes out of its so-manieth rest, or of none."""
        self._trial = trial

    def answered(self) -> None:
        """Say that Astakos answered as itself."""
        self._silent = 0
        if self._trial:
            self._ledger.end_rest(self._lane)
            end_outage_alarms(self._ledger, self._lane)
            log.info("lane_resumes", lane=self._lane)
            self._trial = 0

    def failed(self, error: AstakosClientException) -> None:
        """Say how a request failed; enough of it opens the breaker."""
        health = condition_of(error)
        if health is Condition.ANSWERS:
            self.answered()
            return
        if health is Condition.PROXY:
            self._ledger.alarm(self._lane, "proxy", f"{health.value}: {error}")
        self._silent += 1
        if (
            health is Condition.TOKEN
            or self._trial
            or self._silent >= self._limits.failures_to_rest
        ):
            self.trip(health.name.lower(), f"{health.value}: {error}")

    def rest_for_unknown_serials(self, count: int) -> None:
        """Leave the lane alone: of so many serials Astakos knows not one (F25)."""
        text = f"Astakos knows none of {count} serials; is the token another component's?"
        self.trip("token", text)

    def trip(self, name: str, text: str) -> None:
        """Leave the lane alone for a while, and tell the operator."""
        if self.open:
            return
        self.open = True
        wait = self._limits.backoff(self._trial + 1, self._draw)
        log.warning("lane_rests", lane=self._lane, alarm=name, reason=text, seconds=round(wait, 1))
        self._ledger.rest(self._lane, wait, text)
        self._ledger.alarm(self._lane, name, text)


def end_outage_alarms(ledger: Ledger, lane: str) -> None:
    """End the alarms that an answer of Astakos disproves."""
    for health in (Condition.SILENT, Condition.TOKEN, Condition.PROXY):
        ledger.alarm(lane, health.name.lower(), None)
