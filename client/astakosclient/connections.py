"""Connections, pools and the adapter: the parts of urllib3 and requests with timed sockets.

The libraries are taken as they are, but for the methods below. `UPSTREAM` lists what is overridden
or relied upon, and the rule for each. Errors are the main concern: urllib3 treats an error by its
class, swallows some, and frees places of the pool for others.
"""

from __future__ import annotations

import errno
import socket
import ssl
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import EmptyPoolError, NewConnectionError
from urllib3.util.ssl_ import create_urllib3_context

from astakosclient.exchange import TimedSocket, TimedTLSSocket, current_exchange

if TYPE_CHECKING:
    from collections.abc import Mapping

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


class _TimedConnection(HTTPConnection):
    """A connection with timed sockets. All addresses of a host share one time-out."""

    rested_at = 0.0

    def _new_conn(self) -> socket.socket:
        exchange = current_exchange()
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
                sock = TimedSocket(family, kind, proto)
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
        # A machine without IPv6 has no route to that address. The failure of the other counts.
        failures.sort(key=is_of_this_machine, reverse=True)
        raise failures[-1] if failures else OSError(f"no address for {host}")

    def connect(self) -> None:
        exchange = current_exchange()
        try:
            super().connect()
        except (OSError, UnicodeError) as error:
            raise NewConnectionError(self, str(error)) from error
        finally:
            # Whatever was sent so far went to a proxy, and was no part of the request.
            if exchange is not None:
                exchange.sent = exchange.answered = False
        if exchange is not None:
            exchange.connected = True
            exchange.sock = _innermost(self.sock)


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
        exchange = current_exchange()
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
        exchange = current_exchange()
        if exchange is None or exchange.keep:
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
            context.sslsocket_class = TimedTLSSocket
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
