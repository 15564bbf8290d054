"""A cache of users' names on the broker's server: a service finds them without a message.

One key for each name, with an expiry: 300 seconds for a name that Astakos knows, 10 for one that it
does not. The cache is a convenience: when its server does not answer, the workers are asked. No
token is ever in it.
"""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import redis

from astakos_worker.configuration.names import SAME_NAME
from astakos_worker.configuration.servers import connect
from astakos_worker.configuration.settings import Settings
from astakos_worker.service.server_breaker import CircuitOpenError, ServerBreaker

#: Characters of the longest name that is cached; no name in Astakos is longer.
_LONGEST = 255


class KnownNames:
    """The cache of one namespace. `what` is the look-up that answers: "usernames" or "uuids"."""

    def __init__(
        self,
        server: "redis.Redis",
        namespace: str,
        *,
        seconds: float,
        unknown_seconds: float,
        breaker: ServerBreaker | None = None,
    ) -> None:
        self._server = server
        self._prefix = f"astakos-names:{namespace}:"
        self._seconds = seconds
        self._unknown_seconds = unknown_seconds
        self._breaker = breaker or ServerBreaker("known_names", (redis.RedisError,))

    def read(
        self, service: str, what: str, names: Iterable[str]
    ) -> tuple[dict[str, str], set[str]]:
        """Return the cached answers, and the names that Astakos is known not to know.

        A name that is not in the cache is in neither. A server that does not answer is an empty
        cache.
        """
        wanted = list(dict.fromkeys(names))
        found: dict[str, str] = {}
        unknown: set[str] = set()
        rows: Any = []  # no rows if the server does not answer
        if wanted:
            with suppress(redis.RedisError, CircuitOpenError), self._breaker.call():
                rows = self._server.mget([self._key(service, what, name) for name in wanted])
        for name, row in zip(wanted, rows, strict=False):
            if row is None:
                continue
            if (answer := json.loads(row)) is None:
                unknown.add(name)
            else:
                found[name] = answer
        return found, unknown

    def write(
        self, service: str, what: str, names: Iterable[str], found: Mapping[str, str]
    ) -> None:
        """Cache the answers, and for a shorter time the names without one; one round trip.

        A user name that came for a uuid also answers the look-up of that name. A uuid that came for
        a name does not answer the look-up of the uuid, because Astakos repeats the name in its
        caller's spelling.
        """
        there = {SAME_NAME[what](name): value for name, value in found.items()}
        rows = [(what, name, there.get(SAME_NAME[what](name))) for name in names]
        if what == "usernames":
            rows += [("uuids", name, uuid) for uuid, name in found.items()]
        pipe = self._server.pipeline(transaction=False)
        for one, name, value in rows:
            seconds = self._unknown_seconds if value is None else self._seconds
            if seconds > 0 and len(name) <= _LONGEST:
                row = json.dumps(value)
                pipe.set(self._key(service, one, name), row, px=max(1, round(seconds * 1000)))
        with suppress(redis.RedisError, CircuitOpenError), self._breaker.call():
            pipe.execute()

    def _key(self, service: str, what: str, name: str) -> bytes:
        key = f"{self._prefix}{service}:{what}:{SAME_NAME[what](name)}"
        return key.encode("utf-8", "surrogatepass")


def known_names_of(settings: Settings, breaker: ServerBreaker | None = None) -> KnownNames | None:
    """Return the cache on the broker's server; None if the settings turn it off.

    `breaker`: that of other calls to the same server, if there are any.
    """
    if not settings.names_kept:
        return None
    return KnownNames(
        connect(settings.broker_url, patience=settings.patience),
        settings.namespace,
        seconds=settings.names_kept,
        unknown_seconds=min(settings.names_kept, settings.unknown_names_kept),
        breaker=breaker,
    )
