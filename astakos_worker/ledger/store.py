"""The ledger in Redis or Valkey. Each primitive is one small script in a file beside this one.

Every call is one round trip. Versions make writes safe to repeat: one whose answer was lost
and that is sent again finds its own record and succeeds.
"""

import json
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import redis

from astakos_worker.ledger.clock import StoreClock
from astakos_worker.ledger.contract import (
    FULL,
    Asked,
    Claim,
    Entry,
    FullError,
    Lane,
    LedgerError,
    Queue,
    Sight,
    UnavailableError,
    Verdict,
    Waking,
    Write,
)
from astakos_worker.ledger.record import (
    SCHEMA,
    Decision,
    NewerSchemaError,
    Record,
    State,
    dump,
    dump_decision,
    is_bare,
    is_newer,
    load,
    load_decision,
)
from astakos_worker.ledger.room import Room, used_share

#: Scripts by name: the file, and whether it also writes when the server's memory is full. Only
#: what makes a new commission does not (F79).
_SCRIPTS: Final = {
    "create": ("cas", False),
    "cas": ("cas", True),
    "claim": ("claim", True),
    "decide": ("decide", True),
    "beat": ("beat", True),
    "sign_off": ("sign_off", True),
    "rest": ("rest", True),
    "watch": ("watch", True),
    "hold": ("hold", True),
    "notice": ("notice", True),
    "trust": ("trust", True),
}
_WHEN_FULL: Final = "#!lua flags=allow-oom\n"

_Call = tuple[str, str, list[Any]]  # script, KEYS[1], ARGV


class RedisLedger:
    """The ledger of one namespace on a Redis or Valkey server (no Cluster)."""

    def __init__(
        self,
        server: "redis.Redis",
        namespace: str,
        *,
        waking: Waking | None = None,
        retention: float = 7 * 86400,
        bare_retention: float = 3600,
    ) -> None:
        self.clock = StoreClock(self._time)
        self._server = server
        self._prefix = f"astakos:{namespace}:"
        self._waking = waking or Waking()
        self._retention = retention
        self._bare_retention = bare_retention
        here = Path(__file__).parent
        shared = (here / "lane.lua").read_text()
        self._texts = {}
        for name, (file, when_full) in _SCRIPTS.items():
            text = (here / f"{file}.lua").read_text()
            text = text if name == "hold" else shared + text
            self._texts[name] = _WHEN_FULL + text if when_full else text
        self._shas: dict[str, str] = {}
        self._seen: dict[str, int] = {}  # writes of each lane that this process was told of
        self._room = Room()

    # --- The four primitives ------------------------------------------------------------------

    def cas(self, writes: Sequence[Write]) -> list[Verdict]:
        """Write each whose version still stands; one round trip."""
        calls = [self._cas_call(write) for write in writes]
        replies = self._run(calls, keep=(redis.exceptions.OutOfMemoryError,))
        return [self._verdict(w, r) for w, r in zip(writes, replies, strict=True)]

    def claim(self, asked: Asked, writes: Sequence[Write] = ()) -> tuple[Claim, list[Verdict]]:
        """Write, then lease what is most overdue or sign off as awake; one round trip."""
        waking = self._waking
        claim: _Call = (
            "claim",
            self._lane_prefix(asked.lane),
            [
                asked.carrier,
                _ms(asked.lease),
                asked.issues,
                asked.settles,
                _ms(asked.settle_wait),
                asked.own or "",
                asked.wake or "",
                *self._policy(),
                _ms(waking.forgotten),
                SCHEMA,
            ],
        )
        claim[2].append(self._seen.get(asked.lane, 0))
        *replies, reply = self._run([*(self._cas_call(write) for write in writes), claim])
        verdicts = [self._verdict(w, r) for w, r in zip(writes, replies, strict=True)]
        why, now, ring, trial, queue, told, *rows = reply
        self.clock.saw(now)
        self.remember(asked.lane, told)
        entries = tuple(e for row in rows if (e := self._entry(*row[1:])) is not None)
        return Claim(entries, queue or "issue", why, bool(ring), trial), verdicts

    def sign_off(self, lane: str, carrier: str) -> bool:
        """Say that a carrier goes; True: it is to ring, since more is due."""
        args = [carrier, *self._policy()]
        [(_, ring)] = self._run([("sign_off", self._lane_prefix(lane), args)])
        return bool(ring)

    def decide(self, lane: str, decisions: Mapping[str, Decision]) -> dict[str, Verdict]:
        """Set the write-once cell of each key; one round trip. Unknown key: no entry."""
        prefix, more = self._lane_prefix(lane), [*self._policy(), SCHEMA, self._seen.get(lane, 0)]
        replies = self._run(
            [
                ("decide", prefix, [key, dump_decision(d), f"{key}!", *more])
                for key, d in decisions.items()
            ]
        )
        verdicts = {}
        for key, (now, ring, newer, told, *row) in zip(decisions, replies, strict=True):
            self.clock.saw(now)
            self.remember(lane, told)
            entry = self._entry(*row) if row[0] else None
            verdicts[key] = Verdict(entry is not None, entry, bool(ring), newer=bool(newer))
        return verdicts

    def beat(
        self, carriers: Mapping[str, Sequence[str]], driver: str | None, lease: float
    ) -> dict[str, int]:
        """Say who is awake, per lane; whoever drives learns where to ring how often."""
        drives = driver is not None and self.hold("drive", driver, lease)
        lanes = sorted(set(self.lanes()) | set(carriers)) if drives else sorted(carriers)
        forgotten = _ms(self._waking.forgotten)
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
        return {lane: rings for lane, (_, rings) in zip(lanes, replies, strict=True) if rings}

    # --- Reading ------------------------------------------------------------------------------

    def get(self, lane: str, keys: Iterable[str]) -> dict[str, Entry]:
        """Return the records of these keys, as far as there are any."""
        wanted = list(keys)
        prefix = self._lane_prefix(lane)

        def ask(pipe: Any) -> None:
            for key in wanted:
                pipe.hmget(f"{prefix}r:{key}", "ver", "body", "fence", "cell", "lease")

        rows = self._pipe(ask)
        found = {k: self._entry(*row) for k, row in zip(wanted, rows, strict=True) if row[0]}
        return {key: entry for key, entry in found.items() if entry is not None}

    def newer(self, lane: str, keys: Iterable[str]) -> set[str]:
        """Return those of these keys whose records a newer version wrote: `get` has none (F78)."""
        wanted = list(keys)
        prefix = self._lane_prefix(lane)

        def ask(pipe: Any) -> None:
            for key in wanted:
                pipe.hget(f"{prefix}r:{key}", "body")

        bodies = self._pipe(ask) if wanted else []
        return {k for k, body in zip(wanted, bodies, strict=True) if body and is_newer(body)}

    def find(self, lane: str, serials: Iterable[int]) -> dict[int, str]:
        """Return the keys whose records have these serials, twins included."""
        wanted = list(serials)
        if not wanted:
            return {}
        prefix = self._lane_prefix(lane)
        keys = self._call(lambda: self._server.mget([f"{prefix}s:{n}" for n in wanted]))
        return {n: key for n, key in zip(wanted, keys, strict=True) if key}

    def held(self, lane: str, above: int = 0, limit: int = 500) -> list[tuple[int, str]]:
        """Return (serial, key) of open records with serials above this one, in order."""
        name = f"{self._lane_prefix(lane)}held"
        rows = self._call(
            lambda: self._server.zrangebyscore(name, f"({above}", "+inf", 0, limit, withscores=True)
        )
        return [(int(serial), key) for key, serial in rows]

    def unissued(self, lane: str) -> list[str]:
        """Return keys of open records without a serial: what Astakos may not show yet."""
        prefix = self._lane_prefix(lane)
        keys = self._call(lambda: self._server.zdiff([f"{prefix}open", f"{prefix}held"]))
        return list(keys)

    def expired(self, lane: str, limit: int = 500, skip: int = 0) -> list[str]:
        """Return keys of undecided records whose deadline has passed, the oldest first."""
        name = f"{self._lane_prefix(lane)}open"
        now = _ms(self.clock.now())
        rows = self._call(lambda: self._server.zrangebyscore(name, "-inf", now, skip, limit))
        return list(rows)

    def dead(self, lane: str, limit: int = 500) -> list[str]:
        """Return keys of dead records, those that are purged first in front."""
        name = f"{self._lane_prefix(lane)}dead"
        now = _ms(self.clock.now())
        rows = self._call(lambda: self._server.zrangebyscore(name, f"({now}", "+inf", 0, limit))
        return list(rows)

    def lanes(self) -> list[str]:
        """Return the lanes that ever had a record, an alarm or a note."""
        return sorted(self._call(lambda: self._server.smembers(f"{self._prefix}lanes")))

    def lane(self, name: str) -> Lane:
        """Return how a lane stands."""
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
            reason=rest.get("reason", ""),
            alarms=alarms,
        )

    # --- Lanes at rest, alarms, named leases --------------------------------------------------

    def rest(self, lane: str, seconds: float, reason: str) -> None:
        """Let nobody work on a lane for a while; then one carrier tries with one record."""
        self._run([("rest", self._lane_prefix(lane), [_ms(seconds), reason])])

    def rested(self, lane: str) -> None:
        """Say that Astakos answers again."""
        self._run([("rest", self._lane_prefix(lane), [""])])

    def alarm(self, lane: str, name: str, text: str | None) -> None:
        """Raise an alarm for operators, or with None end it."""
        alarms = f"{self._lane_prefix(lane)}alarms"
        if text is None:
            self._call(lambda: self._server.hdel(alarms, name))
        else:
            self._tell(lane, alarms, name, text)

    def hold(self, name: str, holder: str, lease: float) -> bool:
        """Take or renew a named lease; False: another has it."""
        [held] = self._run([("hold", f"{self._prefix}lease:{name}", [holder, _ms(lease)])])
        return bool(held)

    def release(self, name: str, holder: str) -> None:
        """Give a named lease back."""
        self._run([("hold", f"{self._prefix}lease:{name}", [holder, ""])])

    # --- Lost writes, memory ------------------------------------------------------------------

    def seen(self) -> dict[str, int]:
        """Return how many writes of each lane this process was told of."""
        return dict(self._seen)

    def remember(self, lane: str, writes: int) -> None:
        """Remember that a lane has had so many writes."""
        if writes > self._seen.get(lane, 0):
            self._seen[lane] = writes

    def notice(self) -> set[str]:
        """Return the lanes of which writes are gone that somebody was told of (F68)."""
        seen = self.seen()
        calls: list[_Call] = [("notice", self._lane_prefix(lane), [n]) for lane, n in seen.items()]
        lost = set()
        for lane, (now, told, is_lost) in zip(seen, self._run(calls), strict=True):
            self.clock.saw(now)
            self.remember(lane, told)
            if is_lost:
                lost.add(lane)
        return lost

    def trust(self, lane: str) -> bool:
        """Go on with a lane of which writes are gone; False: none are."""
        [(now, told, trusted)] = self._run([("trust", self._lane_prefix(lane), [])])
        self.clock.saw(now)
        self.remember(lane, told)
        return bool(trusted)

    def memory(self) -> float:
        """Return the used share of the server's memory; 0 where it has no bound."""
        return used_share(self._call(lambda: self._server.info("memory")))

    # --- What the sweep remembers -------------------------------------------------------------

    def sights(self, lane: str, serials: Sequence[int]) -> dict[int, Sight]:
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
            n: Sight(float(first), look)
            for n, first, look in zip(serials, firsts, looks, strict=True)
        }

    def looked(self, lane: str, looks: Mapping[int, str]) -> None:
        """Remember how serials look."""
        if looks:
            mapping: dict[Any, Any] = {str(n): look for n, look in looks.items()}
            key = f"{self._lane_prefix(lane)}looks"
            self._call(lambda: self._server.hset(key, mapping=mapping))

    def forget(self, lane: str, listed: Container[int]) -> None:
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

    # --- Watching -----------------------------------------------------------------------------

    def watch(self, lane: str, key: str, seconds: float) -> Entry | None:
        """Have changes of a record published for a while; return it as it is."""
        [row] = self._run([("watch", self._lane_prefix(lane), [key, _ms(seconds)])])
        return self._entry(*row) if row[0] else None

    def channel(self, lane: str) -> str:
        """Return the channel on which changes of watched records are published."""
        return f"{self._lane_prefix(lane)}changed"

    def read_change(self, message: str) -> tuple[str, Entry | None]:
        """Return a published change: a key, and its record; None if that is for newer eyes."""
        key, *row = json.loads(message)
        return key, self._entry(*row)

    def _tell(self, lane: str, where: str, name: str, text: str) -> None:
        def ask(pipe: Any) -> None:
            pipe.sadd(f"{self._prefix}lanes", lane)
            pipe.hset(where, name, text)

        self._pipe(ask)

    # --- The server ---------------------------------------------------------------------------

    def check(self) -> None:
        """Raise `LedgerError` if the server may forget what it was told, or is a cluster."""
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

    # --- Inside -------------------------------------------------------------------------------

    def _time(self) -> int:
        """Return the store's time in milliseconds."""
        seconds, micros = self._call(self._server.time)
        return int(seconds) * 1000 + int(micros) // 1000

    def _lane_prefix(self, lane: str) -> str:
        return f"{self._prefix}{lane}:"

    def _policy(self) -> list[Any]:
        w = self._waking
        return [w.carriers, w.per_carrier, _ms(w.promise), int(w.coalesce)]

    def _cas_call(self, write: Write) -> _Call:
        record = write.record
        keep = self._bare_retention if is_bare(record.key) else self._retention
        own = "" if record.serial is None else record.serial
        decision = record.decision
        cell = write.cell or decision
        expires = record.deadline if record.decision is None else None
        deadline = "inf" if expires is None else _ms(expires)
        args = [
            record.key,
            write.version,
            dump(record),
            queue_of(record),
            "" if record.due is None else _ms(record.due),
            ",".join(map(str, (own, *(twin.serial for twin in record.twins)))),
            deadline if record.is_open else "",
            _ms(keep),
            "" if write.fence is None else write.fence,
            int(write.must_hold),
            "" if write.keep is None else _ms(write.keep),
            "" if cell is None else dump_decision(cell),
            int(write.reset),
            "" if decision is None else decision.verb,
            write.promise if write.ring else "",
            *self._policy(),
            int(record.state is State.DEAD),
            self._seen.get(record.service, 0),
        ]
        new = record.request is not None and (write.version == 0 or write.reset)
        args.append(int(new and self._room.is_short))
        return "create" if new else "cas", self._lane_prefix(record.service), args

    def _verdict(self, write: Write, reply: list[Any] | Exception) -> Verdict:
        if isinstance(reply, Exception):
            return Verdict(False, None, full=True)
        done, now, ring, clash, told, version, body, fence, cell = reply
        self.clock.saw(now)
        self.remember(write.record.service, told)
        if done:
            entry = Entry(write.record, int(version), int(fence), load_decision(cell))
            return Verdict(True, entry, bool(ring), clash)
        there = None if version is None else self._entry(version, body, fence, cell)
        return Verdict(False, there, newer=version is not None and there is None)

    @staticmethod
    def _entry(version: Any, body: Any, fence: Any, cell: Any, lease: Any = 0) -> Entry | None:
        try:
            record = load(body)
        except NewerSchemaError:
            return None  # left for a newer worker, untouched (F78)
        leased = float(lease or 0) / 1000
        return Entry(record, int(version), int(fence or 0), load_decision(cell), leased)

    def _run(self, calls: Sequence[_Call], *, keep: tuple[type[Exception], ...] = ()) -> list[Any]:
        """Run scripts in one round trip; load them first where the server does not know them.

        Raises the first error among the replies, but for those of a kind to keep.
        """
        if not calls:
            return []

        looks = self._room.wants_a_look and any(name == "create" for name, _, _ in calls)

        def ask(pipe: Any) -> None:
            for name, key, args in calls:
                pipe.evalsha(self._shas[name], 1, key, *args)
            if looks:
                pipe.info("memory")

        if not self._shas:
            self._load()
        replies = self._pipe(ask, raise_on_error=False)
        if any(isinstance(reply, redis.exceptions.NoScriptError) for reply in replies):
            self._load()  # the server was replaced; repeating is safe, see above
            replies = self._pipe(ask, raise_on_error=False)
        if looks and isinstance(memory := replies.pop(), dict):
            self._room.saw(memory)
        for reply in replies:
            if isinstance(reply, Exception) and not isinstance(reply, keep):
                _translate(reply)
        return replies

    def _load(self) -> None:
        def ask(pipe: Any) -> None:
            for text in self._texts.values():
                pipe.script_load(text)

        self._shas = dict(zip(self._texts, self._pipe(ask), strict=True))

    def _pipe(self, ask: Callable[[Any], None], *, raise_on_error: bool = True) -> list[Any]:
        pipe = self._server.pipeline(transaction=False)
        ask(pipe)
        replies: list[Any] = self._call(lambda: pipe.execute(raise_on_error=raise_on_error))
        return replies

    @staticmethod
    def _call(do: Callable[[], Any]) -> Any:
        try:
            return do()
        except redis.RedisError as error:
            _translate(error)


def queue_of(record: Record) -> Queue:
    """Return where a record waits: to be settled with others, or to be issued."""
    settles = record.state in {State.PENDING, State.SETTLING} or record.twins_due
    return "settle" if settles else "issue"


def _translate(error: Exception) -> Any:
    if isinstance(error, redis.exceptions.OutOfMemoryError):
        raise FullError(FULL) from error
    away = redis.ConnectionError | redis.TimeoutError | redis.exceptions.ReadOnlyError
    if isinstance(error, away):  # read-only: it was demoted, and another one has taken over
        raise UnavailableError(f"the ledger does not answer: {error}") from error
    raise LedgerError(f"the ledger refused: {error}") from error


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
