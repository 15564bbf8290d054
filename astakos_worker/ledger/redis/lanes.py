"""The lanes of a ledger on a server: rests, alarms, leases, lost writes; and its memory.

Workers and operators use these, beside the records. No record is written here.
"""

import json
import secrets
from collections.abc import Iterable
from typing import Any, Final

from astakos_worker.ledger.awaited import blocking
from astakos_worker.ledger.contract import Entry, Lane, LedgerError, Served
from astakos_worker.ledger.redis.capacity import used_share
from astakos_worker.ledger.redis.scripts import Call, Scripts, ms

#: What the workers of all namespaces serve, and until when. No namespace's key has this name.
_SERVED: Final = "astakos:served"


class RedisLanes(Scripts):
    """The part of `RedisLedger` that is about lanes and their server."""

    def lanes(self) -> list[str]:
        """Return the lanes that ever had a record, an alarm or a note."""
        return sorted(self._call(lambda: self._server.smembers(f"{self._prefix}lanes")))

    def lane(self, name: str) -> Lane:
        """Return the state of a lane."""
        prefix = self._lane_prefix(name)
        now = self._time()

        def ask(pipe: Any) -> None:
            for queue in ("settle", "issue"):
                pipe.zcount(f"{prefix}due:{queue}", "-inf", now)
                pipe.zrange(f"{prefix}due:{queue}", 0, 0, withscores=True)
            pipe.zcard(f"{prefix}open")
            pipe.zcard(f"{prefix}held")
            pipe.zcount(f"{prefix}dead", f"({now}", "+inf")
            pipe.zcount(f"{prefix}awake", now, "+inf")
            pipe.hgetall(f"{prefix}lane")
            pipe.hgetall(f"{prefix}alarms")

        settles, first_settle, issues, first_issue, *counts, rest, alarms = self._pipe(ask)
        opened, held, dead, awake = counts
        oldest = min([at for _, at in (*first_settle, *first_issue)], default=now)
        return Lane(
            name,
            due=settles + issues,
            open=opened,
            held=held,
            dead=dead,
            awake=awake,
            oldest_due=max(0.0, (now - oldest) / 1000),
            resting=max(0.0, (float(rest.get("until", 0)) - now) / 1000),
            rests=int(rest.get("level", 0)),
            reason=rest.get("reason", ""),
            alarms=alarms,
        )

    # --- Lanes at rest, alarms, named leases --------------------------------------------------

    def rest(self, lane: str, seconds: float, reason: str) -> None:
        """Let no carrier work on a lane for `seconds`; then one carrier tries one record."""
        self._run([("rest", self._lane_prefix(lane), ["rest", ms(seconds), reason])])

    def end_rest(self, lane: str) -> None:
        """Let carriers work on the lane again, and count its failures from 0."""
        self._run([("rest", self._lane_prefix(lane), ["resume"])])

    def count_failure(self, lane: str) -> int:
        """Count a request that failed; return how many failed since the last success."""
        [(now, failures)] = self._run([("rest", self._lane_prefix(lane), ["failed"])])
        self.clock.saw(now)
        return int(failures)

    def forget_failures(self, lane: str) -> None:
        """Count the failures of a lane from 0 again: a request has succeeded."""
        self._run([("rest", self._lane_prefix(lane), ["worked"])])

    def alarm(self, lane: str, name: str, text: str | None) -> None:
        """Raise an alarm for operators; with None end it."""
        alarms = f"{self._lane_prefix(lane)}alarms"
        if text is None:
            self._call(lambda: self._server.hdel(alarms, name))
        else:
            self._remember(lane, "alarms", {name: text})

    def serve(self, services: Iterable[str], queues: Iterable[str], seconds: float) -> None:
        """Say that a worker reads these queues for these services, for so many seconds."""
        listed = list(queues)
        rows = [f"{self._namespace}/{one}/{queue}" for one in services for queue in listed]
        self._run([("serve", "", [ms(seconds), *rows])])

    @blocking
    async def served(self) -> set[Served]:
        """Return what the workers of all namespaces on this server serve now."""
        now = ms(self.clock.now())
        rows: Any = await self._reply(
            lambda: self._server.zrangebyscore(_SERVED, f"({now}", "+inf")
        )
        return {Served(*row.split("/")) for row in rows if row.count("/") == 2}

    def take_lease(self, name: str, holder: str, lease: float) -> bool:
        """Take or renew a named lease for `lease` seconds; False: another holder has it."""
        [held] = self._run([("lease", "", [name, holder, ms(lease)])])
        return bool(held)

    def release_lease(self, name: str, holder: str) -> None:
        """Give a named lease back, if this holder has it."""
        self._run([("lease", "", [name, holder, ""])])

    # --- Lost writes, memory ------------------------------------------------------------------

    def known_writes(self) -> dict[str, int]:
        """Return how many writes this process knows each lane to have had."""
        return dict(self._known_writes)

    def lost_writes(self) -> set[str]:
        """Return the lanes whose ledger has fewer writes than are known (F68)."""
        known = dict.fromkeys(self.lanes(), 0) | self.known_writes()
        calls: list[Call] = [
            ("notice", self._lane_prefix(lane), [writes, self._known_id])
            for lane, writes in known.items()
        ]
        lost, ids = set(), set()
        for lane, (now, writes, is_lost, its_id) in zip(known, self._run(calls), strict=True):
            self.clock.saw(now)
            self.remember_writes(lane, writes)
            ids.add(its_id)
            if is_lost:
                lost.add(lane)
        if ids and not lost:  # after `trust` another ledger may continue the one that we knew
            self._known_id = str(ids.pop() or "")
        return lost

    def known_id(self) -> str:
        """Return the id of the ledger that this process knows; "" before the first call."""
        return self._known_id

    def remember_id(self, known_id: str) -> None:
        """Remember the ledger's id, as another process knew it."""
        self._known_id = known_id

    def distrusted(self, lane: str) -> bool:
        """Return whether acknowledged writes are gone, and no operator has said `trust`."""
        # Compared here too: a sweep may ask before the heartbeat has compared for the first time.
        known = self._known_writes.get(lane, 0)
        call: Call = ("notice", self._lane_prefix(lane), [known, self._known_id])
        [(now, writes, is_lost, _)] = self._run([call])
        self.clock.saw(now)
        self.remember_writes(lane, writes)
        return bool(is_lost)

    def trust(self, lane: str) -> bool:
        """Go on with a lane that was distrusted; False: it was not."""
        # A ledger that was emptied has no id: it gets one.
        calls: list[Call] = [
            ("identify", "", [secrets.token_hex(8)]),
            ("trust", self._lane_prefix(lane), []),
        ]
        _, (now, writes, trusted) = self._run(calls)
        self.clock.saw(now)
        self.remember_writes(lane, writes)
        return bool(trusted)

    def memory(self) -> float:
        """Return the used share of the server's memory; 0 where it has no bound."""
        return used_share(self._call(lambda: self._server.info("memory")))

    # --- Watching -----------------------------------------------------------------------------

    @blocking
    async def watch(self, lane: str, key: str, seconds: float) -> Entry | None:
        """Publish the changes of a record for `seconds`; return the record as it is now."""
        [row] = await self._running([("watch", self._lane_prefix(lane), [key, ms(seconds)])])
        return self._entry(row) if row[0] else None

    def channel(self, lane: str) -> str:
        """Return the channel on which changes of watched records are published."""
        return f"{self._lane_prefix(lane)}changed"

    def read_change(self, message: str) -> tuple[str, Entry | None]:
        """Return a published change: a key, and its record; None if it cannot be read."""
        key, *row = json.loads(message)
        return key, self._entry(row)

    # --- The server ---------------------------------------------------------------------------

    def check(self) -> None:
        """Raise `LedgerError` if the server may lose what it acknowledged, or is a cluster."""
        info = self._call(self._server.info)
        policy = str(info.get("maxmemory_policy", "noeviction"))
        if policy != "noeviction":
            raise LedgerError(
                f"the ledger's server evicts keys (maxmemory-policy is {policy}), and would lose "
                "commissions: set maxmemory-policy to noeviction, or name another server in "
                "ASTAKOS_LEDGER_URL"
            )
        if info.get("cluster_enabled"):
            raise LedgerError(
                "the ledger's server runs as a cluster, which is not supported: name a single "
                "server in ASTAKOS_LEDGER_URL"
            )
