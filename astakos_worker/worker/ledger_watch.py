"""Watches the ledger for faults: acknowledged writes that are gone, and full memory.

A ledger makes an id once, and each lane counts its writes. Both are remembered outside the ledger:
in the memory of each process, and on the broker's server for processes that start later. A lane
that has fewer writes than remembered has lost some (F68). A ledger with another id is another
ledger, for example because an address was changed by mistake (F101). In both cases the lane is
distrusted. If broker and ledger are one server, and all processes ended together with it, a loss is
not noticed.
"""

import re
from typing import Any

import redis

from astakos_worker.configuration.event_log import EventLog
from astakos_worker.ledger.contract import ServerLedger
from astakos_worker.ledger.redis.capacity import LIMIT

log = EventLog(__name__)

#: An id as `identify.lua` is given it.
_ID = re.compile("[0-9a-f]{16}")


class LedgerWatch:
    """Watches one ledger; `elsewhere` is the broker's server, which remembers the counts."""

    def __init__(self, ledger: ServerLedger, elsewhere: "redis.Redis", namespace: str) -> None:
        self._ledger = ledger
        self._elsewhere = elsewhere
        self._counts = f"astakos:{namespace}:writes"
        self._id = f"astakos:{namespace}:ledger"
        self._lost: set[str] = set()
        self._short: bool | None = None  # None: not known yet

    def look(self) -> None:
        """Raise or clear the alarms of these faults; `LedgerError` while the ledger is away."""
        self.exchange()
        lost = self._ledger.lost_writes()
        if not lost:  # only then is the id the right ledger's
            self._leave_id()
        for lane in lost - self._lost:
            log.error("ledger_lost_writes", lane=lane)
        self._lost = lost
        self._look_at_memory()

    def exchange(self) -> None:
        """Learn the id and the counts that other processes left elsewhere, and leave our counts."""
        try:
            its_id = str(self._elsewhere.get(self._id) or "")
            if _ID.fullmatch(its_id):  # rubbish proves nothing: the ledger's own id replaces it
                self._ledger.remember_id(its_id)
            there: Any = self._elsewhere.hgetall(self._counts)
            counts = {lane: n for lane, text in there.items() if (n := _count(text)) is not None}
            for lane in there.keys() - counts.keys():
                log.warning("writes_remembered_wrongly", lane=lane)
            for lane, writes in counts.items():
                self._ledger.remember_writes(lane, writes)
            more: dict[Any, Any] = {
                lane: writes
                for lane, writes in self._ledger.known_writes().items()
                if writes > counts.get(lane, 0)
            }
            if more:
                self._elsewhere.hset(self._counts, mapping=more)
        except redis.RedisError as error:
            log.info("writes_not_remembered_elsewhere", error=type(error).__name__)

    def _leave_id(self) -> None:
        """Leave the id of a ledger that is trusted, for processes that start later."""
        try:
            if self._ledger.known_id() not in ("", self._elsewhere.get(self._id)):
                self._elsewhere.set(self._id, self._ledger.known_id())
        except redis.RedisError as error:
            log.info("id_not_remembered_elsewhere", error=type(error).__name__)

    def _look_at_memory(self) -> None:
        share = self._ledger.memory()
        short = share >= LIMIT
        if short == self._short:
            return
        text = None
        if short:
            text = f"{share:.0%} of the server's maxmemory is used: new commissions are refused"
            log.error("ledger_nearly_full", used=round(share, 3))
        for lane in self._ledger.lanes():
            self._ledger.alarm(lane, "memory", text)
        self._short = short  # set last: if an alarm fails, the next look writes it again


def _count(text: str) -> int | None:
    """Return a count that the broker's server remembers; None if the text is no count."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else None
