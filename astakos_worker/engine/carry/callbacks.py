"""Call-backs: messages to a Celery task of the caller about the end of a commission.

The task gets each message at least once: the record stays due until the broker has taken the
message. The order of messages is not promised. So the payload has the record's version, by which
the task can tell an older message from a newer one.
"""

from collections.abc import Callable
from typing import Any

from astakos_worker.ledger.contract import Entry
from astakos_worker.ledger.events import CallbackSent
from astakos_worker.ledger.record import CLOSED

#: Hands a message to the broker: name of the task, and payload. False: the broker is away.
SendCallback = Callable[[str, dict[str, Any]], bool]


def send_next_callback(entry: Entry, send: SendCallback) -> CallbackSent | None:
    """Send the next call-back that is due; return its event, or None if the broker is away."""
    record = entry.record
    if record.callback is None or not record.callbacks_due:
        raise ValueError(f"{record.key!r} has no call-back that is due")
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
