"""Connections that follow a server's name to another server (F90).

A managed Redis fails over behind one name: the name leads to the new master from then on, and
the old master turns into a replica. The old server still answers, so connections to it stay open.
It answers writes with an error such as `READONLY`. On such an error these connections are closed,
and all idle ones of their pool; the next try resolves the name again. The error is raised as a
broken connection, so the sender of the command retries it as after any broken connection.

Such a server answers reads and `PUBLISH` without an error, so a connection with no other commands
would stay with it. So its health check is a write that changes nothing, and no `PING`.
"""

import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import redis
from redis.sentinel import SentinelManagedConnection

#: Errors of a server that answers and cannot do the work: it is a replica, it loads its data, its
#: master is away, it has too few replicas, or it became a replica while a worker waited for a
#: message (`UNBLOCKED`). Valkey puts the script's name before them.
_WRONG: Final = re.compile(
    r"^(?:\S*user_script\S*:\s*(?:\d+:\s*)?)?(READONLY|LOADING|MASTERDOWN|NOREPLICAS|UNBLOCKED)\b"
)

#: redis-py removes the first word of these errors.
_WRONG_CLASSES: Final = (
    redis.ReadOnlyError,
    redis.exceptions.MasterDownError,
    redis.exceptions.BusyLoadingError,
)


#: A key that nobody sets.
_NOTHING: Final = "astakos:nothing"


class WrongServerError(redis.ConnectionError):
    """Raised when a server answers that it is not the one that takes writes now."""


def is_wrong_server(error: Exception) -> bool:
    """Return whether an error says that the server is not the one that takes writes now."""
    return isinstance(error, _WRONG_CLASSES) or _WRONG.match(str(error)) is not None


if TYPE_CHECKING:
    _Base = redis.Connection
else:
    _Base = object


class Follows(_Base):
    """Closes a connection whose server answers that it is the wrong one: mixed into redis-py's."""

    #: Closes the pool's other connections.
    renew: Callable[[], None] | None = None
    #: When to check that the server takes writes, by the monotonic clock; None: not yet known.
    _check_at: float | None = None

    def check_health(self) -> None:
        """Check the server every `health_check_interval` seconds, also if it is in use."""
        now = time.monotonic()
        if self._check_at is None:
            self._check_at = now + self.health_check_interval
        if now >= self._check_at:
            self.next_health_check = 0  # redis-py checks idle connections only
        super().check_health()  # type: ignore[no-untyped-call]  # redis-py has no types here

    def _send_ping(self) -> None:
        """Send a write. `WrongServerError`: the server takes none, and redis-py connects anew."""
        self._check_at = time.monotonic() + self.health_check_interval
        self.send_command("DEL", _NOTHING, check_health=False)  # type: ignore[no-untyped-call]
        try:
            self.read_response()
        except redis.ResponseError:  # this user may not write here
            super()._send_ping()  # type: ignore[no-untyped-call]  # redis-py has no types here

    def read_response(self, *args: Any, **options: Any) -> Any:
        """Return an answer; `WrongServerError` in place of an error such as `READONLY`."""
        try:
            return super().read_response(*args, **options)
        except redis.RedisError as error:
            if not is_wrong_server(error):
                raise
            self.disconnect()  # type: ignore[no-untyped-call]  # redis-py has no types here
            if self.renew is not None:
                self.renew()
            raise WrongServerError(f"the server is not the right one now: {error}") from error


class TcpConnection(Follows, redis.Connection):
    """Over TCP, in clear."""


class TlsConnection(Follows, redis.SSLConnection):
    """Over TCP, with TLS."""


class SocketConnection(Follows, redis.UnixDomainSocketConnection):
    """Over a socket of this machine."""


class SentinelConnection(Follows, SentinelManagedConnection):
    """To the master that Sentinels name."""


class SentinelTlsConnection(Follows, SentinelManagedConnection, redis.SSLConnection):
    """To the master that Sentinels name, with TLS."""


class Pool(redis.BlockingConnectionPool):
    """A pool in which one connection to the wrong server closes all idle ones."""

    def make_connection(self) -> Any:
        """Return a new connection, which can tell the pool about a wrong server."""
        connection = super().make_connection()  # type: ignore[no-untyped-call]  # nor here
        connection.renew = self._renew
        return connection

    def _renew(self) -> None:
        self.disconnect(inuse_connections=False)
        self.update_active_connections_for_reconnect()  # those close when they are given back
