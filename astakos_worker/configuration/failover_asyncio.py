"""Connections of an event loop that follow a server's name to another server (F90).

They do what those of `failover.py` do. A context of TLS is made once for all connections of a pool,
because reading the authorities' certificates takes long.
"""

import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import redis
from redis.asyncio import BlockingConnectionPool
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.sentinel import SentinelManagedConnection

from astakos_worker.configuration.failover import WrongServerError, is_wrong_server

if TYPE_CHECKING:
    _Base = Connection
    _Tls = SSLConnection
else:
    _Base = _Tls = object


class LoopFollows(_Base):
    """Closes a connection whose server answers that it is the wrong one: mixed into redis-py's."""

    #: Closes the pool's other connections.
    renew: Callable[[], Awaitable[None]] | None = None

    async def read_response(self, *args: Any, **options: Any) -> Any:
        """Return an answer; `WrongServerError` in place of an error such as `READONLY`."""
        try:
            return await super().read_response(*args, **options)
        except redis.RedisError as error:
            if not is_wrong_server(error):
                raise
            await self.disconnect(nowait=True)
            if self.renew is not None:
                await self.renew()
            raise WrongServerError(f"the server is not the right one now: {error}") from error


class LoopTls(_Tls):
    """Takes the context of TLS that was made for the pool: mixed into redis-py's."""

    def __init__(self, *, tls: ssl.SSLContext, **options: Any) -> None:
        super().__init__(**options)
        self.ssl_context.context = tls


class LoopTcpConnection(LoopFollows, Connection):
    """Over TCP, in clear."""


class LoopTlsConnection(LoopTls, LoopFollows, SSLConnection):
    """Over TCP, with TLS."""


class LoopSocketConnection(LoopFollows, UnixDomainSocketConnection):
    """Over a socket of this machine."""


class LoopSentinelConnection(LoopFollows, SentinelManagedConnection):
    """To the master that Sentinels name."""


class LoopSentinelTlsConnection(LoopTls, LoopFollows, SentinelManagedConnection, SSLConnection):
    """To the master that Sentinels name, with TLS."""


class LoopPool(BlockingConnectionPool):
    """A pool in which one connection to the wrong server closes all idle ones."""

    def make_connection(self) -> Any:
        """Return a new connection, which can tell the pool about a wrong server."""
        connection = super().make_connection()  # type: ignore[no-untyped-call]  # redis-py
        connection.renew = self._renew
        return connection

    async def _renew(self) -> None:
        await self.disconnect(inuse_connections=False)
        # Those that are in use are closed when they are given back.
        await self.update_active_connections_for_reconnect()  # type: ignore[no-untyped-call]  # redis-py


def context_of(tls: Mapping[str, Any]) -> ssl.SSLContext:
    """Return the context for the options of TLS. It reads files: not for an event loop."""
    connection = SSLConnection(**tls)
    return connection.ssl_context.get()
