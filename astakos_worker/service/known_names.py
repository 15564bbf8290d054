"""Names that a worker has looked up lately, where a service finds them without a message.

A table of fixed size in Redis: a name has one place, by its check sum, and whoever comes later
takes it. So it is bounded without counting and without an eviction by the server, which must not
evict. It is a convenience: when its server is away, the workers are asked. No token is near it.
"""

import json
import time
import zlib
from collections.abc import Iterable, Mapping

import redis
import structlog

from astakos_worker.configuration.names import SAME_NAME
from astakos_worker.configuration.servers import connect
from astakos_worker.configuration.settings import Settings

log = structlog.get_logger(__name__)

#: Seconds without another try after one that failed.
_PAUSE = 1.0
#: Longer ones are none of Astakos', and are not kept.
_LONGEST = 255


class KnownNames:
    """The table of one namespace. `what` is the look-up that answers: "usernames" or "uuids"."""

    def __init__(
        self,
        server: "redis.Redis",
        namespace: str,
        *,
        places: int,
        seconds: float,
        unknown_seconds: float,
    ) -> None:
        self._server = server
        self._prefix = f"astakos-names:{namespace}:"
        self._places = places
        self._seconds = seconds
        self._unknown_seconds = unknown_seconds
        self._quiet_until = 0.0

    def read(
        self, service: str, what: str, names: Iterable[str]
    ) -> tuple[dict[str, str], set[str]]:
        """Return what was found of these names, and which were not; nothing if it is away."""
        wanted = list(dict.fromkeys(names))
        found: dict[str, str] = {}
        unknown: set[str] = set()
        if wanted and not self._is_quiet:
            try:
                rows = self._server.mget([self._place(service, what, name) for name in wanted])
            except redis.RedisError as error:
                self._is_away(error)
                rows = []
            for name, row in zip(wanted, rows, strict=False):  # no rows when it is away
                kept, answer = json.loads(row) if row else (None, None)
                if kept != SAME_NAME[what](name):
                    continue
                if answer is None:
                    unknown.add(name)
                else:
                    found[name] = answer
        return found, unknown

    def write(
        self, service: str, what: str, names: Iterable[str], found: Mapping[str, str]
    ) -> None:
        """Keep what was found, and for a shorter while which names were not; one round trip.

        User names that came for uuids are their own look-up's answers too. Not so the other way
        round: Astakos spells a name as its caller did.
        """
        if self._is_quiet:
            return
        there = {SAME_NAME[what](name): value for name, value in found.items()}
        rows = [(what, name, there.get(SAME_NAME[what](name))) for name in names]
        if what == "usernames":
            rows += [("uuids", name, uuid) for uuid, name in found.items()]
        pipe = self._server.pipeline(transaction=False)
        for one, name, value in rows:
            seconds = self._unknown_seconds if value is None else self._seconds
            if seconds > 0 and len(name) <= _LONGEST:
                row = json.dumps([SAME_NAME[one](name), value])
                pipe.set(self._place(service, one, name), row, px=max(1, round(seconds * 1000)))
        try:
            pipe.execute()
        except redis.RedisError as error:
            self._is_away(error)

    def _place(self, service: str, what: str, name: str) -> str:
        same = SAME_NAME[what](name).encode("utf-8", "surrogatepass")
        return f"{self._prefix}{service}:{what}:{zlib.crc32(same) % self._places}"

    @property
    def _is_quiet(self) -> bool:
        return time.monotonic() < self._quiet_until

    def _is_away(self, error: redis.RedisError) -> None:
        self._quiet_until = time.monotonic() + _PAUSE
        log.warning("known_names_away", error=type(error).__name__)


def known_names_of(settings: Settings) -> KnownNames | None:
    """Return the table that the settings name, beside the messages that it saves; None: off."""
    if not settings.names_kept:
        return None
    return KnownNames(
        connect(settings.broker_url, patience=settings.patience),
        settings.namespace,
        places=settings.names_places,
        seconds=settings.names_kept,
        unknown_seconds=min(settings.names_kept, settings.unknown_names_kept),
    )
