"""Astakos in the test's process: the calls of the engine, over the sandbox's quota book.

A test sets up no users and projects: a holding exists as soon as it is named. A refusal is the
error that the client would have raised.
"""

import json
import math
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Literal, TypeVar

from astakos_worker.configuration.nearest import nearest
from astakos_worker.ledger import request
from astakos_worker.ledger.contract import Clock
from astakos_worker.sandbox.errors import (
    InternalFailureError,
    NoCommissionError,
    NoHoldingError,
    QuotaRefusalError,
)
from astakos_worker.sandbox.quota import (
    INT64_MAX,
    Holding,
    HoldingKey,
    Provision,
    QuotaBook,
    member_holding,
    project_holding,
)
from astakosclient.answer_types import Figures
from astakosclient.errors import (
    AstakosClientException,
    BadRequest,
    BadValue,
    ConnectionError,  # noqa: A004  # so named for its users' sake
    Forbidden,
    NotFound,
    Outcome,
    Unauthorized,
)
from astakosclient.quota_limits import quota_limit

#: The only component.
_COMPONENT = "in-memory"

T = TypeVar("T")

#: What a request is for.
RequestTo = Literal["issue", "settle", "list", "look-up"]

#: The errors of some statuses, and the name of the fault in Astakos' own body.
_ERRORS = {
    400: (BadRequest, "badRequest"),
    401: (Unauthorized, "unauthorized"),
    403: (Forbidden, "forbidden"),
    404: (NotFound, "itemNotFound"),
}


class InMemoryAstakos:
    """Holdings, pending commissions, and the faults that a test asks for.

    `limits` is `{resource: limit of each user in each project}`. A name that is not in it is no
    resource: a commission for it is not found, as for a misspelt one. None: no limits.
    """

    def __init__(self, clock: Clock, limits: Mapping[str, int] | None = None) -> None:
        self.away: bool = False
        """While true, no request can be sent; the workers try again later."""
        self._clock = clock
        self._book = QuotaBook()
        self._of_each = None if limits is None else dict(limits)
        self._single: dict[HoldingKey, int] = {}
        self._failures: dict[RequestTo, tuple[int, float]] = {}
        self._lost: deque[Literal["answer", "request"]] = deque()
        self._lock = threading.RLock()

    # --- For the test -------------------------------------------------------------------------

    def set_limit(
        self, resource: str, limit: int, *, project: str | None = None, user: str | None = None
    ) -> None:
        """Set the limit of a user in a project; without a user, the limit of the whole project.

        Without both, the limit of each user in each project that has no limit of its own.
        Raises `BadValue` for a user without a project, and where `limits` is None for neither.
        """
        if user is not None and project is None:
            raise BadValue("give the project as well: a user has limits in projects only")
        with self._lock:
            if project is None:
                if self._of_each is None:
                    raise BadValue("there are no limits to change: give some to in_memory()")
                self._of_each[resource] = limit
            else:
                self._single[_key(user, project, resource)] = limit

    def quota(self, user: str, project: str, resource: str) -> Figures:
        """Return a user's figures in a project, as the client's `get_quotas` does.

        `usage` includes pending commissions. While none of these gives back, `usage - pending` is
        the sum of the accepted ones. The figures with the prefix `project_` are of all users.
        Raises `BadValue` for a resource without a limit.
        """
        with self._lock:
            member = self._holding(_key(user, project, resource))
            whole = self._holding(_key(None, project, resource))
        return {
            "limit": member.limit,
            "usage": member.usage_max,
            "pending": member.usage_max - member.usage_min,
            "project_limit": whole.limit,
            "project_usage": whole.usage_max,
            "project_pending": whole.usage_max - whole.usage_min,
        }

    @property
    def pending(self) -> list[int]:
        """The serials that are neither accepted nor rejected."""
        with self._lock:
            return self._book.pending(_COMPONENT)

    def lose_answers(self, times: int = 1) -> None:
        """Carry out the next `times` issues and settles, but lose their answers."""
        self._lost.extend(["answer"] * times)

    def lose_requests(self, times: int = 1) -> None:
        """Lose the next `times` issues and settles before Astakos; no sender can tell."""
        self._lost.extend(["request"] * times)

    def unknown_name(self, provisions: Sequence[request.Provision]) -> str:
        """Return which resource of a request has no limit here, and the nearest one that has."""
        with self._lock:
            known = [] if self._of_each is None else list(self._of_each)
            wrong = [one.resource for one in provisions if one.resource not in known]
        if self._of_each is None or not wrong:
            return ""
        return f"Astakos has no resource {wrong[0]!r}{nearest(wrong[0], known)}"

    def fail(self, status: int, *, of: RequestTo = "issue", times: int | None = 1) -> None:
        """Answer the next `times` requests of a kind with an HTTP status, and do nothing.

        `of`: "issue", "settle", "list" (the engine's lists and reads) or "look-up". `times`: None:
        until `recover`. A 401 or 403 rests the lane, a 404 of an issue is tried again for the
        refusal window, a 5xx until it goes well. Raises `BadValue` for a status that is no error.
        """
        if not 400 <= status < 600:
            raise BadValue(f"status must be that of an error, 400 to 599, not {status!r}")
        with self._lock:
            self._failures[of] = (status, math.inf if times is None else times)

    def recover(self) -> None:
        """End all that `fail` began, and the outage."""
        with self._lock:
            self._failures.clear()
            self.away = False

    def settle_elsewhere(self, serial: int, *, accept: bool) -> None:
        """Accept or reject a pending commission as another program with the same token would.

        The next decision or sweep finds the commission vanished: `CommissionFailed`. That is
        believed only while another commission of the test is pending, which proves the token.
        """
        with self._lock:
            self._book.resolve(_COMPONENT, serial, accept=accept)

    def look_up(self, work: Callable[[], T]) -> T:
        """Do a look-up as a request: it fails as `away` and `fail` say."""
        return self._request("look-up", work)

    def holdings(self) -> dict[tuple[str, str, str], Figures]:
        """Return `{(user, project, resource): figures}` of all holdings that were ever named."""
        with self._lock:
            keys = [key for key in self._book.holdings if key.source is not None]
            named = [
                (key.holder.partition(":")[2], str(key.source).partition(":")[2], key.resource)
                for key in keys
            ]
            return {one: self.quota(*one) for one in named}

    @property
    def limits(self) -> dict[str, int] | None:
        """The limit of each user in each project, by resource; None: there are no limits."""
        with self._lock:
            return None if self._of_each is None else dict(self._of_each)

    # --- For the engine -----------------------------------------------------------------------

    def issue_provisions(
        self,
        provisions: Sequence[Any],
        name: str = "",
        force: bool = False,
        *,
        fresh: bool = False,
    ) -> int:
        """Issue a commission, two-phase; return its serial."""
        del fresh  # there is no connection
        wanted = [Provision(**provision) for provision in provisions]

        def issue() -> int:
            for provision in wanted:
                self._know(provision.key)
            at = datetime.fromtimestamp(self._clock.now(), UTC)
            try:
                one = self._book.issue(_COMPONENT, wanted, at=at, name=name, force=force)
            except NoHoldingError as refusal:
                body = _body("itemNotFound", 404, refusal)
                raise NotFound("Not Found", body, 404, body, outcome=Outcome.REFUSED) from None
            except QuotaRefusalError as refusal:
                fault = {"message": refusal.message, "data": refusal.data}
                body = _body("overLimit", 413, refusal)
                reason = "Request Entity Too Large"
                raise quota_limit(provisions, reason, body, fault, Outcome.REFUSED) from None
            except InternalFailureError:
                raise _unexpected() from None
            return one.serial

        return self._request("issue", issue)

    def resolve_commissions(
        self, accept_serials: Sequence[int], reject_serials: Sequence[int]
    ) -> Mapping[str, Any]:
        """Accept and reject; return what became of each serial."""

        def resolve() -> Mapping[str, Any]:
            try:
                done = self._book.resolve_many(_COMPONENT, accept_serials, reject_serials)
            except InternalFailureError:
                raise _unexpected() from None
            gone = [[n, {"itemNotFound": {"code": 404}}] for n in done.not_found]
            both = [[n, {"badRequest": {"code": 400}}] for n in done.conflicting]
            return {
                "accepted": [one.serial for one in done.accepted],
                "rejected": [one.serial for one in done.rejected],
                "failed": gone + both,
            }

        return self._request("settle", resolve)

    def get_pending_commissions(self) -> list[int]:
        """Return the serials that are pending."""
        return self._request("list", lambda: self._book.pending(_COMPONENT))

    def get_commission_info(self, serial: int) -> Mapping[str, Any]:
        """Return a pending commission."""

        def find() -> Mapping[str, Any]:
            try:
                one = self._book.find(_COMPONENT, serial)
            except NoCommissionError:
                raise NotFound("Not Found", response="", outcome=Outcome.REFUSED) from None
            return {
                "serial": one.serial,
                "issue_time": one.issue_time.isoformat(),
                "name": one.name,
                "provisions": [provision.describe() for provision in one.provisions],
            }

        return self._request("list", find)

    # --- Inside -------------------------------------------------------------------------------

    def _request(self, kind: RequestTo, work: Callable[[], T]) -> T:
        with self._lock:
            if self.away:
                cause = ConnectionRefusedError("the test says that Astakos is away")
                raise ConnectionError(cause, outcome=Outcome.NOT_SENT)
            status, times = self._failures.get(kind, (0, 0))
            if times:
                self._failures[kind] = status, times - 1
                raise _error(status)
            lost = self._lost.popleft() if kind in {"issue", "settle"} and self._lost else None
            if lost == "request":
                raise _lost()
            try:
                return work()
            finally:
                if lost == "answer":
                    raise _lost()

    def _limit(self, key: HoldingKey) -> int | None:
        if key in self._single:
            return self._single[key]
        if self._of_each is None:
            return INT64_MAX
        if key.resource not in self._of_each:
            return None
        return INT64_MAX if key.source is None else self._of_each[key.resource]

    def _know(self, key: HoldingKey) -> None:
        limit = self._limit(key)
        if limit is not None:
            self._book.set_limit(key, limit)

    def _holding(self, key: HoldingKey) -> Holding:
        self._know(key)
        if key not in self._book.holdings:
            known = ", ".join(sorted(self._of_each or ())) or "none"
            raise BadValue(f"{key.resource!r} has no limit; resources with one: {known}")
        return self._book.holdings[key]


def _key(user: str | None, project: str, resource: str) -> HoldingKey:
    if user is None:
        return project_holding(project, resource)
    return member_holding(user, project, resource)


def _lost() -> AstakosClientException:
    cause = TimeoutError("the test lost the answer")
    return ConnectionError(cause, outcome=Outcome.AMBIGUOUS)


def _error(status: int) -> AstakosClientException:
    """Return the error that the client makes of Astakos' own answer with this status."""
    kind, name = _ERRORS.get(status, (AstakosClientException, "fault"))
    reason = HTTPStatus(status).phrase if status in set(HTTPStatus) else f"status {status}"
    fault = {"code": status, "message": "the test says so", "details": ""}
    body = json.dumps({name: fault})
    outcome = Outcome.REFUSED if status < 500 else Outcome.AMBIGUOUS
    return kind(reason, body, status, body, outcome=outcome)


def _unexpected() -> AstakosClientException:
    fault = {"code": 500, "message": "Unexpected error", "details": ""}
    body = json.dumps({"internalServerError": fault})
    return AstakosClientException("Internal Server Error", "", 500, body)


def _body(name: str, code: int, refusal: QuotaRefusalError) -> str:
    return json.dumps({name: {"code": code, "message": refusal.message, "data": refusal.data}})
