"""What a person sees of the outbox, and may do about rows that can never be sent."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from astakos_worker.ledger.record import shown
from astakos_worker.service.outbox.databases import Outbox, run


@dataclass(frozen=True, slots=True)
class Listed:
    """A row; `age` in seconds. `error` is empty while it waits to be sent."""

    id: int
    service: str
    kind: str
    key: str
    project: str
    age: float
    error: str
    message: str


def listed(outbox: Outbox, *, failed_only: bool = True, limit: int = 500) -> list[Listed]:
    """Return rows, the oldest first: those that can never be sent, or all."""
    return [_shown(one) for one in run(outbox, "list", (not failed_only, limit))]


def retry(outbox: Outbox, ids: Sequence[int]) -> list[int]:
    """Have failed rows sent again, their deadlines counted from now; return those that were."""
    return [one[0] for one in run(outbox, "retry", list(ids), len(ids))] if ids else []


def drop(outbox: Outbox, ids: Sequence[int]) -> list[int]:
    """Delete failed rows for good; return those that were. The newer rows of their keys go on."""
    return [one[0] for one in run(outbox, "drop", list(ids), len(ids))] if ids else []


def _shown(row: Sequence[Any]) -> Listed:
    number, service, kind, key, holder, age, error = row
    said = json.loads(error) if error else {"class": "", "message": ""}
    project = holder.removeprefix("project:")
    return Listed(number, service, kind, shown(key), project, age, said["class"], said["message"])
