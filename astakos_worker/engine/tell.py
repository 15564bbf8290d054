"""Call-backs: a Celery task of the caller's is told how a commission ended.

At least once: the record stays due until the broker has taken the message, and order is not
promised. The payload carries the state and the serial, so that a task can ignore what it knows.
"""

from collections.abc import Callable
from typing import Any

from astakos_worker.engine.journal import Step
from astakos_worker.engine.ports import Draw, Limits
from astakos_worker.ledger.contract import Entry
from astakos_worker.ledger.events import Postponed, Told

#: Hands a message to the broker: task's name and payload. False: it could not.
Tell = Callable[[str, dict[str, Any]], bool]


def tell(entry: Entry, send: Tell, now: float, limits: Limits, draw: Draw) -> Step:
    """Tell the call-back of one commission; return what is to be recorded."""
    record = entry.record
    if record.callback is None:
        raise ValueError(f"{record.key!r} has nobody to tell")
    payload = {
        "key": record.key,
        "service": record.service,
        "state": str(record.state),
        "serial": record.serial,
        "error": record.error,
        "version": entry.version,
    }
    if send(record.callback, payload):
        return Step(entry, Told(record.state))
    return Step(entry, Postponed(now + limits.backoff(record.attempts, draw)))
