"""Watches whether this worker can make a client of each Astakos that it serves.

A token file may be removed or spoilt while the worker runs. The lane rests from the next work on,
but a lane without work would not show the fault. So the heartbeat looks too, and raises an alarm.
The alarm has the machine's name in it: another machine's worker may be well.
"""

import socket

from astakos_worker.configuration.event_log import EventLog
from astakos_worker.ledger.contract import Ledger
from astakos_worker.worker.clients import Clients
from astakosclient import LocalError

log = EventLog(__name__)


class ClientWatch:
    """Watches the clients of some named services."""

    def __init__(self, clients: Clients, ledger: Ledger, services: tuple[str, ...]) -> None:
        self._clients = clients
        self._ledger = ledger
        self._alarm = f"client@{socket.gethostname()}"
        #: The fault of each service, as last written to the ledger. At first it is unknown, because
        #: an earlier worker may have written one.
        self._written: dict[str, str | None] = dict.fromkeys(services, "")

    def look(self) -> None:
        """Raise or end the alarm of each service; `LedgerError` while the ledger is away."""
        for service, written in self._written.items():
            fault = self._fault(service)
            if fault == written:
                continue
            if fault:
                log.error("no_client", service=service, reason=fault)
            self._ledger.alarm(service, self._alarm, fault)
            self._written[service] = fault

    def _fault(self, service: str) -> str | None:
        try:
            self._clients.of(service)
        except LocalError as error:
            return str(error)
        return None
