"""Warns in the log of a service if no worker serves it. No call waits for that.

A misspelt namespace or service, or workers that were never started, are no error of a call: the
ledger has the commission, and workers may start later. But nobody would notice for minutes.
"""

import time
from contextlib import suppress

from astakos_worker.configuration.event_log import EventLog
from astakos_worker.ledger.contract import Ledger, LedgerError
from astakos_worker.service.served import unserved
from astakos_worker.service.wakeups import Message, Sends

log = EventLog(__name__)

#: Seconds between two looks for the workers of one service.
_EVERY = 10.0


class CheckingSender:
    """Sends messages, and looks from time to time whether workers serve the services named."""

    def __init__(self, sends: Sends, ledger: Ledger, namespace: str) -> None:
        self._sends = sends
        self._ledger = ledger
        self._namespace = namespace
        self._looked: dict[str, float] = {}
        self._said: dict[str, str] = {}

    def send(self, message: Message) -> bool:
        """Send a message; False if the broker does not answer. Any thread may call it."""
        return self._sends.send(message)

    def send_fast(self, message: Message) -> None:
        """Send a message, or not if the broker does not answer. One thread alone may call it."""
        self._sends.send_fast(message)
        with suppress(LedgerError):  # the next look finds out
            self._look(str(message.kwargs["service"]))

    def _look(self, service: str) -> None:
        now = time.monotonic()
        if now < self._looked.get(service, 0.0):
            return
        self._looked[service] = now + _EVERY
        why = unserved(self._ledger.served(), self._namespace, service)
        if why != self._said.get(service, ""):
            self._said[service] = why
            if why:
                log.warning("no_worker", service=service, reason=why)
            else:
                log.info("workers_serve", service=service)
