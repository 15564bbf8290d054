"""Sockets on which one exchange (a request and its answer) ends by its deadline.

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
import os
import socket
import ssl
import struct
import threading
import time
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Linux has this option. Elsewhere the limits of the kernel hold, which are minutes.
_USER_TIMEOUT: Final[int | None] = getattr(socket, "TCP_USER_TIMEOUT", None)
#: Values of SO_LINGER: on close, throw unsent bytes away and send a reset; or send all, then FIN.
_RESET, _CLOSE = struct.pack("ii", 1, 0), struct.pack("ii", 0, 0)


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
    """Return the exchange of this thread, or None if it has none at the moment."""
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
        view, waited = memoryview(data).cast("B"), False
        while view:
            left = exchange.left()
            self.settimeout(left)
            if waited or not exchange.sent:  # a body that follows its headers at once needs no more
                self._limit_kernel(left)
            # A failed send() on a plain socket has sent nothing; TLS may have sent a part.
            exchange.sent = exchange.sent or self.encrypted
            view = view[self.send(view, flags) :]
            exchange.sent = waited = True

    def _limit_kernel(self, left: float) -> None:
        """Let the kernel try for `left` seconds, and reset on close (F104)."""
        self.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        if _USER_TIMEOUT is not None:
            self.setsockopt(socket.IPPROTO_TCP, _USER_TIMEOUT, max(int(left * 1000), 1))


class TimedSocket(_Timed, socket.socket):
    """A socket of TCP."""

    encrypted = False


class TimedTLSSocket(_Timed, ssl.SSLSocket):
    """A socket of TLS."""

    encrypted = True

    def do_handshake(self, block: bool = False) -> None:
        """Do the handshake of TLS by the deadline."""
        if _current.exchange is not None:
            self.settimeout(_current.exchange.left())
        super().do_handshake(block)
