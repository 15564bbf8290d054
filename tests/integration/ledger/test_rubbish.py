"""A script that meets what it cannot read writes nothing: it fails before its first write (F83)."""

from itertools import product

import pytest

from astakos_worker.ledger import events
from astakos_worker.ledger.contract import LedgerError, Write
from astakos_worker.ledger.record import Decision, State
from tests.integration.ledger.places import ACCEPT, FAULT, LANE, LONG, REJECT

PREFIX = f"astakos:test:{LANE}:"

#: A call of each script, on a lane with the records "a" (pending), "b" (queued) and "old" (closed).
CALLS = {
    "cas": lambda place: place.ledger.cas(place.changes),
    "create": lambda place: place.ledger.cas([Write(place.new("c"), 0), Write(place.new("d"), 0)]),
    "reset": lambda place: place.ledger.cas(
        [Write(place.new("old"), place.ended.version, reset=True, wakeup=True)]
    ),
    "claim": lambda place: place.claim("other"),
    "decide": lambda place: place.decide("a"),
    "beat": lambda place: place.ledger.beat({LANE: ["carrier"]}, None, LONG),
    "sign_off": lambda place: place.ledger.sign_off(LANE, "carrier"),
    "failed": lambda place: place.ledger.count_failure(LANE),
    "worked": lambda place: place.ledger.forget_failures(LANE),
    "rest": lambda place: place.ledger.rest(LANE, LONG, "away"),
    "end_rest": lambda place: place.ledger.end_rest(LANE),
    "watch": lambda place: place.ledger.watch(LANE, "a", LONG),
    "lease": lambda place: place.ledger.take_lease("sweep", "x", LONG),
    "notice": lambda place: place.ledger.lost_writes(),
    "trust": lambda place: place.ledger.trust(LANE),
    "read_again": lambda place: place.ledger.read_again(LANE),
    "sightings": lambda place: place.ledger.sightings(LANE, [7, 8]),
    "alarm": lambda place: place.ledger.alarm(LANE, "x", "y"),
    "note": lambda place: place.ledger.note(LANE, "x", "y"),
    "descriptions": lambda place: place.ledger.remember_descriptions(LANE, {7: "x"}),
}

#: What is put where a script expects something else.
KEYS = [
    "due:settle",
    "due:issue",
    "open",
    "held",
    "dead",
    "awake",
    "promised",
    "settler:1",
    "trial",
    "lane",
    "writes",
    "distrust",
    "doubted",
    "continues",
    "unreadable",
    "alarms",
    "notes",
    "seen",
    "looks",
    "s:7",
    "r:a",
    "r:old",
]


def rubbish(server, key):
    """Put a value of another type, or a number that is none, under a key."""
    kind = server.type(key)
    server.delete(key)
    if kind == "string":
        yield server.rpush(key, "a list")
        server.delete(key)
        yield server.set(key, "no number")
        return
    yield server.set(key, "a string")
    server.delete(key)
    yield server.rpush(key, "a list")


@pytest.fixture
def ready(on_server):
    place = on_server
    ended = place.write(place.put("old", serial=9), events.Died(FAULT))
    place.ended = place.write(ended.entry, events.Discarded(), events.TwinSettled(9)).entry
    a, b = place.put("a", serial=7), place.put("b")
    place.changes = [
        Write(place.led(a.record, events.Issued(8)), a.version, wakeup=True),
        Write(place.led(b.record, events.Extended(place.now() + LONG)), b.version),
    ]
    place.ledger.sightings(LANE, [5])
    place.ledger.remember_descriptions(LANE, {5: "x"})
    place.ledger.alarm(LANE, "x", "x")
    place.ledger.note(LANE, "x", "x")
    return place


READ = {
    "string": lambda server, key: server.get(key),
    "list": lambda server, key: server.lrange(key, 0, -1),
    "set": lambda server, key: server.smembers(key),
    "hash": lambda server, key: server.hgetall(key),
    "zset": lambda server, key: server.zrange(key, 0, -1, withscores=True),
}
WRITE = {
    "string": lambda server, key, value: server.set(key, value),
    "set": lambda server, key, value: server.sadd(key, *value),
    "hash": lambda server, key, value: server.hset(key, mapping=value),
    "zset": lambda server, key, value: server.zadd(key, dict(value)),
}


def everything(server):
    """All that the server holds, but the time that was agreed to."""
    keys = set(server.keys("*")) - {"astakos:test:agreed"}
    kinds = {key: server.type(key) for key in keys}
    return {key: (kind, READ[kind](server, key)) for key, kind in kinds.items()}


def restore(server, before):
    server.flushall()
    for key, (kind, value) in before.items():
        WRITE[kind](server, key, value)


@pytest.mark.parametrize("key", KEYS)
def test_a_script_that_fails_has_written_nothing(ready, key):
    """F83: whatever else is in the place of something that it reads or writes."""
    server = ready.server
    before = everything(server)
    for name, call in CALLS.items():
        for _ in rubbish(server, PREFIX + key):
            spoilt = everything(server)
            try:
                call(ready)
            except LedgerError:
                assert everything(server) == spoilt, name
            restore(server, before)
            ready.ledger._known_writes.clear()  # else going back is a loss of writes


#: Fields of a record's hash -> what no script has written there.
FIELDS = {
    "ver": ["", "x", "1.x"],
    "body": ["", "{}", "[]", "null", "\ud7ff", '{"schema":"1"}', '{"schema":1', "garbage"],
    "fence": ["x"],
    "lease": ["x"],
    "watched": ["x"],
    "cell": ["", "x", "[]"],
    "mark": ["x", "1 2 3", "1 2 3 x"],
    "serials": ["x", "1;2"],
}


@pytest.mark.parametrize(
    ("field", "text"), [(field, text) for field, texts in FIELDS.items() for text in texts]
)
@pytest.mark.parametrize("call", ["cas", "reset", "claim", "decide", "watch"])
def test_a_record_that_no_script_has_written_stops_none_and_is_not_changed(
    ready, call, field, text
):
    """F83, F86: the record is left, and others of the same call are written."""
    if text == "" and field in {"cell", "mark"}:
        text = "x"  # an empty one is none
    key = "old" if call == "reset" else "a"
    ready.server.hset(f"{PREFIX}r:{key}", field, text)
    before = ready.server.hgetall(f"{PREFIX}r:{key}")
    try:
        CALLS[call](ready)
    except LedgerError:
        pytest.fail("one record stops the call")
    readable = field == "body" and text.startswith("{") and "1" in text
    if not readable:
        assert ready.server.hgetall(f"{PREFIX}r:{key}") == before
    if call == "cas":
        assert ready.entry("b").record.deadline is not None


# --- Half a surrogate pair ---------------------------------------------------------------------


@pytest.mark.parametrize("where", ["reason", "error"])
def test_half_a_surrogate_pair_in_a_text_stops_no_reset_and_no_claim(on_server, where):
    """F83: reject(reason=<half a pair>), and then the key is used again."""
    place, text = on_server, "half \udca0 a pair"
    decision = Decision("reject", text if where == "reason" else "", 1.0)
    entry = place.put("a", serial=7)
    dead = events.Died({"class": "X", "message": text if where == "error" else ""})
    ended = place.write(entry, events.Decided(decision), dead).entry
    place.server.hdel(f"{PREFIX}r:a", "serials")  # as an earlier version wrote it
    [verdict] = place.ledger.cas([Write(place.new("a"), ended.version, reset=True)])
    assert verdict.done and verdict.entry.record.state is State.QUEUED
    assert place.ledger.find(LANE, [7]) == {}
    assert place.server.ttl(f"{PREFIX}r:a") == -1
    assert place.claimed() == ["a"]


def test_half_a_surrogate_pair_stops_no_claim_of_a_lane_that_lost_writes(on_server):
    """F68, F83."""
    place = on_server
    entry = place.put("a")
    fault = {"class": "X", "message": "half \udca0 a pair"}
    place.write(entry, events.Postponed(place.now(), fault))
    place.put("b", serial=8, decision=ACCEPT)
    place.ledger.remember_writes(LANE, 1000)
    assert place.claimed() == ["b"]
    assert place.ledger.distrusted(LANE)


@pytest.mark.parametrize(("first", "second"), list(product([ACCEPT, REJECT], repeat=2)))
def test_what_is_written_after_a_repeat_is_the_first_decision(on_server, first, second):
    """F23: a decision is written once, also after a failed call."""
    on_server.put("a", serial=7)
    on_server.server.rename(f"{PREFIX}open", "elsewhere")
    on_server.server.set(f"{PREFIX}promised", "no queue")
    with pytest.raises(LedgerError):
        on_server.decide("a", first)
    on_server.server.delete(f"{PREFIX}promised")
    on_server.server.rename("elsewhere", f"{PREFIX}open")
    assert on_server.entry("a").cell is None
    assert on_server.decide("a", second).entry.cell == second
