"""What sweeps and probes remember in a ledger on a server: serials first seen, looks, notes."""

from collections.abc import Container, Mapping, Sequence
from functools import partial
from typing import Any

from astakos_worker.ledger.contract import Sighting
from astakos_worker.ledger.redis.scripts import Scripts


class RedisSightings(Scripts):
    """The part of `RedisLedger` that is about what no record of ours has."""

    def sightings(self, lane: str, serials: Sequence[int]) -> dict[int, Sighting]:
        """Return what is remembered of these serials; new ones are remembered as of now."""
        if not serials:
            return {}
        prefix = self._lane_prefix(lane)
        fields = [str(n) for n in serials]

        def ask(pipe: Any) -> None:
            pipe.hmget(f"{prefix}seen", fields)
            pipe.hmget(f"{prefix}looks", fields)

        firsts, looks = self._pipe(ask)
        new = [n for n, first in zip(fields, firsts, strict=True) if first is None]
        if new:
            now = f"{self.clock.now():.3f}"

            def enter(pipe: Any) -> None:
                for each in new:
                    pipe.hsetnx(f"{prefix}seen", each, now)
                pipe.hmget(f"{prefix}seen", fields)

            *_, firsts = self._pipe(enter)  # another may have seen some of them first
        return {
            n: Sighting(float(first), look)
            for n, first, look in zip(serials, firsts, looks, strict=True)
        }

    def remember_descriptions(self, lane: str, descriptions: Mapping[int, str]) -> None:
        """Remember how serials look."""
        if descriptions:
            mapping: dict[Any, Any] = {str(n): text for n, text in descriptions.items()}
            key = f"{self._lane_prefix(lane)}looks"
            self._call(lambda: self._server.hset(key, mapping=mapping))

    def forget_sightings(self, lane: str, listed: Container[int]) -> None:
        """Forget all serials but those that are listed."""
        prefix = self._lane_prefix(lane)
        cursor = 0
        while True:
            cursor, page = self._call(
                partial(self._server.hscan, f"{prefix}seen", cursor, count=1000)
            )
            if gone := [n for n in page if int(n) not in listed]:

                def ask(pipe: Any, gone: list[str] = gone) -> None:
                    pipe.hdel(f"{prefix}seen", *gone)
                    pipe.hdel(f"{prefix}looks", *gone)

                self._pipe(ask)
            if not cursor:
                return

    def note(self, lane: str, name: str, text: str | None) -> None:
        """Remember a text about a lane under a name, or with None forget it."""
        notes = f"{self._lane_prefix(lane)}notes"
        if text is None:
            self._call(lambda: self._server.hdel(notes, name))
        else:
            self._tell(lane, notes, name, text)

    def notes(self, lane: str) -> dict[str, str]:
        """Return what is remembered about a lane."""
        return dict(self._call(lambda: self._server.hgetall(f"{self._lane_prefix(lane)}notes")))
