"""The Celery application of workers, services and commands: it obeys `celeryconfig.py` alone.

Celery prefers the variables `CELERY_BROKER_URL` and `CELERY_RESULT_BACKEND` to any setting. In a
service's process they belong to the service's own Celery application, so ours ignores them.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from celery import Celery
from celery.app import backends
from celery.app.amqp import AMQP
from celery.backends.redis import RedisBackend, SentinelBackend

from astakos_worker.configuration import broker
from astakos_worker.configuration.celery_values import celery_values
from astakos_worker.configuration.failover import (
    SentinelConnection,
    SentinelTlsConnection,
    SocketConnection,
    TcpConnection,
    TlsConnection,
)
from astakos_worker.configuration.settings import Settings

#: The connection classes of Celery's back ends, and ours, which follow a server's name.
_FOLLOWING = {
    "Connection": TcpConnection,
    "SSLConnection": TlsConnection,
    "UnixDomainSocketConnection": SocketConnection,
}


class OurAMQP(AMQP):
    """Celery's, with our connections to the broker."""

    Connection = BrokerConnection = broker.BrokerConnection


class CeleryApp(Celery):
    """An application with the settings of `celeryconfig.py`.

    `values` replace some of these settings; `options` are those of `Celery()`.
    """

    amqp_cls = f"{__name__}:{OurAMQP.__name__}"

    def __init__(
        self,
        name: str,
        settings: Settings,
        values: Mapping[str, Any] = MappingProxyType({}),
        **options: Any,
    ) -> None:
        super().__init__(name, **options)
        self.conf.update({**celery_values(settings), **values})

    def connection_for_read(self, url: str | None = None, **options: Any) -> Any:
        """Return a connection to receive messages with."""
        configured = self.conf.get("broker_read_url") or self.conf["broker_url"]
        return super().connection_for_read(url or configured, **options)

    def connection_for_write(self, url: str | None = None, **options: Any) -> Any:
        """Return a connection to send messages with."""
        configured = self.conf.get("broker_write_url") or self.conf["broker_url"]
        return super().connection_for_write(url or configured, **options)

    def connection(self, *where: Any, **options: Any) -> Any:
        """Return a connection to the broker, as `connection_for_write`."""
        return self.connection_for_write(*where, **options)

    broker_connection = connection

    def _get_backend(self) -> Any:
        found: Any = backends.by_url(self.backend_cls or self.conf["result_backend"], self.loader)
        kind, url = found
        kind = {RedisBackend: ResultBackend, SentinelBackend: SentinelResults}.get(kind, kind)
        return kind(app=self, url=url)


class ResultBackend(RedisBackend):
    """Results on one server; its connections follow the server's name."""

    def _get_pool(self, **parameters: Any) -> Any:
        kind = parameters.get("connection_class")
        following = _FOLLOWING[kind.__name__ if kind else "Connection"]
        return super()._get_pool(  # type: ignore[misc]  # its types do not know it
            **{**parameters, "connection_class": following}
        )


class SentinelResults(SentinelBackend):
    """Results on the master that Sentinels name; its connections follow the master."""

    connection_class_ssl = SentinelTlsConnection

    def _get_pool(self, **parameters: Any) -> Any:
        parameters.setdefault("connection_class", SentinelConnection)
        return super()._get_pool(**parameters)  # type: ignore[misc]  # nor here
