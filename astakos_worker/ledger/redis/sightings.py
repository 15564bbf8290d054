"""What the sweep remembers in a ledger on a server: serials that no record has, and notes."""

from collections.abc import Container, Mapping, Sequence
from functools import partial
from typing import Any, Final

from astakos_worker.ledger.contract import Sighting
from astakos_worker.ledger.redis.scripts import Scripts

#: Most serials in one script: the server serves no other caller while a script runs.
_A_CALL: Final = 1000


class RedisSightings(Scripts):
    """What the sweep remembers: the part of `RedisLedger` that is not about records."""

    def sightings(self, lane: str, serials: Sequence[int]) -> dict[int, Sighting]:
        """Return what is remembered of these serials; new ones are remembered from now on."""
        if not serials:
            return {}
        prefix = self._lane_prefix(lane)
        parts = [serials[n : n + _A_CALL] for n in range(0, len(serials), _A_CALL)]
        found: dict[int, Sighting] = {}
        replies = self._run([("sightings", prefix, list(part)) for part in parts])
        for part, (now, firsts, texts) in zip(parts, replies, strict=True):
            self.clock.saw(now)
            found |= {
                n: Sighting(float(first), text)
                for n, first, text in zip(part, firsts, texts, strict=True)
            }
        return found

    def remember_descriptions(self, lane: str, descriptions: Mapping[int, str]) -> None:
        """Remember a text about each of these serials."""
        if descriptions:
            self._remember(lane, "looks", {str(n): text for n, text in descriptions.items()})

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
        """Remember a text about a lane under a name; with None forget it."""
        notes = f"{self._lane_prefix(lane)}notes"
        if text is None:
            self._call(lambda: self._server.hdel(notes, name))
        else:
            self._remember(lane, "notes", {name: text})

    def notes(self, lane: str) -> dict[str, str]:
        """Return the texts that are remembered about a lane."""
        return dict(self._call(lambda: self._server.hgetall(f"{self._lane_prefix(lane)}notes")))
