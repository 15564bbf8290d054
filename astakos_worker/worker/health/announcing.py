"""Announces a worker: its presence, whether it takes messages, and what it cannot do.

With each drive of the heartbeat. A token file may be removed or spoilt while the worker runs; a
lane without work would not show it, so the clients are looked at here too.
"""

import threading
import time
from collections.abc import Callable, Mapping

import redis

from astakos_worker.configuration.event_log import EventLog
from astakos_worker.ledger.contract import UnavailableError
from astakos_worker.worker.clients import Clients
from astakos_worker.worker.health.consuming import ConsumerFacts
from astakos_worker.worker.health.presence import Presences, Said
from astakosclient import LocalError

log = EventLog(__name__)

#: For each service, how many requests were sent, and so on: see `Metrics.counts`.
ServiceCounts = Mapping[str, Mapping[str, float]]


class Announcer:
    """Announces the worker of this process.

    A child of a worker, which takes no messages itself, announces nothing: its parent does.
    """

    def __init__(
        self,
        presences: Presences,
        clients: Clients,
        services: tuple[str, ...],
        counts: Callable[[], ServiceCounts] = dict,
    ) -> None:
        self._presences = presences
        self._clients = clients
        self._services = services
        self._counts = counts
        self._consumer: ConsumerFacts | None = None
        self._since = 0.0
        self._ends = False
        self._faults: Mapping[str, str] = {}
        self._lock = threading.Lock()  # a beat must not renew what the end has withdrawn

    def consumes(self, consumer: ConsumerFacts) -> None:
        """Say that this process takes messages from now on."""
        self._consumer, self._since = consumer, time.monotonic()
        self.look()
        self._presences.forget_old()

    def ends(self) -> None:
        """Say that the worker takes no more messages, as it ends. Does nothing but remember."""
        self._ends = True

    def look(self) -> None:
        """Announce the worker; `LedgerError` while the ledger's server is away."""
        with self._lock:
            self._announce(self._look_at_clients())

    def _announce(self, faults: Mapping[str, str]) -> None:
        consumer = self._consumer
        if consumer is None:
            return
        try:
            if self._ends:
                self._presences.withdraw(consumer.node)
                self._consumer = None
                return
            said = Said(
                consumer.node,
                up=round(time.monotonic() - self._since, 1),
                queues=consumer.queues,
                services=self._services,
                unanswered=round(consumer.check.look(), 1),
                busy=consumer.busy(),
                faults=faults,
                counts=self._counts(),
            )
            self._presences.renew(said)
        except (redis.RedisError, OSError) as error:
            raise UnavailableError(f"the presence was not renewed: {error}") from error

    def _look_at_clients(self) -> Mapping[str, str]:
        faults = {}
        for service in self._services:
            try:
                self._clients.of(service)
            except LocalError as error:
                faults[service] = str(error)
        for service in faults.keys() - self._faults.keys():
            log.error("no_client", service=service, reason=faults[service])
        self._faults = faults
        return faults
