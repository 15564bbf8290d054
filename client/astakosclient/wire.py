"""One exchange over one connection, ended by its deadline whatever the peer does.

A socket's timeout starts anew with every `recv`, so a peer that sends a byte a second holds a
request for ever. Here each operation on a socket is given what is left until the deadline of the
exchange that its thread has in hand: connecting, TLS, sending, headers and body alike. The same
sockets know whether a byte of the request has left, which no exception tells for certain.

Resolving a name is the one step that cannot be cut short; the resolver has its own limits.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.ssl_ import create_urllib3_context

from astakosclient.errors import BadValue

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from requests import PreparedRequest
    from urllib3._base_connection import BaseHTTPConnection


class Exchange:
    """One attempt at one request: its limits, and what is known of it so far."""

    __slots__ = (
        "answered",
        "connect_timeout",
        "connected",
        "deadline",
        "keep",
        "max_idle",
        "reused",
        "secrets",
        "sent",
        "sock",
    )

    def __init__(
        self,
        deadline: float,
        connect_timeout: float,
        *,
        keep: bool,
        max_idle: float | None,
        secrets: Sequence[str],
    ) -> None:
        self.deadline = deadline
        self.connect_timeout = connect_timeout
        self.keep = keep
        self.max_idle = max_idle
        self.secrets = secrets
        self.sock: object = None
        self.connected = self.reused = self.sent = self.answered = False

    def left(self) -> float:
        """Return the seconds that are left, always more than none."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline of the request has passed")
        return left

    def renew(self) -> None:
        """Begin anew, on a connection of its own."""
        self.max_idle, self.sock = -1.0, None
        self.connected = self.reused = self.sent = self.answered = False

    def abandon(self) -> None:
        """Close the socket for good. After some garbled answers urllib3 leaves it open."""
        if isinstance(self.sock, socket.socket) and (number := self.sock.detach()) >= 0:
            os.close(number)

    def __enter__(self) -> Self:
        _in_hand.exchange = self
        return self

    def __exit__(self, *_: object) -> None:
        _in_hand.exchange = None


class _InHand(threading.local):
    """The exchange of each thread: TLS and proxies stack sockets, and all of them must see it."""

    exchange: Exchange | None = None


_in_hand = _InHand()


def exchange_in_hand() -> Exchange | None:
    """Return what this thread is exchanging at the moment, if anything."""
    return _in_hand.exchange


if TYPE_CHECKING:
    _Either = socket.socket
else:
    _Either = object


class _Timed(_Either):
    """Every operation within what is left; `sent` is set as soon as it may be true."""

    encrypted: ClassVar[bool]

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        exchange = _in_hand.exchange
        if exchange is None:
            return super().recv_into(*args, **kwargs)
        self.settimeout(exchange.left())
        count = super().recv_into(*args, **kwargs)
        if count:
            exchange.answered = True
        return count

    def recv(self, *args: Any, **kwargs: Any) -> bytes:
        if _in_hand.exchange is not None:
            self.settimeout(_in_hand.exchange.left())
        return super().recv(*args, **kwargs)

    def sendall(self, data: Any, flags: int = 0) -> None:
        exchange = _in_hand.exchange
        if exchange is None:
            super().sendall(data, flags)
            return
        view = memoryview(data).cast("B")
        while view:
            self.settimeout(exchange.left())
            # A failed send() on a plain socket has sent nothing; TLS may have sent a part.
            exchange.sent = exchange.sent or self.encrypted
            view = view[self.send(view, flags) :]
            exchange.sent = True


class _TimedSocket(_Timed, socket.socket):
    encrypted = False


class _TimedTLSSocket(_Timed, ssl.SSLSocket):
    encrypted = True

    def do_handshake(self, block: bool = False) -> None:
        if _in_hand.exchange is not None:
            self.settimeout(_in_hand.exchange.left())
        super().do_handshake(block)


class _TimedConnection(HTTPConnection):
    """A connection whose sockets are timed; all addresses of a host share one time-out."""

    rested_at = 0.0

    def _new_conn(self) -> socket.socket:
        exchange = _in_hand.exchange
        if exchange is None:
            return super()._new_conn()
        until = time.monotonic() + min(exchange.connect_timeout, exchange.left())
        host, port = self._dns_host, self.port
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        failure: OSError = OSError(f"no address for {host}")
        for place, (family, kind, proto, _, address) in enumerate(found):
            sock = _TimedSocket(family, kind, proto)
            try:
                for option in self.socket_options or ():
                    sock.setsockopt(*option)
                # A dead first address must leave some time for the second.
                share = (until - time.monotonic()) / (len(found) - place)
                sock.settimeout(max(share, 0.001))
                sock.connect(address)
            except OSError as error:
                sock.close()
                failure = error
            else:
                return sock
        raise failure

    def connect(self) -> None:
        try:
            super().connect()
        finally:
            # What has been sent so far was to a proxy, and none of it the request.
            if _in_hand.exchange is not None:
                _in_hand.exchange.sent = _in_hand.exchange.answered = False
        if _in_hand.exchange is not None:
            _in_hand.exchange.connected = True
            _in_hand.exchange.sock = self.sock


class _TimedTLSConnection(_TimedConnection, HTTPSConnection):
    pass


class _TimedPool(HTTPConnectionPool):
    """A pool that waits, keeps and reuses as the exchange in hand asks."""

    ConnectionCls = _TimedConnection

    def _get_conn(self, timeout: float | None = None) -> BaseHTTPConnection:
        exchange = _in_hand.exchange
        if exchange is None:
            return super()._get_conn(timeout)
        conn = super()._get_conn(exchange.left())
        if conn.is_closed:
            return conn
        idle = time.monotonic() - getattr(conn, "rested_at", 0.0)
        if exchange.max_idle is not None and idle > exchange.max_idle:
            conn.close()  # and opened anew when it is used
        else:
            exchange.reused = exchange.connected = True
            exchange.sock = getattr(conn, "sock", None)
        return conn

    def _put_conn(self, conn: BaseHTTPConnection | None) -> None:
        if _in_hand.exchange is None or _in_hand.exchange.keep:
            if isinstance(conn, _TimedConnection):
                conn.rested_at = time.monotonic()
            super()._put_conn(conn)
        elif conn is not None:
            conn.close()


class _TimedTLSPool(_TimedPool, HTTPSConnectionPool):
    ConnectionCls = _TimedTLSConnection


_POOLS = {"http": _TimedPool, "https": _TimedTLSPool}


class TimedAdapter(HTTPAdapter):
    """The adapter of a `requests` session, with pools whose connections keep deadlines."""

    def __init__(self, *, verify: bool | str, keep: bool, size: int) -> None:
        self._verify = verify
        self._context: ssl.SSLContext | None = None
        super().__init__(pool_connections=1, pool_maxsize=size, pool_block=keep)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools that this adapter is about."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = dict(_POOLS)

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        """Make the same pools for a proxy; SOCKS brings connections of its own: `BadValue`."""
        if proxy.lower().startswith("socks"):
            raise BadValue("SOCKS proxies are not supported; set no_proxy for the host of auth_url")
        proxy_kwargs.setdefault("proxy_ssl_context", self._tls())
        manager = super().proxy_manager_for(proxy, **proxy_kwargs)
        manager.pool_classes_by_scheme = dict(_POOLS)
        return manager

    def build_connection_pool_key_attributes(
        self, request: PreparedRequest, verify: Any, cert: Any = None
    ) -> Any:
        """Give TLS our one context; by itself `requests` loads the authorities each time."""
        host, tls = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, ({"ssl_context": self._tls()} if host["scheme"] == "https" else tls)

    def pool_for(
        self, request: PreparedRequest, verify: bool | str, proxies: Mapping[str, str]
    ) -> HTTPConnectionPool:
        """Return the pool to the host of `request`, through the proxy that is due."""
        pool = self.get_connection_with_tls_context(request, verify, dict(proxies))
        if not isinstance(pool, _TimedPool):
            raise TypeError(f"{type(pool).__name__} keeps no deadlines")
        return pool

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            required = ssl.CERT_REQUIRED if self._verify else ssl.CERT_NONE
            context = create_urllib3_context(cert_reqs=required)
            context.sslsocket_class = _TimedTLSSocket
            if self._verify:
                found = DEFAULT_CA_BUNDLE_PATH if self._verify is True else str(self._verify)
                folder = Path(found).is_dir()
                try:
                    context.load_verify_locations(**{"capath" if folder else "cafile": found})
                except OSError as error:
                    raise BadValue(f"no authorities can be read from {found}: {error}") from error
            self._context = context
        return self._context
