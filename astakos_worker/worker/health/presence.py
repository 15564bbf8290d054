"""Presence: what each worker process says of itself on the ledger's server, with its heartbeat.

One hash for each namespace, with a field for each worker. A worker that is started again under the
same name takes its field over. A worker that ends removes its field, so a field that is not renewed
any more is a worker that was killed, or that stands still. Beat has a field too: it renews it when
it orders a sweep.

Times are those of the ledger's server, so a clock that is wrong makes no worker look dead.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from astakos_worker.configuration.servers import connect
from astakos_worker.configuration.settings import Settings
from astakos_worker.worker.health.observed import REMEMBERED, Presence

if TYPE_CHECKING:
    import redis

#: The field of beat. No worker's name is without an @.
_BEAT: Final = "beat"
#: Seconds after which the hash of a namespace that no worker serves any more is deleted.
_KEPT: Final = 7 * 86400


@dataclass(frozen=True, slots=True)
class Said:
    """What a process says of itself: see `Presence`. `node` is its Celery name."""

    node: str
    up: float = 0.0
    queues: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    unanswered: float = 0.0
    busy: bool = False
    faults: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


class Presences:
    """The presences of one namespace. Its calls raise `redis.RedisError`."""

    def __init__(
        self, server: "redis.Redis", namespace: str, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._server = server
        self._name = f"astakos:{namespace}:workers"
        self._clock = clock

    def renew(self, said: Said) -> None:
        """Say that a worker is there."""
        self._write(said.node, said)

    def beat_ordered(self, node: str, services: tuple[str, ...]) -> None:
        """Say that beat is there, and has just ordered a sweep of each service."""
        self._write(_BEAT, Said(node, services=services))

    def withdraw(self, node: str) -> None:
        """Say that a worker ends."""
        self._server.hdel(self._name, node)

    def forget_old(self) -> None:
        """Remove the workers that fell silent long ago."""
        workers, beat = self.read()
        for one in workers:
            if one.age > REMEMBERED:
                self.withdraw(one.node)
        if beat is not None and beat.age > REMEMBERED:
            self.withdraw(_BEAT)

    def read(self) -> tuple[tuple[Presence, ...], Presence | None]:
        """Return the workers, and beat if it has said anything. Rubbish is left out."""
        pipe: Any = self._server.pipeline(transaction=False)
        pipe.time()
        pipe.hgetall(self._name)
        (seconds, micros), rows = pipe.execute()
        now = seconds + micros / 1e6
        found = {name: _read(text, now) for name, text in sorted(rows.items())}
        beat = found.pop(_BEAT, None)
        return tuple(one for one in found.values() if one is not None), beat

    def _write(self, name: str, said: Said) -> None:
        asked = self._clock()
        answer: Any = self._server.time()
        answered = self._clock()
        at = answer[0] + answer[1] / 1e6
        row = {
            **asdict(said),
            "at": at,
            # The server read its clock at some moment between the two reads of ours.
            "clock": round((asked + answered) / 2 - at, 3),
            "clock_error": round(abs(answered - asked) / 2, 3),
        }
        pipe: Any = self._server.pipeline(transaction=False)
        pipe.hset(self._name, name, json.dumps(row))
        pipe.expire(self._name, _KEPT)
        pipe.execute()


def presences_of(settings: Settings, *, patience: float | None = None) -> Presences:
    """Return the presences of the namespace that the settings name. Opens nothing."""
    server = connect(settings.ledger_url, patience=patience or settings.patience, connections=2)
    return Presences(server, settings.namespace)


def _read(text: str, now: float) -> Presence | None:
    try:
        row = json.loads(text)
        return Presence(
            node=str(row["node"]),
            age=max(0.0, now - float(row["at"])),
            up=float(row["up"]),
            queues=tuple(map(str, row["queues"])),
            services=tuple(map(str, row["services"])),
            clock=float(row["clock"]),
            clock_error=float(row["clock_error"]),
            unanswered=float(row["unanswered"]),
            busy=bool(row["busy"]),
            faults={str(name): str(why) for name, why in row["faults"].items()},
            counts={
                str(name): {str(what): float(n) for what, n in counts.items()}
                for name, counts in row["counts"].items()
            },
        )
    except (TypeError, ValueError, LookupError, AttributeError, RecursionError):
        return None
