"""Notes in beat's process when beat orders a sweep, so that a beat that stands still shows."""

import socket
from typing import Any

import redis

from astakos_worker.configuration.event_log import EventLog
from astakos_worker.configuration.settings import Settings
from astakos_worker.worker.health.presence import presences_of

log = EventLog(__name__)


class Orders:
    """The orders of beat, as its presence says."""

    def __init__(self, settings: Settings) -> None:
        self._presences = presences_of(settings)
        self._node = f"beat@{socket.gethostname()}"
        self._services = tuple(settings.services)

    def ordered(self, **_: Any) -> None:
        """Note that a sweep was ordered. A ledger that is away keeps beat from nothing."""
        try:
            self._presences.beat_ordered(self._node, self._services)
        except (redis.RedisError, OSError) as error:
            log.info("order_not_noted", error=type(error).__name__)
