"""Call-backs: a Celery task of the caller's is told what became of a commission.

At least once: the record stays due until the broker has taken the message, and order is not
promised. The payload carries the record's version, so that a task can ignore what it knows.
"""

from collections.abc import Callable
from typing import Any

from astakos_worker.engine.journal import Step
from astakos_worker.engine.ports import Draw, Limits
from astakos_worker.ledger.contract import Entry
from astakos_worker.ledger.events import Postponed, Told
from astakos_worker.ledger.record import CLOSED

#: Hands a message to the broker: task's name and payload. False: it could not.
Tell = Callable[[str, dict[str, Any]], bool]


def tell(
    entry: Entry, send: Tell, now: float, limits: Limits, draw: Draw, *, alone: bool
) -> list[Step]:
    """Tell the call-back what it has not been told; return what is to be recorded.

    With the broker away it is tried again; unless it is all there is to do (`alone`), what else
    is done for the commission says when.
    """
    record = entry.record
    if record.callback is None:
        raise ValueError(f"{record.key!r} has nobody to tell")
    steps: list[Step] = []
    for about in record.untold:
        payload = {
            "key": record.key,
            "service": record.service,
            "about": about,
            "state": str(record.state),
            "serial": record.serial,
            "error": record.error if record.state in CLOSED else None,
            "version": entry.version,
        }
        if not send(record.callback, payload):
            later = Postponed(now + limits.backoff(record.attempts, draw))
            return [*steps, Step(entry, later)] if alone else steps
        steps.append(Step(entry, Told(about)))
    return steps
