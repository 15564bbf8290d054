"""Notes, for each decision by name, the incarnation that its key had at the first delivery (F82).

A broker may deliver a message a second time much later. By then the key may have been used again.
So before a message's decision is recorded, the ledger's server notes the incarnation that the key
has now. If the message comes again, it decides for that incarnation, and for no later one.
"""

from collections.abc import Mapping
from typing import Any

import redis

from astakos_worker.configuration.event_log import EventLog
from astakos_worker.configuration.servers import connect
from astakos_worker.configuration.settings import Settings
from astakos_worker.ledger.contract import UnavailableError

log = EventLog(__name__)

#: Most deliveries of one message: a broker delivers it again after each visibility time-out.
_DELIVERIES = 10


class SeenMessages:
    """The notes of the messages of one namespace, each kept for `seconds` after its last use."""

    def __init__(self, server: "redis.Redis", namespace: str, *, seconds: float) -> None:
        self._server = server
        self._prefix = f"astakos:{namespace}:seen-message:"
        self._seconds = max(1, round(seconds))

    def note(self, message: str, current: Mapping[str, str]) -> dict[str, str]:
        """Note the incarnations of a message, where none are noted; return those that are.

        Raises `UnavailableError` if the server does not answer.
        """
        if not current:
            return {}
        name, keys = f"{self._prefix}{message}", list(current)
        pipe: Any = self._server.pipeline(transaction=False)
        for key in keys:
            pipe.hsetnx(name, key, current[key])
        pipe.hmget(name, keys)
        pipe.expire(name, self._seconds)
        try:
            *_, noted, _ = pipe.execute()
        except redis.OutOfMemoryError:  # decisions are recorded also without it (F79)
            log.warning("message_not_noted", reason="the ledger's memory is full")
            return dict(current)
        except redis.RedisError as error:
            raise UnavailableError(f"the ledger did not answer: {type(error).__name__}") from error
        return dict(zip(keys, noted, strict=True))


def seen_messages_of(settings: Settings, *, patience: float) -> SeenMessages:
    """Return the notes on the server that the settings name."""
    return SeenMessages(
        connect(settings.ledger_url, patience=patience),
        settings.namespace,
        seconds=_DELIVERIES * settings.visibility_timeout,
    )
