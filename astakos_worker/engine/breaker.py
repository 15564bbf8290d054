"""The circuit breaker of a lane: when to leave Astakos alone, and how to try it again (F11, F59).

A lane *rests* when requests cannot succeed. No carrier works on it for a while, and an alarm says
why. It rests

- at once if Astakos refuses the token, or if the worker's own machine cannot send;
- after three requests in a row that got no answer, counted over all carriers of the lane.

The rests grow: 1 s, 2 s, 4 s, up to a minute. After a rest one carrier tries. It asks for the
list of pending commissions first. If that fails, the lane rests again, and no commission was
touched. Otherwise the carrier goes through the due records one by one, first those that have not
failed before. The first success ends the trial, and all carriers work again. So an hour of outage
costs Astakos a few requests a minute, and no commission dies of it.

An error with status 500, or the page of a proxy, may be due to one commission alone (F85, F88).
So Astakos is asked for its list then. If it answers, the carrier goes on with the other records.
An alarm is raised after three such errors in a row, and the lane rests after fifty. Errors of a
commission that failed before, while others have succeeded since, are not counted at all.
"""

from collections.abc import Iterable

from astakos_worker.configuration.event_log import EventLog
from astakos_worker.engine.lane_memory import LaneMemory, RequestKind
from astakos_worker.engine.ports import Astakos, Draw, Limits
from astakos_worker.engine.replies import OF_ONE_REQUEST, Condition, condition_of
from astakos_worker.ledger.contract import Ledger
from astakos_worker.ledger.record import Record
from astakosclient.errors import AstakosClientException, BadValue

log = EventLog(__name__)

#: The rests grow no further than this one while Astakos answers a list: 4 to 8 s by default.
_RESTS_WITH_ANSWERS = 4

#: Conditions whose alarms end when Astakos answers a list.
_OUTAGES = (Condition.SILENT, Condition.TOKEN, Condition.LOCAL)


class CircuitBreaker:
    """Counts the failures of one carry. `open`: nothing more is sent in this carry."""

    def __init__(
        self,
        astakos: Astakos,
        ledger: Ledger,
        lane: str,
        *,
        limits: Limits,
        draw: Draw,
        memory: LaneMemory,
    ) -> None:
        self.open = False
        self._astakos = astakos
        self._ledger = ledger
        self._lane = lane
        self._limits = limits
        self._draw = draw
        self._memory = memory
        self._rests = 0
        self._failures = 0
        self._listed = False  # Astakos has answered a list since the last success
        self._last_failure: tuple[Condition, str] | None = None  # of one request, since then

    @property
    def on_trial(self) -> bool:
        """Whether the lane comes from a rest, and no request has succeeded since."""
        return self._rests > 0

    def claimed(self, rests: int, failures: int) -> None:
        """Take the state of the lane from a claim; on trial, ask Astakos for its list first.

        `rests`: how often the lane has rested in a row; 0: it is not on trial. `failures`: how
        many requests have failed in a row.
        """
        self._rests = rests
        self._failures = failures
        if rests:
            self._list_answers()

    def succeeded(self, kind: RequestKind, records: Iterable[Record] = ()) -> None:
        """Note that Astakos answered a request of this kind: it executed the request or refused it.

        `records` are those that the request was about.
        """
        self._memory.succeeded[kind] = self._ledger.clock.now()
        if self._rests or self._failures >= self._limits.failures_to_rest:
            self._resume()
        else:
            if self._failures:
                self._ledger.forget_failures(self._lane)
            if any(record.failing_since is not None for record in records):
                self.end_request_alarms()
        self._rests = self._failures = 0
        self._listed, self._last_failure = False, None

    def failed(
        self,
        error: AstakosClientException,
        record: Record | None = None,
        kind: RequestKind | None = None,
    ) -> None:
        """Note how a request failed.

        `record` is given if the request was about one commission alone, and `kind` if it was to
        issue or to settle.
        """
        if isinstance(error, BadValue):
            return  # the client refused it: nothing was sent, so Astakos answered nothing
        condition, text = _condition_and_text(error)
        if condition is Condition.ANSWERS:
            if kind is not None:
                self.succeeded(kind, [] if record is None else [record])
        elif condition not in OF_ONE_REQUEST:
            self._unanswered(condition, text)
        elif self._is_own_trouble(record, kind):
            log.info("commission_fails_again", lane=self._lane, reason=text)
            self._ledger.alarm(self._lane, _alarm_of(condition), text)
        elif self._list_answers():
            self._answered_with_error(condition, text)
        else:
            self._unanswered(condition, text)

    def failed_to_list(self, error: AstakosClientException) -> None:
        """Note that a request for the list of pending commissions failed."""
        self._unanswered(*_condition_and_text(error))

    def end_request_alarms(self) -> None:
        """End the alarms about errors of single requests, since one that failed has ended.

        Requests that still fail raise the alarm again when they are tried next.
        """
        for condition in OF_ONE_REQUEST:
            self._ledger.alarm(self._lane, _alarm_of(condition), None)

    def finish(self) -> None:
        """End the carry. A trial ends with it: with a rest if every record failed."""
        if not self._rests or not self._listed or self.open:
            return
        if self._last_failure is None:  # Astakos answered, and there was nothing to send
            self._resume()
        else:
            condition, text = self._last_failure
            self.rest(_alarm_of(condition), text)

    def rest(self, alarm: str, text: str) -> None:
        """Let the lane rest, and raise an alarm. Nothing more is sent in this carry."""
        if self.open:
            return
        self.open = True
        rests = self._rests + 1
        if self._listed:
            rests = min(rests, _RESTS_WITH_ANSWERS)
        _rest(self._ledger, self._lane, self._limits.backoff(rests, self._draw), alarm, text)

    def _list_answers(self) -> bool:
        """Return whether Astakos answers a list; it is asked once until the next success."""
        if self._listed or self.open:
            return self._listed
        try:
            self._astakos.get_pending_commissions()
        except AstakosClientException as error:
            self.failed_to_list(error)
        else:
            self._listed = True
        return self._listed

    def _is_own_trouble(self, record: Record | None, kind: RequestKind | None) -> bool:
        """Return whether others succeed, while this record fails again and again."""
        if record is None or kind is None or record.failing_since is None:
            return False
        return self._memory.succeeded_since(kind, record.failing_since)

    def _answered_with_error(self, condition: Condition, text: str) -> None:
        self._last_failure = condition, text
        self._failures = self._ledger.count_failure(self._lane)
        if condition is Condition.PROXY or self._failures >= self._limits.failures_to_rest:
            self._ledger.alarm(self._lane, _alarm_of(condition), text)
        if self._failures >= self._limits.carry_records and not self._rests:
            self.rest(_alarm_of(condition), text)

    def _unanswered(self, condition: Condition, text: str) -> None:
        at_once = condition in {Condition.TOKEN, Condition.LOCAL} or self._rests > 0
        if not at_once:
            self._failures = self._ledger.count_failure(self._lane)
        if at_once or self._failures >= self._limits.failures_to_rest:
            self.rest(_alarm_of(condition), text)

    def _resume(self) -> None:
        self._ledger.end_rest(self._lane)
        end_outage_alarms(self._ledger, self._lane)
        self.end_request_alarms()
        log.info("lane_resumes", lane=self._lane)


def rest_for_local_trouble(
    ledger: Ledger, lane: str, limits: Limits, draw: Draw, reason: str
) -> None:
    """Let a lane rest because this worker itself cannot send, and raise the alarm `local`.

    For a worker that cannot even make a client: a token file that is missing, say. `reason` is
    the alarm's text: what is wrong, on which host, and what to do. The rests grow as usual.
    """
    wait = limits.backoff(ledger.lane(lane).rests + 1, draw)
    _rest(ledger, lane, wait, _alarm_of(Condition.LOCAL), reason)


def end_outage_alarms(ledger: Ledger, lane: str) -> None:
    """End the alarms that a list of Astakos disproves."""
    for condition in _OUTAGES:
        ledger.alarm(lane, _alarm_of(condition), None)


def _rest(ledger: Ledger, lane: str, seconds: float, alarm: str, text: str) -> None:
    log.warning("lane_rests", lane=lane, alarm=alarm, reason=text, seconds=round(seconds, 1))
    ledger.rest(lane, seconds, text)
    ledger.alarm(lane, alarm, text)


def _condition_and_text(error: AstakosClientException) -> tuple[Condition, str]:
    condition = condition_of(error)
    return condition, f"{condition.value}: {error}"


def _alarm_of(condition: Condition) -> str:
    return condition.name.lower()
