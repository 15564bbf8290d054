"""From a request to its answer or its error: attempts, deadline, outcome, redaction.

A request is sent once, unless a second attempt can do no harm. A read may be repeated after a
lost connection, or a 502, 503 or 504. Any other request is repeated only if no byte of it was
sent (the protocol, section 4.3). All attempts, and the pauses between them, end by one deadline.

Whether a request was *sent* is decided here, in `_exchange`, by what the sockets of
`exchange.py` have noted. No exception is asked, because none says it for certain.
"""

from __future__ import annotations

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

from astakosclient.connections import TimedAdapter, is_of_this_machine
from astakosclient.decoding import decoded, error_of
from astakosclient.errors import (
    AstakosClientException,
    BadValue,
    ConnectionError,  # noqa: A004 - the name is the protocol's
    LocalError,
    Outcome,
    plain_cause,
)
from astakosclient.exchange import Exchange
from astakosclient.http_messages import CallLimits, HttpReply, HttpRequest
from astakosclient.redaction import hide_secrets_of_urllib3, redacted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from urllib.parse import SplitResult

    from urllib3.connectionpool import HTTPConnectionPool

# Raised for a connection that failed, and for some answers that are not HTTP.
_BROKEN = (HTTPError, RequestException, OSError)
# Raised for an answer with an impossible length. Before an answer, they are mistakes of ours.
_ABSURD = (ArithmeticError, MemoryError, ValueError)
_PASSING = frozenset({502, 503, 504})


def encoded(body: object) -> bytes:
    """Return `body` as JSON in UTF-8. Raises `BadValue` if JSON cannot express it."""
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise BadValue(f"this cannot be sent as JSON: {error}") from None


class Transport:
    """Sends requests to one host, for many threads. A forked child makes its own.

    Raises `LocalError` when it is made, if this machine cannot prepare a connection.
    """

    def __init__(
        self, base: SplitResult, limits: CallLimits, verify: bool | str, logger: logging.Logger
    ) -> None:
        self.limits = limits
        self._logger = logger
        self._last = threading.local()
        trouble = None
        try:
            self._pool, self._prefix = self._prepare(f"{base.scheme}://{base.netloc}", verify)
        except (RequestException, HTTPError, OSError, ValueError) as error:
            trouble = _trouble(error)
        if trouble is not None:  # raised here: the error above may show a proxy's password
            raise LocalError(trouble)
        hide_secrets_of_urllib3()

    def _prepare(self, origin: str, verify: bool | str) -> tuple[HTTPConnectionPool, str]:
        """Return the pool to `origin`, and what stands before each path sent through it.

        The environment (proxies, authorities) is read here, not again for every request. Of all
        that a session does for a request, only the pool of its adapter is used: that costs half
        as much.
        """
        settings = requests.Session().merge_environment_settings(origin, {}, None, verify, None)
        proxies = settings["proxies"]
        verify = verify if settings["verify"] is None else settings["verify"]
        keep, size = self.limits.use_pool, self.limits.pool_size
        self._adapter = TimedAdapter(verify=verify, keep=keep, size=size)
        sample = requests.Request("GET", origin).prepare()
        pool = self._adapter.pool_for(sample, verify, proxies)
        forwarded = self._adapter.request_url(sample, proxies) != "/"
        return pool, origin if forwarded else ""

    @property
    def last(self) -> tuple[HttpRequest | None, HttpReply | None]:
        """The last request of this thread, and its reply if one came."""
        return getattr(self._last, "pair", (None, None))

    def close(self) -> None:
        """Close the idle connections."""
        self._adapter.close()

    def call(self, request: HttpRequest, headers: Mapping[str, str], deadline: float) -> Any:
        """Return the answer of Astakos, or raise, by `deadline` (seconds, monotonic clock)."""
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
        request: HttpRequest,
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
            # Astakos may repeat what it was sent, and the reply to `tokens` has the token.
            error.response = redacted(error.response or "", secrets)
            error.details = redacted(error.details, secrets)
            error.message = redacted(error.message, secrets)
            error.args = (error.message, error.details, error.status)
            raise

    def _exchange(
        self, request: HttpRequest, headers: Mapping[str, str], exchange: Exchange
    ) -> HttpReply:
        self._last.pair = (request, None)
        sent_before = False
        try:
            try:
                return self._send(request, headers, exchange)
            except _BROKEN:
                # The server may close a kept connection just when it is used. Another one is
                # tried at once, where that can do no harm.
                stale = exchange.reused and not exchange.answered
                if not stale or not (request.safe or not exchange.sent):
                    raise
                exchange.left()
                sent_before = exchange.sent
                exchange.renew()
                return self._send(request, headers, exchange)
        except (*_BROKEN, *_ABSURD) as error:
            if not exchange.answered and not isinstance(error, _BROKEN):
                raise
            cause = _cause(error, exchange, self.limits)
            sent = exchange.sent or sent_before
        # Raised here and not above: the error of urllib3 has what the peer has sent.
        if sent:
            raise ConnectionError(cause, outcome=Outcome.AMBIGUOUS) from cause
        if is_of_this_machine(cause):
            raise LocalError(cause) from cause
        raise ConnectionError(cause, outcome=Outcome.NOT_SENT) from cause

    def _send(
        self, request: HttpRequest, headers: Mapping[str, str], exchange: Exchange
    ) -> HttpReply:
        body = request.body
        merged = {**headers, **request.headers, "Content-Length": str(len(body) if body else 0)}
        if not exchange.keep:
            merged["Connection"] = "close"
        try:
            answer = self._pool.urlopen(
                request.method,
                self._prefix + request.path,
                body=body,
                headers=merged,
                retries=False,
                redirect=False,
                assert_same_host=False,
                decode_content=False,  # none was asked for
                timeout=None,  # the sockets keep to the deadline of the exchange
            )
        except BaseException:  # a time limit of a task, or Ctrl-C, as well (F104)
            exchange.abandon()
            raise
        announced = "content-length" in answer.headers or answer.chunked
        return HttpReply(answer.status, answer.reason or "", answer.data, ended=announced)


def _worth_repeating(request: HttpRequest, error: AstakosClientException) -> bool:
    if not isinstance(error, ConnectionError):
        return request.safe and error.status in _PASSING
    if isinstance(error, LocalError):
        return False  # this machine will not be mended within the deadline
    if isinstance(error.__cause__, ssl.SSLCertVerificationError):
        return False  # the certificate will be the same the next time
    return request.safe or error.outcome is Outcome.NOT_SENT


def _trouble(error: Exception) -> OSError:
    """Return why no connection can be prepared, without the URL of a proxy and its password."""
    if isinstance(error, OSError) and not isinstance(error, RequestException):
        cause = plain_cause(error)
        return cause if isinstance(cause, OSError) else OSError(str(error))
    return OSError(
        "the proxy that http_proxy, https_proxy or all_proxy names cannot be used "
        f"({type(error).__name__}); mend it, or put the host of auth_url into no_proxy"
    )


def _cause(error: BaseException, exchange: Exchange, limits: CallLimits) -> BaseException:
    """Return the error at the root of an error of urllib3, in words that hold no secret."""
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
