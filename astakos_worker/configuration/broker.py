"""kombu's Redis transport, with one client a channel where kombu makes one for every command.

A client of redis-py is made to be shared by threads, and making one costs more than most of the
commands that are sent with it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kombu.transport import TRANSPORT_ALIASES
from kombu.transport.redis import Channel as KombusChannel
from kombu.transport.redis import Transport as KombusTransport

if TYPE_CHECKING:
    import redis


class Channel(KombusChannel):
    """kombu's own, which keeps its client as long as its pool of connections."""

    _kept: "redis.Redis | None" = None

    @contextmanager
    def conn_or_acquire(self, client: "redis.Redis | None" = None) -> Iterator["redis.Redis"]:
        """Lend a client to one command."""
        kept = client or self._kept
        if kept is None or (client is None and kept.connection_pool is not self.pool):
            kept = self._kept = self._create_client()  # type: ignore[attr-defined]  # kombu's
        yield kept


class Transport(KombusTransport):
    """kombu's own, with these channels."""

    Channel = Channel


#: How Celery is told of it.
TRANSPORT = f"{__name__}:{Transport.__name__}"


def use_for_all() -> None:
    """Let every URL of this process mean this transport: for programs that are only ours."""
    TRANSPORT_ALIASES["redis"] = TRANSPORT_ALIASES["rediss"] = TRANSPORT
