"""From a request to its answer or its error: the one place that classifies a reply.

One request is one attempt on the wire, unless it is certain that a second can do no harm: reads
(and what is a read in all but its method) after a lost connection or a 502, 503 or 504, anything
else only where no byte of it was sent (the protocol, section 4.3). All attempts, and the pauses
between them, fit into one deadline.
"""

from __future__ import annotations

import http
import json
import logging
import random
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any

import requests
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from astakosclient.errors import (
    AstakosClientException,
    BadRequest,
    BadValue,
    ConnectionError,  # noqa: A004 - the name is the protocol's
    Forbidden,
    InvalidResponse,
    NotFound,
    Outcome,
    Unauthorized,
    plain_cause,
)
from astakosclient.messages import Limits, Reply, Request
from astakosclient.redaction import hide_secrets_of_urllib3, redacted
from astakosclient.wire import Exchange, TimedAdapter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from urllib.parse import SplitResult

_CLASSES = {400: BadRequest, 401: Unauthorized, 403: Forbidden, 404: NotFound}
# Astakos' own name for each refusal. A proxy's page, or another API's, does not say this.
_FAULTS = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    409: "conflict",
    413: "overLimit",
}
# What urllib3 raises for a connection that failed, and for some answers that are no HTTP.
_BROKEN = (HTTPError, RequestException, OSError)
# What Python makes of lengths that no answer has. Before an answer they are our own mistakes.
_ABSURD = (ArithmeticError, MemoryError, ValueError)
_PASSING = frozenset({502, 503, 504})
_SHAPES: dict[type, str] = {dict: "an object", list: "a list"}


def encoded(body: object) -> bytes:
    """Return `body` as JSON in UTF-8; what JSON cannot say: `BadValue`."""
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise BadValue(f"this cannot be sent as JSON: {error}") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def decoded(request: Request, reply: Reply) -> Any:
    """Return what a 2xx reply says, of the expected shape; None where nothing is expected."""
    text = reply.body.decode("utf-8", "replace")
    if reply.body:
        try:
            said = json.loads(reply.body.decode("utf-8"), parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise InvalidResponse(
                "the reply is not JSON", str(error).partition(" for")[0], response=text
            ) from None
    else:
        said = None
    expects = request.expects
    if expects is None:
        return None
    if not isinstance(said, expects):
        flaw: str | None = f"the reply is {'not ' + _SHAPES[expects] if reply.body else 'empty'}"
    else:
        flaw = request.flaw(said) if request.flaw else None
    if flaw:
        raise AstakosClientException(flaw, response=text)
    return said


def fault_of(reply: Reply, text: str) -> Mapping[str, Any] | None:
    """Return the fault in a body that is Astakos' own, else None (the protocol, section 3.1)."""
    name = _FAULTS.get(reply.status)
    if name is None or not text.lstrip().startswith("{"):
        return None
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return None
    fault = said.get(name) if len(said) == 1 else None
    return fault if isinstance(fault, dict) and fault.get("code") == reply.status else None


def error_of(request: Request, reply: Reply) -> AstakosClientException:
    """Return the error that a reply outside 2xx is. This alone looks at status codes."""
    text = reply.body.decode("utf-8", "replace")
    fault = fault_of(reply, text)
    bare = request.bare_404 and reply.status == 404 and reply.ended and not reply.body
    outcome = Outcome.REFUSED if fault is not None or bare else Outcome.AMBIGUOUS
    reason = reply.reason
    if not reason or reason == "OK":  # the protocol, section 10.2: "404 OK" is common
        known = reply.status in set(http.HTTPStatus)
        reason = http.HTTPStatus(reply.status).phrase if known else f"status {reply.status}"
    if reply.status == 413 and request.over_limit is not None:
        return request.over_limit(reason, text, fault, outcome)
    specific = _CLASSES.get(reply.status)
    if specific is not None:
        return specific(reason, text, response=text, outcome=outcome)
    return AstakosClientException(reason, "", reply.status, text, outcome=outcome)


class Transport:
    """Carries requests to one host. Safe from many threads; made anew after a fork."""

    def __init__(
        self, base: SplitResult, limits: Limits, verify: bool | str, logger: logging.Logger
    ) -> None:
        self.limits = limits
        self._logger = logger
        origin = f"{base.scheme}://{base.netloc}"
        # The environment (proxies, authorities) is asked here, not once for every request; and
        # of all that a session does for a request only its adapter's pool is needed, at half
        # of the cost.
        settings = requests.Session().merge_environment_settings(origin, {}, None, verify, None)
        proxies = settings["proxies"]
        verify = verify if settings["verify"] is None else settings["verify"]
        self._adapter = TimedAdapter(verify=verify, keep=limits.use_pool, size=limits.pool_size)
        sample = requests.Request("GET", origin).prepare()
        self._pool = self._adapter.pool_for(sample, verify, proxies)
        forwarded = self._adapter.request_url(sample, proxies) != "/"
        self._prefix = origin if forwarded else ""
        self._last = threading.local()
        hide_secrets_of_urllib3()

    @property
    def last(self) -> tuple[Request | None, Reply | None]:
        """This thread's last request, and its reply if one came."""
        return getattr(self._last, "pair", (None, None))

    def close(self) -> None:
        """Close the idle connections."""
        self._adapter.close()

    def call(self, request: Request, headers: Mapping[str, str], deadline: float) -> Any:
        """Return what Astakos answers, or raise; by `deadline` (of the monotonic clock)."""
        secrets = (headers.get("X-Auth-Token", ""), *request.secrets)
        pauses = 0
        while True:
            try:
                return self._attempt(request, headers, deadline, secrets)
            except AstakosClientException as error:
                pause = random.uniform(0.5, 1) * min(0.1 * 2**pauses, 2)  # noqa: S311 - jitter
                pauses += 1
                if (
                    pauses > self.limits.retry
                    or not _worth_repeating(request, error)
                    or time.monotonic() + pause >= deadline
                ):
                    raise
                time.sleep(pause)

    def _attempt(
        self,
        request: Request,
        headers: Mapping[str, str],
        deadline: float,
        secrets: Sequence[str],
    ) -> Any:
        limits = self.limits
        max_idle = limits.fresh_within if request.fresh else None
        started = time.monotonic()
        with Exchange(
            deadline,
            limits.connect_timeout,
            keep=limits.use_pool,
            max_idle=max_idle,
            secrets=secrets,
        ) as exchange:
            reply = self._exchange(request, headers, exchange)
        self._last.pair = (request, reply)
        if self._logger.isEnabledFor(logging.DEBUG):
            path = redacted(request.path, secrets)
            taken = time.monotonic() - started
            self._logger.debug("%s %s: %d in %.3f s", request.method, path, reply.status, taken)
        try:
            if 200 <= reply.status < 300:
                return decoded(request, reply)
            raise error_of(request, reply)
        except AstakosClientException as error:
            # Astakos may repeat what it was sent, and a tokens reply holds the token.
            error.response = redacted(error.response or "", secrets)
            error.details = redacted(error.details, secrets)
            error.message = redacted(error.message, secrets)
            error.args = (error.message, error.details, error.status)
            raise

    def _exchange(self, request: Request, headers: Mapping[str, str], exchange: Exchange) -> Reply:
        self._last.pair = (request, None)
        sent_before = False
        try:
            try:
                return self._send(request, headers, exchange)
            except _BROKEN:
                exchange.abandon()
                # A kept connection that the server closed in the very moment is nobody's
                # fault; another is tried at once where that can do no harm.
                stale = exchange.reused and not exchange.answered
                if not stale or not (request.safe or not exchange.sent):
                    raise
                exchange.left()
                sent_before = exchange.sent
                exchange.renew()
                return self._send(request, headers, exchange)
        except (*_BROKEN, *_ABSURD) as error:
            exchange.abandon()
            if not exchange.answered and not isinstance(error, _BROKEN):
                raise
            cause = _cause(error, exchange, self.limits)
            sent = exchange.sent or sent_before
            outcome = Outcome.AMBIGUOUS if sent else Outcome.NOT_SENT
            raise ConnectionError(cause, outcome=outcome) from cause

    def _send(self, request: Request, headers: Mapping[str, str], exchange: Exchange) -> Reply:
        body = request.body
        merged = {**headers, **request.headers, "Content-Length": str(len(body) if body else 0)}
        if not exchange.keep:
            merged["Connection"] = "close"
        answer = self._pool.urlopen(
            request.method,
            self._prefix + request.path,
            body=body,
            headers=merged,
            retries=False,
            redirect=False,
            assert_same_host=False,
            decode_content=False,  # none was asked for
            timeout=None,  # each socket keeps to what the exchange has left
        )
        announced = "content-length" in answer.headers or answer.chunked
        return Reply(answer.status, answer.reason or "", answer.data, ended=announced)


def _worth_repeating(request: Request, error: AstakosClientException) -> bool:
    if not isinstance(error, ConnectionError):
        return request.safe and error.status in _PASSING
    if isinstance(error.__cause__, ssl.SSLCertVerificationError):
        return False  # it will not pass the next time either
    return request.safe or error.outcome is Outcome.NOT_SENT


def _cause(error: BaseException, exchange: Exchange, limits: Limits) -> BaseException:
    """Return what is at the root of an error of urllib3, in words that hold no secret."""
    root = _root(error)
    if isinstance(root, TimeoutError):
        if exchange.connected:
            return TimeoutError(f"no whole answer within {limits.total_timeout:g} s")
        whole = time.monotonic() >= exchange.deadline
        allowed = limits.total_timeout if whole else limits.connect_timeout
        return TimeoutError(f"no connection within {allowed:g} s")
    if isinstance(root, ssl.SSLError):
        return root
    if isinstance(root, OSError):
        return plain_cause(root) or root
    return OSError(redacted(str(error), exchange.secrets))


def _root(error: BaseException) -> BaseException:
    near = [*error.args, getattr(error, "reason", None), error.__cause__, error.__context__]
    if isinstance(error, OSError) and not isinstance(error, RequestException):
        return error
    for one in near:
        if isinstance(one, BaseException) and isinstance(root := _root(one), OSError):
            return root
    return error
