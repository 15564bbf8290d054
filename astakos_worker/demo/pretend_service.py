"""The pretend service: threads issue and decide commissions, other threads ask for the outcomes.

Like a real service it uses `Commissions` and nothing else of ours. While the ledger is away it
repeats the same call. A service needs to do no more.
"""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from astakos_worker.demo.plan import Behaviour, PlannedCommission
from astakos_worker.demo.run_state import RunState
from astakos_worker.service.commissions import Commission, Commissions
from astakos_worker.service.errors import (
    CommissionError,
    CommissionFailed,
    DecisionConflict,
    OutcomeTimeout,
    Unavailable,
)
from astakosclient.errors import AstakosClientException, QuotaLimit

T = TypeVar("T")

#: Seconds for which a handler repeats a call while the ledger is away.
_PATIENCE = 45.0
_PAUSE = 0.1
#: If a call raises `Unavailable` within these seconds, the ledger was away from its start.
_AT_ONCE = 3.0
#: Seconds that an asker waits for one outcome before it asks for another.
_ASK = 0.5
#: The deadline of auto-keyed and held commissions, in seconds, as in the settings.
_DEADLINE = 30.0
#: The deadline of abandoned commissions, in seconds.
_ABANDONED = 3.0
_WITH_DEADLINE = {Behaviour.AUTO_KEYED, Behaviour.HELD}
_ASKERS = 8
_OPEN = {"awaited", "queued", "issuing", "pending", "settling"}


class Stopped(Exception):  # noqa: N818  # Ctrl-C is no failure
    """Raised in a thread of the service when the thread must end."""


class _BuildFailedError(Exception):
    """Raised inside a `hold` to make its block fail."""


class PretendService:
    """Carries out a plan, and writes each outcome that it learns to the run's state."""

    def __init__(self, commissions: Commissions, state: RunState) -> None:
        self._commissions = commissions
        self._state = state
        self._todo: queue.SimpleQueue[tuple[float, PlannedCommission] | None] = queue.SimpleQueue()
        self._asked: queue.SimpleQueue[tuple[str, PlannedCommission] | None] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._handlers: list[threading.Thread] = []
        self._askers: list[threading.Thread] = []

    def start(
        self,
        planned_commissions: Sequence[PlannedCommission],
        threads: int,
        *,
        over: float = 0,
        burst: int = 1,
    ) -> None:
        """Start `threads` handlers, which take the commissions in order.

        The commissions are spread over `over` seconds, in bursts of `burst` at once.
        """
        returned = sum(planned.behaviour is Behaviour.RETURNED for planned in planned_commissions)
        self._state.expect_calls(len(planned_commissions) + returned)
        now = time.monotonic()
        for number, planned in enumerate(planned_commissions):
            part = (number - number % burst) / len(planned_commissions)
            self._todo.put((now + over * part, planned))
        self._handlers = [self._thread(self._handle, f"handler-{n}") for n in range(threads)]
        self._askers = [self._thread(self._ask, f"asker-{n}") for n in range(_ASKERS)]
        for _ in self._handlers:
            self._todo.put(None)

    @property
    def firing(self) -> bool:
        """Return whether a handler is at work."""
        return any(thread.is_alive() for thread in self._handlers)

    @property
    def asking(self) -> bool:
        """Return whether an asker is at work."""
        return any(thread.is_alive() for thread in self._askers)

    def stop(self) -> None:
        """End all threads; commissions that they had not finished stay as they are."""
        self._stop.set()
        for _ in self._askers:
            self._asked.put(None)
        end = time.monotonic() + 2 * _ASK
        for thread in (*self._handlers, *self._askers):
            thread.join(max(0.0, end - time.monotonic()))

    # --- Handlers -----------------------------------------------------------------------------

    def _handle(self) -> None:
        while (todo := self._todo.get()) is not None and not self._stop.is_set():
            due, planned = todo
            self._stop.wait(max(0.0, due - time.monotonic()))
            try:
                self._carry_out(planned)
            except Stopped:
                return
            except (AstakosClientException, CommissionError) as error:
                self._state.say(f"{planned.key}: {type(error).__name__}: {error}", "red")

    def _carry_out(self, planned: PlannedCommission) -> None:
        if planned.behaviour in {Behaviour.HELD, Behaviour.HELD_FAILING}:
            self._hold(planned)
            return
        commission = self._issue(planned)
        match planned.behaviour:
            case Behaviour.ABANDONED:
                return
            case Behaviour.AT_ONCE | Behaviour.AUTO_KEYED:
                self._accept(commission.key, planned)
            case Behaviour.CANCELLED:
                self._again(lambda: commission.reject("changed its mind"))
            case Behaviour.REJECTED:
                self._wait(commission)
                self._again(lambda: commission.reject("could not build it"))
            case Behaviour.ORDINARY | Behaviour.SCARCE | Behaviour.RETURNED:
                if self._wait(commission):
                    self._accept(commission.key, planned)
        if planned.behaviour is Behaviour.RETURNED and self._is_accepted(commission.key):
            self._issue(planned.returned())

    def _issue(self, planned: PlannedCommission) -> Commission:
        key = planned.key
        deadline = {Behaviour.AUTO_KEYED: _DEADLINE, Behaviour.ABANDONED: _ABANDONED}.get(
            planned.behaviour
        )

        def issue() -> Commission:
            nonlocal key
            try:
                return self._commissions.issue(
                    user=planned.user,
                    project=planned.project,
                    provisions=planned.provisions,
                    key=key,
                    name="a server of the demonstration",
                    accept=planned.behaviour is Behaviour.WITH_ISSUE,
                    deadline=deadline,
                )
            except Unavailable as error:
                key = error.key  # the key that was made; the ledger may have it already
                raise

        commission = self._again(issue)
        self._opened(commission.key, planned)
        return commission

    def _hold(self, planned: PlannedCommission) -> None:
        key, entered = str(planned.key), False

        def hold() -> None:
            nonlocal entered
            with self._commissions.hold(
                user=planned.user,
                project=planned.project,
                provisions=planned.provisions,
                key=key,
                deadline=_DEADLINE,
            ):
                entered = True
                self._opened(key, planned)
                if planned.behaviour is Behaviour.HELD_FAILING:
                    raise _BuildFailedError("this server cannot be built")

        def enter() -> None:
            try:
                hold()
            except Unavailable:
                if not entered:
                    raise

        try:
            self._again(enter)
        except _BuildFailedError:
            self._again(lambda: self._commissions.reject(key))
        except (DecisionConflict, OutcomeTimeout):  # the deadline passed first
            if not entered:
                self._opened(key, planned)
            self._give_up(key)
        else:
            # `hold` has accepted it, unless the ledger was away at the end of the block.
            self._accept(key, planned)

    def _give_up(self, key: str) -> None:
        """Reject a commission, unless another handler with the same key has accepted it."""
        with contextlib.suppress(DecisionConflict):
            self._again(lambda: self._commissions.reject(key))
            self._state.given_up(key)

    def _opened(self, key: str, planned: PlannedCommission) -> None:
        if self._state.opened(key, planned):
            self._asked.put((key, planned))

    def _accept(self, key: str, planned: PlannedCommission) -> None:
        try:
            self._again(lambda: self._commissions.accept(key))
        except DecisionConflict:
            if planned.behaviour not in _WITH_DEADLINE:
                raise
            self._state.given_up(key)

    def _wait(self, commission: Commission) -> bool:
        """Wait for the serial; return False if the commission was refused."""
        try:
            self._again(lambda: commission.outcome(_PATIENCE))
        except QuotaLimit:
            return False
        except OutcomeTimeout:
            pass  # a commission can be decided without its serial
        return True

    def _is_accepted(self, key: str) -> bool:
        """Wait until a commission is settled; return whether it was accepted.

        Quota can be given back only after that.
        """
        return self._again(lambda: self._commissions.outcome(key, _PATIENCE)).state == "accepted"

    def _again(self, call: Callable[[], T]) -> T:
        """Make a call, and repeat it while the ledger is away."""
        end = 0.0
        while True:
            if self._stop.is_set():
                raise Stopped
            began = time.monotonic()
            try:
                return call()
            except Unavailable:
                now = time.monotonic()
                if not end or now - began > _AT_ONCE:
                    # A call that took longer had the ledger for a while: a new outage began.
                    end = now + _PATIENCE
                if now > end:
                    raise
            self._state.retried()
            self._stop.wait(_PAUSE)

    # --- Askers -------------------------------------------------------------------------------

    def _ask(self) -> None:
        """Ask for the outcome of each commission; ask again later for one that is still open."""
        while (asked := self._asked.get()) is not None and not self._stop.is_set():
            key, planned = asked
            try:
                if not self._learn(key):
                    self._stop.wait(_PAUSE)
                    self._asked.put((key, planned))
            except Stopped:
                return
            except (AstakosClientException, CommissionError) as error:
                self._state.failed(key, f"{type(error).__name__}: {error}")

    def _learn(self, key: str) -> bool:
        try:
            outcome = self._again(lambda: self._commissions.outcome(key, _ASK))
        except OutcomeTimeout:
            return False
        except QuotaLimit as error:
            self._state.ended(key, "refused", None, str(error))
        except CommissionFailed as error:
            outcome = self._again(lambda: self._commissions.get(key))
            self._state.ended(key, outcome.state, outcome.serial, str(error))
        else:
            if outcome.state in _OPEN:
                return False
            self._state.ended(key, outcome.state, outcome.serial, outcome.reason)
        return True

    def _thread(self, target: Callable[[], None], name: str) -> threading.Thread:
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
        return thread
