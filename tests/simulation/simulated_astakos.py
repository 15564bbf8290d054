"""A simulated Astakos. Each request is two steps, one before its work and one after it.

The quota arithmetic is the sandbox's. A request may be lost, fail, or be executed after its caller
has given up. The oracle sees each executed request.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from astakos_worker.sandbox.errors import NoCommissionError, NoHoldingError, QuotaRefusalError
from astakos_worker.sandbox.quota import Provision, QuotaBook
from astakosclient.errors import (
    AstakosClientException,
    BadRequest,
    ConnectionError,  # noqa: A004  # so named for its users' sake
    NotFound,
    Outcome,
    QuotaLimit,
    Unauthorized,
)
from tests.simulation.oracle import Oracle
from tests.simulation.schedule import (
    ANSWER_LOST,
    BATCH_REFUSED,
    DELAYS,
    DOUBLED,
    FAILS,
    ISSUE_STORM,
    NO_HOLDING,
    NOT_SENT,
    REQUEST_LOST,
    SETTLE_STORM,
    SLOW,
    STORM,
    UNAUTHORIZED,
    Fault,
)
from tests.simulation.world import World

#: Seconds after which a client gives up.
DEADLINE = 15.0

COMPONENT = "svc"

_READ = (NOT_SENT, REQUEST_LOST, UNAUTHORIZED)
_WRITE = (*_READ, FAILS, *DELAYS, STORM)
_ISSUE = (*_WRITE, ISSUE_STORM, NO_HOLDING, DOUBLED)
_SETTLE = (*_WRITE, SETTLE_STORM, BATCH_REFUSED)
#: Each of these happens once in a run: if it lasted, the commission would rightly end (F14, F27).
_STORMS = (STORM, ISSUE_STORM, SETTLE_STORM)
_ONCE = (FAILS, NO_HOLDING, BATCH_REFUSED, *_STORMS)


#: Either what a request brings, or what it raises.
Reply = Any


class SimulatedAstakos:
    """The calls that the engine makes."""

    def __init__(self, world: World, book: QuotaBook, oracle: Oracle) -> None:
        self._world = world
        self._book = book
        self._oracle = oracle
        self._had: set[Fault] = set()
        #: Which storm is on, and until when.
        self.storm, self.storm_until = "", 0.0
        #: Whose token the workers have.
        self.component = COMPONENT

    def issue_provisions(
        self,
        provisions: Sequence[Any],
        name: str = "",
        force: bool = False,
        auto_accept: bool = False,
        *,
        fresh: bool = False,
    ) -> int:
        wanted = [Provision(**provision) for provision in provisions]
        horizon = self._oracle.announced(name, auto_accept=auto_accept)

        def work() -> Reply:
            try:
                at = self._oracle.issue_time()
                one = self._book.issue(self.component, wanted, at=at, name=name, force=force)
            except NoHoldingError as error:
                return _refused(NotFound(error.message, outcome=Outcome.REFUSED))
            except QuotaRefusalError as error:
                return _refused(QuotaLimit(error.message, outcome=Outcome.REFUSED))
            self._oracle.issued(one, late=self._world.clock.time > horizon)
            return one.serial

        serial: int = self._request(f"issue {name[-60:]}", work, _ISSUE)
        return serial

    def resolve_commissions(
        self, accept_serials: Sequence[int], reject_serials: Sequence[int]
    ) -> Mapping[str, Any]:
        accept, reject = list(accept_serials), list(reject_serials)

        def work() -> Reply:
            pending, both = self._book.commissions, set(accept) & set(reject)
            known = set(self._book.pending(self.component)) - both
            for one in [pending[n] for n in accept if n in known]:
                self._oracle.resolves(one, "accept")
            for one in [pending[n] for n in reject if n in known]:
                self._oracle.resolves(one, "reject")
            done = self._book.resolve_many(self.component, accept, reject)
            gone = [[n, {"itemNotFound": {"code": 404}}] for n in done.not_found]
            torn = [[n, {"badRequest": {"code": 400}}] for n in done.conflicting]
            return {
                "accepted": [one.serial for one in done.accepted],
                "rejected": [one.serial for one in done.rejected],
                "failed": gone + torn,
            }

        self._oracle.sends.update([*accept, *reject])
        try:
            reply: dict[str, Any] = self._request(f"accept {accept} reject {reject}", work, _SETTLE)
        except AstakosClientException as error:
            if error.outcome in {Outcome.NOT_SENT, Outcome.REFUSED}:
                self._oracle.sends.subtract([*accept, *reject])
            raise
        return reply

    def get_pending_commissions(self) -> list[int]:
        listed: list[int] = self._request("list", lambda: self._book.pending(self.component), _READ)
        return listed

    def get_commission_info(self, serial: int) -> Mapping[str, Any]:
        def work() -> Reply:
            try:
                one = self._book.find(self.component, serial)
            except NoCommissionError:
                return NotFound("no such commission", outcome=Outcome.REFUSED)
            at = one.issue_time.isoformat()
            return {"serial": serial, "name": one.name, "issue_time": at}

        info: dict[str, Any] = self._request(f"info {serial}", work, _READ)
        return info

    # --- One request --------------------------------------------------------------------------

    def _request(self, what: str, work: Callable[[], Reply], faults: Sequence[Fault]) -> Reply:
        possible = tuple(fault for fault in faults if fault not in self._had)
        fault = self._world.step("send", what, possible)
        if fault in _ONCE:
            self._had.add(fault)
        if fault is not None and fault in _STORMS:
            self.storm, self.storm_until = fault.kind, self._world.clock.time + fault.amount
            fault = None
        if self._is_in_storm(what):
            reply = AstakosClientException("Internal error", status=500, response="{}")
        else:
            reply = work() if fault is None else self._faulty(fault, work)
        fault = self._world.step("receive", what, (ANSWER_LOST, SLOW))
        if fault == ANSWER_LOST:
            raise _lost("the connection was reset")
        if fault == SLOW:
            self._world.sleep(SLOW.amount)
        if isinstance(reply, AstakosClientException):
            raise reply
        return reply

    def _is_in_storm(self, what: str) -> bool:
        if self._world.clock.time >= self.storm_until:
            return False
        kind = self.storm.removesuffix("storm").removesuffix("_")
        return not kind or what.startswith({"issue": "issue", "settle": "accept"}[kind])

    def _faulty(self, fault: Fault, work: Callable[[], Reply]) -> Reply:
        match fault.kind:
            case "not_sent":
                raise ConnectionError(OSError("refused"), outcome=Outcome.NOT_SENT)
            case "request_lost":
                raise _lost("the connection was reset")
            case "fails":
                raise AstakosClientException("Internal error", status=500, response="{}")
            case "unauthorized":
                raise Unauthorized("Invalid token", outcome=Outcome.REFUSED)
            case "no_holding":
                raise NotFound("There is no such holding", outcome=Outcome.REFUSED)
            case "batch_refused":
                raise _refused(BadRequest("Bad request", outcome=Outcome.REFUSED))
            case "doubled":
                self._oracle.doubling = True
                work()
                reply, self._oracle.doubling = work(), False
                return reply
            case "delay":
                return self._slow(fault.amount, work)
        raise ValueError(f"nobody knows the fault {fault}")

    def _slow(self, seconds: float, work: Callable[[], Reply]) -> Reply:
        world, came = self._world, []
        world.at(world.clock.time + seconds, lambda: came.append(work()))
        world.sleep(min(seconds, DEADLINE))
        if not came:
            raise _lost("the request timed out")
        return came[0]


def _lost(why: str) -> AstakosClientException:
    return ConnectionError(OSError(why), outcome=Outcome.AMBIGUOUS)


def _refused(error: AstakosClientException) -> AstakosClientException:
    error.response = "{}"
    return error
