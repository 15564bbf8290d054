"""The ledger on a Redis or Valkey server: its records, each call by a script beside this file.

Every call is one round trip. Writes may be repeated. If the answer to a write is lost and the write
is sent again, it finds its own record and is answered as done.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, Final

import redis

from astakos_worker.configuration.event_log import EventLog
from astakos_worker.ledger.awaited import blocking
from astakos_worker.ledger.contract import (
    Asked,
    Claim,
    Entry,
    Unreadable,
    WakeupPolicy,
    Write,
    Written,
)
from astakos_worker.ledger.marks import queue_of, sends, up_to_date
from astakos_worker.ledger.record import (
    SCHEMA,
    Decision,
    State,
    is_bare,
)
from astakos_worker.ledger.record_json import (
    dump,
    dump_decision,
    load_decision,
    why_unreadable,
)
from astakos_worker.ledger.redis.lanes import RedisLanes
from astakos_worker.ledger.redis.scripts import Call, ms
from astakos_worker.ledger.redis.sightings import RedisSightings
from astakos_worker.ledger.redis.together import Together

log = EventLog(__name__)

#: Most records that one script writes: the server answers no other caller while a script runs.
_A_CALL: Final = 16

#: Why `decide.lua` decided nothing: this version cannot read the record, or its incarnation is
#: another one.
_LEFT, _ANOTHER = 1, 2


class RedisLedger(RedisLanes, RedisSightings):
    """The ledger of one namespace on a Redis or Valkey server (no Cluster)."""

    def __init__(
        self,
        server: redis.Redis | Together,
        namespace: str,
        *,
        wakeups: WakeupPolicy | None = None,
        retention: float = 7 * 86400,
        bare_retention: float = 3600,
    ) -> None:
        super().__init__(server, namespace)
        self._wakeups = wakeups or WakeupPolicy()
        self._retention = retention
        self._bare_retention = bare_retention

    # --- Writing, claiming, deciding, beating ----------------------------------------------------

    @blocking
    async def cas(self, writes: Sequence[Write]) -> list[Written]:
        """Do each write if its version is still the record's; answer each. One round trip."""
        together = _together(writes)
        calls = [self._cas_call(some) for some in together]
        replies = await self._running(calls, expected=(redis.exceptions.OutOfMemoryError,))
        return self._answers(together, replies)

    def claim(self, asked: Asked, writes: Sequence[Write] = ()) -> tuple[Claim, list[Written]]:
        """Do the writes, then claim the most overdue records, in one round trip."""
        together = _together(writes)
        calls = [self._cas_call(some) for some in together]
        *replies, reply = self._run([*calls, self._claim_call(asked)])
        written = self._answers(together, replies)
        claim, unreadable = self._claimed(asked.lane, reply)
        while unreadable:
            self._set_aside(asked.lane, unreadable)
            if claim.entries:
                break
            [reply] = self._run([self._claim_call(replace(asked, wakeup_id=None))])
            claim, unreadable = self._claimed(asked.lane, reply)
        return claim, written

    def _claim_call(self, asked: Asked) -> Call:
        args = [
            asked.carrier,
            ms(asked.lease),
            asked.issues,
            asked.settles,
            ms(asked.settle_wait),
            asked.own or "",
            asked.wakeup_id or "",
            *self._policy(),
            ms(self._wakeups.forgotten),
            SCHEMA,
            self._known_writes.get(asked.lane, 0),
            ms(asked.send_for),
            ms(asked.quiet_for),
            self._known_id,
        ]
        return "claim", self._lane_prefix(asked.lane), args

    def _claimed(self, lane: str, reply: Sequence[Any]) -> tuple[Claim, list[Sequence[Any]]]:
        """Return what a claim gives, and the rows that cannot be read."""
        why, now, wakeup, trial, queue, writes, failures, *rows = reply
        self.clock.saw(now)
        self.remember_writes(lane, writes)
        entries = [(row, self._entry(row)) for row in rows]
        claim = Claim(
            tuple(entry for _, entry in entries if entry is not None),
            queue or "issue",
            why,
            bool(wakeup),
            trial,
            failures,
        )
        return claim, [row for row, entry in entries if entry is None]

    def _set_aside(self, lane: str, rows: Sequence[Sequence[Any]]) -> None:
        """Set aside records that a claim gave and that cannot be read (F86)."""
        args = ["aside"]
        for version, body, *_, key in rows:
            why = why_unreadable(body) or "its mark or its decision cannot be read"
            log.error("record_unreadable", lane=lane, key=key, why=why, text=body[:500])
            args += [key, version, why]
        self._run([("set_aside", self._lane_prefix(lane), args)])

    def unreadable(self, lane: str) -> dict[str, Unreadable]:
        """Return the records that were set aside, by key."""
        prefix = self._lane_prefix(lane)
        whys = dict(self._call(lambda: self._server.hgetall(f"{prefix}unreadable")))

        def ask(pipe: Any) -> None:
            for key in whys:
                pipe.hget(f"{prefix}r:{key}", "body")

        texts = self._pipe(ask, raise_on_error=False) if whys else []
        return {
            key: Unreadable(why, text if isinstance(text, str) else "")
            for (key, why), text in zip(whys.items(), texts, strict=True)
        }

    def read_again(self, lane: str) -> int:
        """Make the records that were set aside due again; return how many there were."""
        [(now, records)] = self._run([("set_aside", self._lane_prefix(lane), ["again"])])
        self.clock.saw(now)
        return int(records)

    def sign_off(self, lane: str, carrier: str) -> bool:
        """Say that a carrier ends; return whether it is to send a wake-up, since more is due."""
        args = [carrier, *self._policy()]
        [(_, wakeup)] = self._run([("sign_off", self._lane_prefix(lane), args)])
        return bool(wakeup)

    @blocking
    async def decide(
        self,
        lane: str,
        decisions: Mapping[str, Decision],
        incarnations: Mapping[str, str] | None = None,
    ) -> dict[str, Written]:
        """Write each decision into its key's cell, if the cell is empty; one round trip."""
        its, known = incarnations or {}, self._known_writes.get(lane, 0)
        calls: list[Call] = [
            (
                "decide",
                self._lane_prefix(lane),
                [
                    key,
                    dump_decision(decision),
                    f"{key}!",
                    *self._policy(),
                    SCHEMA,
                    known,
                    its.get(key, ""),
                    self._known_id,
                ],
            )
            for key, decision in decisions.items()
        ]
        replies = await self._running(calls)
        answers = {}
        for key, (now, wakeup, why, writes, *row) in zip(decisions, replies, strict=True):
            self.clock.saw(now)
            self.remember_writes(lane, writes)
            entry = self._entry(row) if row[0] else None
            answers[key] = Written(
                entry is not None and why != _ANOTHER,
                entry,
                bool(wakeup),
                newer=why == _LEFT or (entry is None and row[0] is not None),
                superseded=why == _ANOTHER,
            )
        return answers

    def beat(
        self, carriers: Mapping[str, Sequence[str]], driver: str | None, lease: float
    ) -> dict[str, int]:
        """Say which carriers are alive; return to the driver the wake-ups wanted, by lane."""
        drives = driver is not None and self.take_lease("drive", driver, lease)
        lanes = sorted(set(self.lanes()) | set(carriers)) if drives else sorted(carriers)
        forgotten = ms(self._wakeups.forgotten)
        replies = self._run(
            [
                (
                    "beat",
                    self._lane_prefix(lane),
                    [int(drives), forgotten, *self._policy(), *carriers.get(lane, ())],
                )
                for lane in lanes
            ]
        )
        for now, _ in replies:
            self.clock.saw(now)
        return {lane: wakeups for lane, (_, wakeups) in zip(lanes, replies, strict=True) if wakeups}

    # --- Reading ------------------------------------------------------------------------------

    @blocking
    async def get(self, lane: str, keys: Iterable[str]) -> dict[str, Entry]:
        """Return the records of these keys; those that cannot be read are left out."""
        return await self._found(lane, keys)

    async def _found(self, lane: str, keys: Iterable[str]) -> dict[str, Entry]:
        wanted = list(keys)
        prefix = self._lane_prefix(lane)

        def ask(pipe: Any) -> None:
            for key in wanted:
                pipe.hmget(f"{prefix}r:{key}", "ver", "body", "fence", "cell", "mark", "lease")

        found = {}
        for key, row in zip(wanted, await self._asking(ask, raise_on_error=False), strict=True):
            if isinstance(row, redis.exceptions.ResponseError):  # it is no record: see `newer`
                continue
            if row[0] and (entry := self._entry(row)) is not None:
                found[key] = entry
        return found

    @blocking
    async def newer(self, lane: str, keys: Iterable[str]) -> set[str]:
        """Return the keys whose records are there and cannot be read by this version."""
        wanted = list(keys)
        if not wanted:
            return set()
        prefix = self._lane_prefix(lane)

        def ask(pipe: Any) -> None:
            for key in wanted:
                pipe.exists(f"{prefix}r:{key}")

        replies = await self._asking(ask)
        there = {key for key, is_there in zip(wanted, replies, strict=True) if is_there}
        return there - (await self._found(lane, there)).keys()

    @blocking
    async def find(self, lane: str, serials: Iterable[int]) -> dict[int, str]:
        """Return the keys whose records have these serials, as their own or as twins."""
        wanted = list(serials)
        if not wanted:
            return {}
        prefix = self._lane_prefix(lane)
        keys: Any = await self._reply(lambda: self._server.mget([f"{prefix}s:{n}" for n in wanted]))
        return {n: key for n, key in zip(wanted, keys, strict=True) if key}

    def held(self, lane: str, above: int = 0, limit: int = 500) -> list[tuple[int, str]]:
        """Return (serial, key) of open records with serials above this one, in order."""
        name = f"{self._lane_prefix(lane)}held"
        rows = self._call(
            lambda: self._server.zrangebyscore(name, f"({above}", "+inf", 0, limit, withscores=True)
        )
        return [(int(serial), key) for key, serial in rows]

    def unissued(self, lane: str) -> list[str]:
        """Return the keys of open records without a serial: Astakos may not list them yet."""
        prefix = self._lane_prefix(lane)
        keys = self._call(lambda: self._server.zdiff([f"{prefix}open", f"{prefix}held"]))
        return list(keys)

    def expired(self, lane: str, limit: int = 500, skip: int = 0) -> list[str]:
        """Return the keys of undecided records past their deadline, the oldest first."""
        name = f"{self._lane_prefix(lane)}open"
        now = ms(self.clock.now())
        rows = self._call(lambda: self._server.zrangebyscore(name, "-inf", now, skip, limit))
        return list(rows)

    @blocking
    async def dead(self, lane: str, limit: int = 500) -> list[str]:
        """Return the keys of dead records; those that are purged first come first."""
        name = f"{self._lane_prefix(lane)}dead"
        now = ms(self.clock.now())
        rows: Any = await self._reply(
            lambda: self._server.zrangebyscore(name, f"({now}", "+inf", 0, limit)
        )
        return list(rows)

    # --- Inside -------------------------------------------------------------------------------

    def _policy(self) -> list[Any]:
        w = self._wakeups
        return [w.carriers, w.per_carrier, ms(w.promise), int(w.coalesce)]

    def _cas_call(self, writes: Sequence[Write]) -> Call:
        """Return one call for writes to one lane: all of them make commissions, or none does."""
        new, lane = writes[0].makes, writes[0].record.service
        args = [
            self._known_writes.get(lane, 0),
            int(new and self._capacity.is_short),
            *self._policy(),
        ]
        for write in writes:
            self._add(args, write)
        args.append(self._known_id)
        return "create" if new else "cas", self._lane_prefix(lane), args

    def _add(self, args: list[Any], write: Write) -> None:
        record, decision = write.record, write.record.decision
        retention = self._bare_retention if is_bare(record.key) else self._retention
        own = "" if record.serial is None else record.serial
        cell = write.cell or decision
        expires = record.deadline if decision is None else None
        deadline = "inf" if expires is None else ms(expires)
        flags = (
            ("s" if queue_of(record) == "settle" else "")
            + ("f" if write.fenced else "")
            + ("r" if write.reset else "")
            + ("d" if record.state is State.DEAD else "")
        )
        args += (
            record.key,
            write.version,
            dump(record),
            flags,
            "" if record.due is None else ms(record.due),
            ",".join(map(str, (own, *(twin.serial for twin in record.twins)))),
            deadline if record.is_open else "",
            ms(retention),
            "" if write.fence is None else write.fence,
            "" if write.lease is None else ms(write.lease),
            "" if cell is None else dump_decision(cell),
            "" if decision is None else decision.verb,
            write.wakeup_id if write.wakeup else "",
            # The request does not change, so it is enough to say this once.
            record.settles_with if record.state is State.QUEUED else "",
            sends(record),
            record.incarnation if write.makes else "",
            write.replaces or "",
        )

    def _answers(
        self, together: Sequence[Sequence[Write]], replies: Sequence[Any]
    ) -> list[Written]:
        answers: list[Written] = []
        for writes, reply in zip(together, replies, strict=True):
            if isinstance(reply, Exception):  # memory is full, and these make commissions
                answers += [Written(False, None, full=True) for _ in writes]
                continue
            now, count, *rows = reply
            self.clock.saw(now)
            self.remember_writes(writes[0].record.service, count)
            answers += [self._answer(w, row) for w, row in zip(writes, rows, strict=True)]
        return answers

    def _answer(self, write: Write, row: Sequence[Any]) -> Written:
        done, wakeup, clash, version, body, fence, cell, _ = row
        if done == "full":
            return Written(False, None, full=True)
        if done and body is not None:  # it was done before, and the record may have changed
            there = self._entry(row[3:])
            return Written(there is not None, there, bool(wakeup), clash, newer=there is None)
        if done:
            decision = load_decision(cell)
            record = up_to_date(write.record, None, decision)
            entry = Entry(record, int(version), int(fence), decision)
            return Written(True, entry, bool(wakeup), clash)
        there = None if version is None else self._entry(row[3:])
        return Written(False, there, newer=version is not None and there is None)


def _together(writes: Sequence[Write]) -> list[list[Write]]:
    """Return the writes in order, in groups: one call of a script does one group."""
    some: list[list[Write]] = []
    for alike in (list(its) for _, its in groupby(writes, _call_of)):
        some += (alike[n : n + _A_CALL] for n in range(0, len(alike), _A_CALL))
    return some


def _call_of(write: Write) -> tuple[str, bool]:
    return write.record.service, write.makes
