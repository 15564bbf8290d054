"""Connections on which one exchange (a request and its answer) ends by its deadline.

The time-out of a socket starts again with every `recv`, so a peer that sends one byte a second
could hold a request for ever. Here every operation on a socket gets the seconds that are left
until the deadline of the current exchange: connecting, TLS, sending, headers and body alike. The
same sockets note whether a byte of the request has left. No exception says that for certain.

The kernel keeps to the deadline too (F104). What a program writes to a socket, the kernel sends
later, and goes on sending after the program closed the socket or died. So, before each send, the
socket gets a `TCP_USER_TIMEOUT` of the seconds that are left, and is set to be reset when it is
closed. The kernel of a sender that is killed at second 3 of 15 throws the unsent bytes away at
second 3; the kernel of a sender that is stopped (SIGSTOP) does so at about second 15.

Resolving a name is the one step that cannot be cut short; the resolver has limits of its own.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import ssl
import struct
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import EmptyPoolError, NewConnectionError
from urllib3.util.ssl_ import create_urllib3_context

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from requests import PreparedRequest
    from urllib3._base_connection import BaseHTTPConnection

#: What this module overrides in urllib3 and requests, or counts on, and the rule for each.
#: `tests/unit/client/test_upstream.py` fails when a new version changes the source of one.
UPSTREAM: Final[dict[str, str]] = {
    "urllib3.connection:HTTPConnection._new_conn": (
        "returns a connected socket or raises NewConnectionError. A raw ConnectionResetError or "
        "BrokenPipeError is swallowed by _make_request, which then goes on without a socket."
    ),
    "urllib3.connection:HTTPConnection.connect": (
        "sets self.sock and sends nothing of the request. It raises NewConnectionError alone, "
        "for the same reason."
    ),
    "urllib3.connection:HTTPSConnection.connect": (
        "as HTTPConnection.connect; it calls _new_conn, and wraps its socket with ssl_context."
    ),
    "urllib3.connectionpool:HTTPConnectionPool._get_conn": (
        "returns a connection, or raises EmptyPoolError when there was no time to get one. After "
        "any other error urlopen puts a place into the pool that was never taken."
    ),
    "urllib3.connectionpool:HTTPConnectionPool._put_conn": (
        "is called once for each _get_conn that succeeded: with the connection after a whole "
        "answer, with None after an error."
    ),
    "urllib3.connectionpool:HTTPConnectionPool.urlopen": (
        "closes the connection after every exception, closes it before _put_conn(None), and "
        "sends once if retries=False."
    ),
    "urllib3.connectionpool:HTTPConnectionPool._make_request": (
        "swallows BrokenPipeError, ECONNRESET and EPROTOTYPE of conn.request, then reads an answer."
    ),
    "urllib3.util.ssltransport:SSLTransport._ssl_io_loop": (
        "moves its bytes with sendall and recv of the socket below, self.socket, which are ours."
    ),
    "requests.adapters:HTTPAdapter.init_poolmanager": "makes self.poolmanager.",
    "requests.adapters:HTTPAdapter.proxy_manager_for": "returns a manager that makes the pools.",
    "requests.adapters:HTTPAdapter.build_connection_pool_key_attributes": (
        "returns the host's and the TLS attributes of a pool; an ssl_context is one of the latter."
    ),
    "requests.adapters:HTTPAdapter.get_connection_with_tls_context": (
        "returns the pool of a request, through the proxy that `proxies` names for its URL."
    ),
}

#: Linux has it; elsewhere the kernel's own limits (about 100 s) stand.
_USER_TIMEOUT: Final[int | None] = getattr(socket, "TCP_USER_TIMEOUT", None)
#: Values of SO_LINGER: on close, throw unsent bytes away and send a reset; or send all, then FIN.
_RESET, _CLOSE = struct.pack("ii", 1, 0), struct.pack("ii", 0, 0)

#: Errors of a system call that this machine causes by itself: no file descriptor, memory, port,
#: interface or route, or no permission. No byte has left the machine.
_OF_THIS_MACHINE: Final = frozenset(
    {
        *(errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM),
        *(errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.ENODEV, errno.ENETDOWN),
        *(errno.ENETUNREACH, errno.EACCES, errno.EPERM),
    }
)


def is_of_this_machine(error: BaseException) -> bool:
    """Return whether an error while connecting tells of the caller's own machine."""
    numbered_otherwise = isinstance(error, ssl.SSLError | socket.gaierror)
    own = isinstance(error, OSError) and error.errno in _OF_THIS_MACHINE
    return own and not numbered_otherwise


class Exchange:
    """One attempt at one request: its limits, and what is known about it so far."""

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
        """Return the seconds until the deadline, more than 0; after it: `TimeoutError`."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline of the request has passed")
        return left

    def renew(self) -> None:
        """Start again, on a new connection."""
        self.max_idle, self.sock = -1.0, None
        self.connected = self.reused = self.sent = self.answered = False

    def abandon(self) -> None:
        """Reset the connection, so that the kernel throws away what it has not sent (F104).

        urllib3 closes the connection itself in most cases; then it is closed already.
        """
        sock = self.sock
        if isinstance(sock, socket.socket) and sock.fileno() >= 0:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            os.close(sock.detach())

    def __enter__(self) -> Self:
        _current.exchange = self
        return self

    def __exit__(self, *_: object) -> None:
        _current.exchange = None


class _Current(threading.local):
    """The exchange of each thread. TLS and proxies stack sockets, and all of them need it."""

    exchange: Exchange | None = None


_current = _Current()


def current_exchange() -> Exchange | None:
    """Return the exchange of this thread; None between two."""
    return _current.exchange


if TYPE_CHECKING:
    _Either = socket.socket
else:
    _Either = object


class _Timed(_Either):
    """A socket whose operations end by the deadline. `sent` is set once it may be true."""

    encrypted: ClassVar[bool]

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        exchange = _current.exchange
        if exchange is None:
            return super().recv_into(*args, **kwargs)
        self.settimeout(exchange.left())
        count = super().recv_into(*args, **kwargs)
        if count and not exchange.answered:
            self._begin_answer(exchange)
        return count

    def recv(self, *args: Any, **kwargs: Any) -> bytes:
        exchange = _current.exchange
        if exchange is None:
            return super().recv(*args, **kwargs)
        self.settimeout(exchange.left())
        content = super().recv(*args, **kwargs)
        if content and not exchange.answered:
            self._begin_answer(exchange)
        return content

    def _begin_answer(self, exchange: Exchange) -> None:
        # The peer answers, so it has read the request. A close need not be a reset any more.
        exchange.answered = True
        self.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _CLOSE)

    def sendall(self, data: Any, flags: int = 0) -> None:
        exchange = _current.exchange
        if exchange is None:
            super().sendall(data, flags)
            return
        self.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        view = memoryview(data).cast("B")
        while view:
            left = exchange.left()
            self.settimeout(left)
            if _USER_TIMEOUT is not None:
                self.setsockopt(socket.IPPROTO_TCP, _USER_TIMEOUT, max(int(left * 1000), 1))
            # A failed send() on a plain socket has sent nothing; TLS may have sent a part.
            exchange.sent = exchange.sent or self.encrypted
            view = view[self.send(view, flags) :]
            exchange.sent = True


class _TimedSocket(_Timed, socket.socket):
    encrypted = False


class _TimedTLSSocket(_Timed, ssl.SSLSocket):
    encrypted = True

    def do_handshake(self, block: bool = False) -> None:
        if _current.exchange is not None:
            self.settimeout(_current.exchange.left())
        super().do_handshake(block)


class _TimedConnection(HTTPConnection):
    """A connection with timed sockets. All addresses of a host share one time-out."""

    rested_at = 0.0

    def _new_conn(self) -> socket.socket:
        exchange = _current.exchange
        if exchange is None:
            return super()._new_conn()
        try:
            sock = self._connected(
                time.monotonic() + min(exchange.connect_timeout, exchange.left())
            )
        except (OSError, UnicodeError) as error:
            raise NewConnectionError(self, str(error)) from error
        sys.audit("http.client.connect", self, self.host, self.port)
        return sock

    def _connected(self, until: float) -> socket.socket:
        """Return a socket to the first address that answers, or raise why none did."""
        host = self._dns_host
        found = socket.getaddrinfo(host, self.port, type=socket.SOCK_STREAM)
        failures: list[OSError] = []
        for place, (family, kind, proto, _, address) in enumerate(found):
            try:
                sock = _TimedSocket(family, kind, proto)
            except OSError as error:
                failures.append(error)
                continue
            try:
                for option in self.socket_options or ():
                    sock.setsockopt(*option)
                # A dead first address must leave some time for the second.
                share = (until - time.monotonic()) / (len(found) - place)
                sock.settimeout(max(share, 0.001))
                sock.connect(address)
            except OSError as error:
                sock.close()
                failures.append(error)
            except BaseException:
                sock.close()
                raise
            else:
                return sock
        # A machine without IPv6 has no route to that address; what the other one did counts.
        failures.sort(key=is_of_this_machine, reverse=True)
        raise failures[-1] if failures else OSError(f"no address for {host}")

    def connect(self) -> None:
        try:
            super().connect()
        except (OSError, UnicodeError) as error:
            raise NewConnectionError(self, str(error)) from error
        finally:
            # Whatever was sent so far went to a proxy, and was no part of the request.
            if _current.exchange is not None:
                _current.exchange.sent = _current.exchange.answered = False
        if _current.exchange is not None:
            _current.exchange.connected = True
            _current.exchange.sock = _innermost(self.sock)


def _innermost(sock: object) -> object:
    """Return the socket itself; TLS within TLS (a proxy spoken to by TLS) is a layer above it."""
    while not isinstance(sock, socket.socket) and hasattr(sock, "socket"):
        sock = sock.socket
    return sock


class _TimedTLSConnection(_TimedConnection, HTTPSConnection):
    pass


class _TimedPool(HTTPConnectionPool):
    """A pool that waits, keeps and reuses connections as the current exchange asks."""

    ConnectionCls = _TimedConnection

    def _get_conn(self, timeout: float | None = None) -> BaseHTTPConnection:
        exchange = _current.exchange
        if exchange is None:
            return super()._get_conn(timeout)
        try:
            patience = exchange.left()
        except TimeoutError as late:
            raise EmptyPoolError(self, str(late)) from late
        conn = super()._get_conn(patience)
        if conn.is_closed:
            return conn
        idle = time.monotonic() - getattr(conn, "rested_at", 0.0)
        if exchange.max_idle is not None and idle > exchange.max_idle:
            conn.close()  # and opened again when it is used
        else:
            exchange.reused = exchange.connected = True
            exchange.sock = _innermost(getattr(conn, "sock", None))
        return conn

    def _put_conn(self, conn: BaseHTTPConnection | None) -> None:
        if _current.exchange is None or _current.exchange.keep:
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
        """Make pools of timed connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = dict(_POOLS)

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        """Make the same pools for a proxy. SOCKS is refused: it has connections of its own."""
        if proxy.lower().startswith("socks"):
            raise OSError("SOCKS proxies are not supported")
        if proxy.lower().startswith("https"):
            proxy_kwargs.setdefault("proxy_ssl_context", self._tls())
        manager = super().proxy_manager_for(proxy, **proxy_kwargs)
        manager.pool_classes_by_scheme = dict(_POOLS)
        return manager

    def build_connection_pool_key_attributes(
        self, request: PreparedRequest, verify: Any, cert: Any = None
    ) -> Any:
        """Use one context of TLS for all; requests would load the authorities each time."""
        host, tls = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, ({"ssl_context": self._tls()} if host["scheme"] == "https" else tls)

    def pool_for(
        self, request: PreparedRequest, verify: bool | str, proxies: Mapping[str, str]
    ) -> HTTPConnectionPool:
        """Return the pool to the host of `request`, through the proxy for it if there is one.

        Raises OSError, or what urllib3 and requests raise, when the authorities cannot be read
        or the proxy cannot be used.
        """
        pool = self.get_connection_with_tls_context(request, verify, dict(proxies))
        if not isinstance(pool, _TimedPool):
            raise TypeError(f"{type(pool).__name__} keeps no deadlines")
        if pool.proxy is not None and pool.proxy.host:
            pool.proxy.host.encode("idna")  # UnicodeError here, and not in each getaddrinfo
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
                    raise OSError(
                        f"no certificates of authorities can be read from {found} (set by "
                        f"verify=, REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE): {error}"
                    ) from error
            self._context = context
        return self._context
