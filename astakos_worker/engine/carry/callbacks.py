"""Call-backs: a Celery task of the caller's is told what became of a commission.

At least once: the record stays due until the broker has taken the message, and order is not
promised. The payload carries the record's version, so that a task can ignore what it knows.
"""

from collections.abc import Callable
from typing import Any

from astakos_worker.ledger.contract import Entry
from astakos_worker.ledger.events import CallbackSent
from astakos_worker.ledger.record import CLOSED

#: Hands a message to the broker: task's name and payload. False: it could not.
SendCallback = Callable[[str, dict[str, Any]], bool]


def send_next_callback(entry: Entry, send: SendCallback) -> CallbackSent | None:
    """SendCallback the call-back the next that it has not been told; None: the broker is away."""
    record = entry.record
    if record.callback is None or not record.callbacks_due:
        raise ValueError(f"{record.key!r} has nobody to tell")
    about = record.callbacks_due[0]
    payload = {
        "key": record.key,
        "service": record.service,
        "about": about,
        "state": str(record.state),
        "serial": record.serial,
        "error": record.error if record.state in CLOSED else None,
        "version": entry.version,
        "incarnation": record.incarnation,
    }
    return CallbackSent(about) if send(record.callback, payload) else None
