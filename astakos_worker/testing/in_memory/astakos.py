"""Astakos in the test's process: the calls that the engine makes, over the sandbox's quota book.

Whom it counts for need not be set up: a holding is there as soon as it is named. Its refusals are
the errors that the client would have raised.
"""

import json
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

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
    BadValue,
    ConnectionError,  # noqa: A004  # so named for its users' sake
    NotFound,
    Outcome,
)
from astakosclient.quota_limits import quota_limit

#: There is one component, so it does not matter which.
_COMPONENT = "in-memory"

T = TypeVar("T")


class InMemoryAstakos:
    """Holdings, pending commissions, and what goes wrong when a test wants it.

    `limits` is `{resource: limit of each user in each project}`: what it does not name is no
    resource, and a commission for it is not found, as a misspelt one would be. None: everything
    may be had, without end.
    """

    def __init__(self, clock: Clock, limits: Mapping[str, int] | None = None) -> None:
        self.away = False
        """While true, nobody listens: requests are not sent, and are tried again later."""
        self._clock = clock
        self._book = QuotaBook()
        self._of_each = None if limits is None else dict(limits)
        self._single: dict[HoldingKey, int] = {}
        self._lost: deque[Literal["answer", "request"]] = deque()
        self._lock = threading.RLock()

    # --- For the test -------------------------------------------------------------------------

    def set_limit(
        self, resource: str, limit: int, *, project: str | None = None, user: str | None = None
    ) -> None:
        """Set what a user may have in a project; without a user, what all of it may have.

        Without both, what each user may have in each project for which nothing else is set.
        """
        if user is not None and project is None:
            raise BadValue("give the project as well: users have limits in projects only")
        with self._lock:
            if project is None:
                if self._of_each is None:
                    raise BadValue("there are no limits of each to change: give some to in_memory")
                self._of_each[resource] = limit
            else:
                self._single[_key(user, project, resource)] = limit

    def quota(self, user: str, project: str, resource: str) -> Figures:
        """Return a user's figures in a project, as `get_quotas` would show them.

        `usage` counts what is pending as taken; `usage - pending` is what was accepted, as long
        as nothing is being released. The figures with the prefix `project_` are of all users.
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
        """Carry out the next so many issues and settles, and let nobody know."""
        self._lost.extend(["answer"] * times)

    def lose_requests(self, times: int = 1) -> None:
        """Lose the next so many issues and settles on their way; their senders cannot tell."""
        self._lost.extend(["request"] * times)

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
        del fresh  # there is no connection that could be stale
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

        return self._request(issue, writes=True)

    def resolve_commissions(
        self, accept_serials: Sequence[int], reject_serials: Sequence[int]
    ) -> Mapping[str, Any]:
        """Accept and reject; return what became of each."""

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

        return self._request(resolve, writes=True)

    def get_pending_commissions(self) -> list[int]:
        """Return the serials that are pending."""
        return self._request(lambda: self._book.pending(_COMPONENT))

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

        return self._request(find)

    # --- Inside -------------------------------------------------------------------------------

    def _request(self, work: Callable[[], T], *, writes: bool = False) -> T:
        with self._lock:
            if self.away:
                cause = ConnectionRefusedError("Astakos is away, as the test wants it")
                raise ConnectionError(cause, outcome=Outcome.NOT_SENT)
            lost = self._lost.popleft() if writes and self._lost else None
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
            raise BadValue(f"{key.resource!r} is no resource; those with a limit: {known}")
        return self._book.holdings[key]


def _key(user: str | None, project: str, resource: str) -> HoldingKey:
    if user is None:
        return project_holding(project, resource)
    return member_holding(user, project, resource)


def _lost() -> AstakosClientException:
    cause = TimeoutError("no answer came, as the test wants it")
    return ConnectionError(cause, outcome=Outcome.AMBIGUOUS)


def _unexpected() -> AstakosClientException:
    fault = {"code": 500, "message": "Unexpected error", "details": ""}
    body = json.dumps({"internalServerError": fault})
    return AstakosClientException("Internal Server Error", "", 500, body)


def _body(name: str, code: int, refusal: QuotaRefusalError) -> str:
    return json.dumps({name: {"code": code, "message": refusal.message, "data": refusal.data}})
