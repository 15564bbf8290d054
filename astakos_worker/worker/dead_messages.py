"""Dead messages: those that no worker could read, and that were thrown away (F51).

The ledger's server keeps a note of the latest thousand, for as long as closed commissions. A
note has nothing of the message's body, and no text of an error, which could quote the body:
there may be a secret in it.
"""

import json
import time
from dataclasses import asdict, dataclass
from typing import Any

import redis

from astakos_worker.configuration.event_log import EventLog
from astakos_worker.configuration.servers import connect
from astakos_worker.configuration.settings import Settings

log = EventLog(__name__)

_KEPT = 1000
#: Characters of a task's name or id that are kept; a message of rubbish may have long ones.
_LONGEST = 100


@dataclass(frozen=True, slots=True)
class DeadMessage:
    """The note of one message. `at` is in seconds since the epoch, by the worker's clock."""

    at: float
    task: str
    id: str
    queue: str
    reason: str


class DeadMessages:
    """The notes of dead messages, on the ledger's server."""

    def __init__(self, server: "redis.Redis", namespace: str, *, retention: float) -> None:
        self._server = server
        self._name = f"astakos:{namespace}:dead-messages"
        self._retention = retention

    def add(self, reason: str, *, task: object = "", id_: object = "", queue: object = "") -> None:
        """Note a message that is thrown away, and log it.

        Never raises: the worker must go on even while the ledger's server is away.
        """
        one = DeadMessage(time.time(), _short(task), _short(id_), _short(queue), reason)
        log.error("dead_message", **asdict(one))
        try:
            pipe: Any = self._server.pipeline(transaction=False)
            pipe.lpush(self._name, json.dumps(asdict(one)))
            pipe.ltrim(self._name, 0, _KEPT - 1)
            pipe.expire(self._name, max(1, round(self._retention)))
            pipe.execute()
        except redis.RedisError as error:
            log.warning("dead_message_not_kept", error=type(error).__name__)

    def list(self) -> list[DeadMessage]:
        """Return the notes, the latest first; raises `redis.RedisError`."""
        rows: Any = self._server.lrange(self._name, 0, -1)
        return [_read(row) for row in rows]

    def clear(self) -> int:
        """Delete the notes; return how many there were."""
        pipe: Any = self._server.pipeline()
        pipe.llen(self._name)
        pipe.delete(self._name)
        return int(pipe.execute()[0])


def dead_messages_of(settings: Settings) -> DeadMessages:
    """Return the dead messages of the ledger that the settings name."""
    server = connect(settings.ledger_url, patience=settings.patience, connections=2)
    return DeadMessages(server, settings.namespace, retention=settings.retention)


def _short(value: object) -> str:
    return value[:_LONGEST] if isinstance(value, str) else f"<{type(value).__name__}>"


def _read(row: str) -> DeadMessage:
    try:
        found = json.loads(row)
        texts = {name: _short(found[name]) for name in ("task", "id", "queue", "reason")}
        return DeadMessage(at=float(found["at"]), **texts)
    except (TypeError, ValueError, LookupError, RecursionError):
        return DeadMessage(0.0, "", "", "", "this note cannot be read")
