"""Celery's connections to the broker: kombu's Redis transport with two changes.

First, a channel keeps one client. kombu makes a client for every command, which costs more than
most commands. Second, a connection is closed when its server answers that it is the wrong one. The
next connection then follows the broker's name to the right server (`failover.py`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import kombu
import redis
from kombu.connection import ConnectionPool, PooledConnection
from kombu.transport import redis as kombus

from astakos_worker.configuration.failover import (
    SentinelConnection,
    SentinelTlsConnection,
    SocketConnection,
    TcpConnection,
    TlsConnection,
)

if TYPE_CHECKING:
    _Channel = kombus.Channel
else:
    _Channel = object


class _OneClient(_Channel):
    """Mixed into kombu's channels: one client is kept as long as its pool of connections."""

    _kept: "redis.Redis | None" = None

    @contextmanager
    def conn_or_acquire(self, client: "redis.Redis | None" = None) -> Iterator["redis.Redis"]:
        """Lend a client to one command."""
        kept = client or self._kept
        if kept is None or (client is None and kept.connection_pool is not self.pool):
            kept = self._kept = self._create_client()  # type: ignore[attr-defined]  # kombu's
        yield kept


class BrokerChannel(_OneClient, kombus.Channel):
    """A channel to one server."""

    connection_class = TcpConnection
    connection_class_ssl = TlsConnection

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        """Return how to connect. kombu names its own class for sockets, so ours replaces it."""
        parameters: dict[str, Any] = super()._connparams(asynchronous)  # type: ignore[misc]
        kind = parameters["connection_class"]
        if issubclass(kind, redis.UnixDomainSocketConnection):
            # In the event loop kombu's class also removes the connection from the poller.
            parameters["connection_class"] = type("Connection", (SocketConnection, kind), {})
        return parameters


class BrokerSentinelChannel(_OneClient, kombus.SentinelChannel):
    """A channel to the master that Sentinels name."""

    connection_class = SentinelConnection
    connection_class_ssl = SentinelTlsConnection


class BrokerTransport(kombus.Transport):
    """kombu's transport to one server, with our channels."""

    Channel = BrokerChannel


class BrokerSentinelTransport(kombus.SentinelTransport):
    """kombu's transport to the master that Sentinels name, with our channels."""

    Channel = BrokerSentinelChannel


class BrokerConnection(kombu.Connection):
    """kombu's connection, which uses our transports where the URL names Redis."""

    #: The transport of each scheme. They are chosen here, and not by kombu's table of names: a
    #: service may have another Celery application in the same process.
    transports: ClassVar[dict[str, Any]] = {
        "redis": BrokerTransport,
        "rediss": BrokerTransport,
        "sentinel": BrokerSentinelTransport,
    }

    def get_transport_cls(self) -> Any:
        """Return the class of the transport."""
        return self.transports.get(self.transport_cls) or super().get_transport_cls()

    def Pool(self, limit: int | None = None, **options: Any) -> Any:  # noqa: N802  # kombu's name
        """Return a pool whose connections use our transports too."""
        return _Pool(self, limit, **options)


class _PooledConnection(PooledConnection):
    """kombu's connection of a pool. By itself it would use kombu's own transports."""

    _pool: ConnectionPool

    def get_transport_cls(self) -> Any:
        """Return the class of the transport: that of the connection which the pool was made of."""
        return self._pool.connection.get_transport_cls()


class _Pool(ConnectionPool):
    def new(self) -> Any:
        """Return one more connection; it connects when it is used."""
        settings = dict(self.connection._info(resolve=False))  # noqa: SLF001  # as kombu does
        return _PooledConnection(self, **settings)
