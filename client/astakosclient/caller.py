"""The part that all calls share: token, host, deadline and discovery.

Nothing is opened before the first call. The first call asks Astakos for its catalog, once for a
client. Everything that one call does, discovery included, ends by one deadline.

A call whose discovery failed was *not sent*, whatever happened to the discovery. That is decided
here, in `_discovered`. For the request itself, `transport.py` decides.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any, TypedDict

from astakosclient.addresses import Addresses
from astakosclient.endpoints import Endpoints
from astakosclient.errors import (
    AstakosClientException,
    BadValue,
    ConnectionError,  # noqa: A004 - the name is the protocol's
    Outcome,
)
from astakosclient.http_messages import HttpRequest
from astakosclient.redaction import redacted
from astakosclient.transport import Transport, encoded

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Mapping
    from typing import Unpack
    from urllib.parse import SplitResult

    from astakosclient.http_messages import CallLimits, HttpReply, OverLimit

JSON_HEADERS = {"Content-Type": "application/json"}
_HIDDEN = {"x-auth-token", "authorization", "proxy-authorization", "cookie"}


class _Process:
    """What a forked child must not share: sockets, and locks that may be held at the fork."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.discovery = threading.Lock()


class Caller(Addresses):
    """The base of all calls: one token at one Astakos."""

    def __init__(
        self,
        token: str,
        identity: SplitResult,
        *,
        limits: CallLimits,
        verify: bool | str,
        logger: logging.Logger,
        headers: Mapping[str, str],
    ) -> None:
        self._identity = identity
        self._limits = limits
        self._verify = verify
        self._logger = logger
        self._headers = {
            "Accept": "application/json",
            "User-Agent": "astakosclient",
            **{_text(name, "a header"): _text(value, name) for name, value in headers.items()},
        }
        self.token = token
        self.auth_url = identity.geturl()
        self._processes: dict[int, _Process] = {}
        self._catalog: Endpoints | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.auth_url}>"

    @property
    def token(self) -> str:
        """The token. Set another one, and the next call uses it."""
        return self._headers["X-Auth-Token"]

    @token.setter
    def token(self, token: str) -> None:
        if not token:
            raise BadValue("token must be a non-empty string")
        self._headers = {**self._headers, "X-Auth-Token": _text(token, "token", shown=False)}

    @property
    def log_request(self) -> dict[str, Any]:
        """The last request of this thread: method, path, headers, body, without secrets."""
        request, _ = self._last
        if request is None:
            return {}
        secrets = (self.token, *request.secrets)
        return {
            "method": request.method,
            "path": redacted(request.path, secrets),
            "headers": {
                name: "***" if name.lower() in _HIDDEN else redacted(value, secrets)
                for name, value in {**self._headers, **request.headers}.items()
            },
            "body": redacted((request.body or b"").decode(), secrets),
        }

    @property
    def log_response(self) -> dict[str, Any]:
        """The reply to `log_request`: status, message, data; or `{}` if none came."""
        request, reply = self._last
        if request is None or reply is None:
            return {}
        text, secrets = reply.body.decode("utf-8", "replace"), (self.token, *request.secrets)
        return {
            "status": reply.status,
            "message": redacted(reply.reason, secrets),
            "data": redacted(text, secrets),
        }

    def prepare(self) -> None:
        """Read certificates and proxies now, not with the first call. Opens no connection.

        Raises `LocalError` if this machine cannot prepare a connection.
        """
        _ = self._transport

    def close(self) -> None:
        """Close the idle connections. The client can still be used, and opens new ones."""
        process = self._processes.pop(os.getpid(), None)
        if process is not None:
            process.transport.close()

    @property
    def _process(self) -> _Process:
        pid = os.getpid()
        process = self._processes.get(pid)
        if process is None:
            made = _Process(Transport(self._identity, self._limits, self._verify, self._logger))
            process = self._processes.setdefault(pid, made)
            # In a forked child: its copies of the parent's sockets are closed. The parent's own
            # sockets stay open.
            for other in [one for one in self._processes if one != pid]:
                self._processes.pop(other, None)
        return process

    @property
    def _last(self) -> tuple[HttpRequest | None, HttpReply | None]:
        process = self._processes.get(os.getpid())
        return process.transport.last if process is not None else (None, None)

    @property
    def _transport(self) -> Transport:
        return self._process.transport

    @property
    def _endpoints(self) -> Endpoints:
        return self._discovered(time.monotonic() + self._limits.total_timeout)

    def _discovered(self, deadline: float) -> Endpoints:
        if self._catalog is not None:
            return self._catalog
        lock = self._process.discovery
        if not lock.acquire(timeout=max(deadline - time.monotonic(), 0)):
            late = TimeoutError("another thread is still asking for the catalog")
            raise ConnectionError(late, outcome=Outcome.NOT_SENT)
        try:
            if self._catalog is None:
                self._catalog = Endpoints.of(self._ask_catalog(deadline))
            return self._catalog
        except AstakosClientException as error:
            # Whatever happened to the discovery, the call itself was never sent.
            error.outcome = Outcome.NOT_SENT
            raise
        finally:
            lock.release()

    def _ask_catalog(self, deadline: float, body: bytes | None = None) -> dict[str, Any]:
        reply: dict[str, Any] = self._transport.call(
            HttpRequest(
                "POST",
                f"{self._identity.path}/tokens",
                dict,
                body,
                JSON_HEADERS if body else {},
                safe=True,
            ),
            self._headers,
            deadline,
        )
        return reply

    def _call(
        self,
        method: str,
        where: Callable[[], str],
        expects: type[dict[str, Any] | list[Any]] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        **about: Unpack[_About],
    ) -> Any:
        """Send one request and return its answer. `where` is called once there is a catalog."""
        headers = headers or {}
        content: bytes | None
        if body is None or isinstance(body, bytes):
            content = body
        else:
            content, headers = encoded(body), JSON_HEADERS
        deadline = time.monotonic() + self._limits.total_timeout
        self._discovered(deadline)
        about.setdefault("safe", method == "GET")
        request = HttpRequest(method, where(), expects, content, headers, **about)
        return self._transport.call(request, self._headers, deadline)


class _About(TypedDict, total=False):
    """Further fields of an `HttpRequest`."""

    safe: bool
    fresh: bool
    bare_404: bool
    flaw: Callable[[Any], str | None]
    over_limit: OverLimit


def _text(value: object, what: str, *, shown: bool = True) -> str:
    """Return the text of a header, or raise `BadValue`.

    The error of http.client would show a bad token, so it is looked at here.
    """
    if not isinstance(value, str) or not value.isprintable() or not value.isascii():
        named = f" {value!r}" if shown else ""
        raise BadValue(f"{what}{named} must be of printable ASCII characters")
    return value
