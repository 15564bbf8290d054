"""What only a ledger on a server has to stand: restarts, outages, full memory."""

import threading
import time

import pytest
from redis import Redis

from astakos_worker import Commissions, Settings, Unavailable
from astakos_worker.configuration.servers import connect
from astakos_worker.ledger import events
from astakos_worker.ledger.contract import (
    LedgerError,
    UnavailableError,
    Write,
)
from astakos_worker.ledger.record import bare_key
from astakos_worker.ledger.redis.store import RedisLedger
from astakos_worker.local.free_ports import LOOPBACK
from astakos_worker.worker.ledger_watch import LedgerWatch
from tests.integration.cluster.servers import BOTH_SERVERS
from tests.integration.cluster.until import until
from tests.integration.ledger.places import ACCEPT, LANE, LONG, RedisPlace, issued


def name_of(key):
    return f"astakos:test:{LANE}:r:{key}"


# --- Scripts ----------------------------------------------------------------------------------


def test_a_server_that_lost_the_scripts_is_given_them_again(on_server):
    on_server.put("a")
    on_server.server.script_flush()
    assert on_server.decide("a").done
    on_server.server.script_flush()
    assert on_server.write(on_server.put("b"), *issued(7)).done
    on_server.server.script_flush()
    assert on_server.claimed(settles=1)


@BOTH_SERVERS
def test_a_server_that_was_killed_comes_back_with_all_that_it_had_acknowledged(server):
    """F47, F55, F68."""
    place = RedisPlace(server.url())
    for n in range(20):
        place.put(f"key-{n}", serial=n + 1)
    place.decide("key-3")
    server.kill()
    server.start()
    assert place.entry("key-3").cell == ACCEPT
    assert place.ledger.lane(LANE).held == 20
    assert place.claimed() == ["key-3"]
    place.close()


def test_two_namespaces_on_one_server_do_not_meet(on_server):
    """F70."""
    on_server.put("a")
    other = RedisLedger(connect(on_server.url, patience=5), "staging")
    assert other.lanes() == []
    assert other.get(LANE, ["a"]) == {}
    assert on_server.claimed() == ["a"]


def test_a_call_is_one_round_trip(on_server):
    """DESIGN: a pipeline is one. Each costs the caller of `issue` half a millisecond."""
    place = on_server
    place.put("warm-up")
    sent = []
    pool = place.ledger._server.connection_pool
    connection = pool.get_connection()
    send = connection.send_packed_command
    connection.send_packed_command = lambda *a, **k: (sent.append(1), send(*a, **k))[1]
    pool.release(connection)
    entry = place.put("a", serial=7)
    place.decide("a")
    place.claim(issues=1)
    place.write(entry, events.Decided(ACCEPT))
    place.entry("a")
    assert len(sent) == 5


# --- Outages ----------------------------------------------------------------------------------


CALLS = {
    "cas": lambda place: place.ledger.cas([Write(place.new("x"), 0)]),
    "claim": lambda place: place.claim(),
    "decide": lambda place: place.decide("a"),
    "beat": lambda place: place.ledger.beat({LANE: ["x"]}, "driver", LONG),
    "sign_off": lambda place: place.ledger.sign_off(LANE, "x"),
    "get": lambda place: place.entry("a"),
    "find": lambda place: place.ledger.find(LANE, [7]),
    "held": lambda place: place.ledger.held(LANE),
    "expired": lambda place: place.ledger.expired(LANE),
    "dead": lambda place: place.ledger.dead(LANE),
    "lanes": lambda place: place.ledger.lanes(),
    "lane": lambda place: place.ledger.lane(LANE),
    "rest": lambda place: place.ledger.rest(LANE, 1, "x"),
    "rested": lambda place: place.ledger.end_rest(LANE),
    "count_failure": lambda place: place.ledger.count_failure(LANE),
    "forget_failures": lambda place: place.ledger.forget_failures(LANE),
    "alarm": lambda place: place.ledger.alarm(LANE, "x", "y"),
    "hold": lambda place: place.ledger.take_lease("x", "y", 1),
    "release": lambda place: place.ledger.release_lease("x", "y"),
    "sights": lambda place: place.ledger.sightings(LANE, [1]),
    "looked": lambda place: place.ledger.remember_descriptions(LANE, {1: "x"}),
    "forget": lambda place: place.ledger.forget_sightings(LANE, [1]),
    "note": lambda place: place.ledger.note(LANE, "x", "y"),
    "notes": lambda place: place.ledger.notes(LANE),
    "watch": lambda place: place.ledger.watch(LANE, "a", 1),
    "newer": lambda place: place.ledger.newer(LANE, ["a"]),
    "notice": lambda place: place.ledger.lost_writes(),
    "trust": lambda place: place.ledger.trust(LANE),
    "memory": lambda place: place.ledger.memory(),
}


def error_of(call, place):
    try:
        call(place)
    except Exception as error:  # noqa: BLE001  # which one it is, is what is tested
        return type(error)
    return None


def test_every_call_says_so_when_the_server_is_gone(server):
    """F48, F56."""
    place = RedisPlace(server.url())
    place.put("a")
    server.kill()
    assert {name: error_of(call, place) for name, call in CALLS.items()} == dict.fromkeys(
        CALLS, UnavailableError
    )
    server.start()
    assert place.decide("a").done  # and goes on as soon as it is back
    place.close()


def test_no_call_hangs_on_a_server_that_hangs(server):
    """F56: an error within about the caller's patience."""
    place = RedisPlace(server.url())
    place.open(patience=0.2)
    place.put("a")
    server.process.pause()
    began = time.monotonic()
    with pytest.raises(UnavailableError):
        place.decide("a")
    assert time.monotonic() - began < 5
    server.process.resume()
    assert place.decide("a").done
    place.close()


def test_a_clock_that_was_never_told_guesses_while_the_server_is_away(server):
    """F56: the call that needs the ledger says so, and nothing before it."""
    place = RedisPlace(server.url())
    server.kill()
    assert abs(place.ledger.clock.now() - time.time()) < 60
    place.close()


def test_more_threads_than_connections_wait_for_one(on_server):
    ledger = RedisLedger(connect(on_server.url, patience=10, connections=2), "test")
    verdicts = []

    def work(n):
        verdicts.extend(ledger.cas([Write(on_server.new(f"key-{n}"), 0)]))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [verdict.done for verdict in verdicts] == [True] * 20


def test_a_server_that_has_become_a_replica_is_away(server):
    """A fail-over: another one has taken over, and the URL finds it in a while."""
    place = RedisPlace(server.url())
    place.put("a")
    place.server.replicaof(LOOPBACK, 1)  # nobody is there: it is read-only all the same
    with pytest.raises(UnavailableError):
        place.decide("a")
    place.close()


def test_an_error_of_the_server_is_an_error_of_the_ledger(on_server):
    on_server.server.set(f"astakos:test:{LANE}:due:issue", "no queue")
    with pytest.raises(LedgerError, match=r"refused: .*due:issue is a string, not a zset"):
        on_server.decide("a")


#: What a ledger keeps of itself: its id, the time that was agreed to, and the namespaces.
ITS_OWN = {"astakos:test:id", "astakos:test:agreed", "astakos:namespaces"}


# --- Full memory ------------------------------------------------------------------------------


def fill(place):
    """Have nineteen twentieths of the server's memory be in use, mostly by something that stays."""
    for number in range(300):
        place.server.set(f"ballast-{number}", "x" * (64 << 10))

    def is_nearly_full():
        used = place.server.info("memory")["used_memory"]
        place.server.config_set("maxmemory", int(used / 0.95))
        return 0.94 < place.ledger.memory() < 0.96

    until(is_nearly_full)


def is_refused(place, key, version=0):
    [verdict] = place.ledger.cas([Write(place.new(key), version, reset=version > 0)])
    assert verdict.done is not verdict.full
    return verdict.full


@BOTH_SERVERS
def test_a_full_ledger_refuses_new_commissions_and_nothing_else(server):
    """F79: serials and decisions of those that it has are still written."""
    place = RedisPlace(server.url())
    entry = place.put("a")
    place.put("b")
    place.server.config_set("maxmemory-policy", "noeviction")
    place.server.config_set("maxmemory", 1)
    assert is_refused(place, "new")
    assert place.entry("new") is None
    [again] = place.ledger.cas([Write(entry.record, 0)])
    assert again.done  # a write that was done is no new one
    [claimed] = place.claim(issues=1).entries
    assert (claimed.record.key, claimed.marked) == ("a", True)
    assert place.decide("a").entry.cell == ACCEPT
    settling = place.write(claimed, events.Issued(7), events.Decided(ACCEPT)).entry
    assert place.put_bare(9).record.key == bare_key(9)
    closed = place.write(settling, events.SettleMarked(), events.Settled()).entry
    assert place.ledger.watch(LANE, "a", LONG)
    assert place.ledger.take_lease("sweep", "one", LONG)
    place.ledger.rest(LANE, LONG, "away")
    assert is_refused(place, "a", closed.version)
    assert place.entry("a").record == closed.record
    among = [Write(place.new("new"), 0), Write(entry.record, 0), Write(place.new("c"), 0)]
    assert [one.full for one in place.ledger.cas(among)] == [True, False, True]
    place.server.config_set("maxmemory", 0)
    assert place.put("new").version == 1
    place.close()


#: Every call of the contract that writes, but for what makes a commission.
WHEN_FULL = {name: call for name, call in CALLS.items() if name != "cas"} | {
    "issue": lambda place: place.write(place.entry("a"), events.Marked(1.0, 1.0)),
    "awaited": lambda place: place.bare(11),
    "read_again": lambda place: place.ledger.read_again(LANE),
    "unreadable": lambda place: place.ledger.unreadable(LANE),
    "distrusted": lambda place: place.ledger.distrusted(LANE),
    "remember_id": lambda place: place.ledger.remember_id("x"),
}


@BOTH_SERVERS
@pytest.mark.parametrize("call", list(WHEN_FULL))
def test_when_memory_is_full_every_call_but_a_new_commission_is_done(redis_url, call):
    """F79: the sweep remembers what it saw, a lost serial is adopted, alarms are raised."""
    place = RedisPlace(redis_url)
    place.put("a")
    place.server.config_set("maxmemory", 1)
    try:
        WHEN_FULL[call](place)
        assert place.ledger.sightings(LANE, [5])[5].description is None
        place.ledger.remember_descriptions(LANE, {5: "x"})
        assert place.ledger.sightings(LANE, [5])[5].description == "x"
        assert is_refused(place, "new")
    finally:
        place.server.config_set("maxmemory", 0)
        place.close()


# --- What is left behind ----------------------------------------------------------------------


def test_a_settled_commission_leaves_only_what_expires(on_server):
    """F57: nothing grows for ever but what is counted."""
    on_server.open(retention=LONG)
    entry = on_server.put("a", serial=7)
    on_server.write(entry, events.Decided(ACCEPT), events.SettleMarked(), events.Settled())
    server = on_server.server
    left = {key for key in server.keys("*") if server.ttl(key) == -1} - ITS_OWN
    assert left == {"astakos:test:lanes", f"astakos:test:{LANE}:writes"}
    assert len(set(server.keys("*")) - ITS_OWN) == 4


def test_what_is_not_there_leaves_nothing_behind(on_server):
    """Keys that anybody may ask for must not fill the memory."""
    assert on_server.ledger.watch(LANE, "a", LONG) is None
    assert on_server.decide("a").entry is None
    [verdict] = on_server.ledger.cas([Write(on_server.new("a"), 3)])
    assert not verdict.done
    on_server.claim(own="a", wakeup_id="a?")
    on_server.ledger.sign_off(LANE, "carrier")
    assert set(on_server.server.keys("*")) <= ITS_OWN


def test_every_write_is_counted(on_server):
    """F68: a counter that goes back tells that acknowledged writes are gone."""
    with Redis.from_url(on_server.url) as server:
        entry = on_server.put("a", serial=7)
        on_server.decide("a"), on_server.decide("a")
        on_server.write(entry, events.Decided(ACCEPT))
        on_server.write(entry, events.Issued(9))  # refused: not counted
        assert int(server.get(f"astakos:test:{LANE}:writes")) == 3


@BOTH_SERVERS
def test_a_ledger_that_is_nearly_full_refuses_new_commissions_while_there_is_room_for_others(
    server,
):
    """F79: at nine tenths, long before the server itself refuses anything."""
    place = RedisPlace(server.url())
    entry = place.put("a")
    assert place.ledger.memory() == 0
    fill(place)
    numbers = iter(range(10_000))
    until(lambda: is_refused(place, f"new-{next(numbers)}"))
    assert 0.9 < place.ledger.memory() < 1
    assert is_refused(place, "one more")
    assert place.entry("one more") is None
    [again] = place.ledger.cas([Write(entry.record, 0)])
    assert again.done  # the same commission again is no new one
    settling = place.write(entry, *issued(7), events.Decided(ACCEPT), events.SettleMarked()).entry
    assert place.put_bare(9).record.key == bare_key(9)
    closed = place.write(settling, events.Settled()).entry
    assert is_refused(place, "a", closed.version)  # a key in use again is a new one
    place.server.config_set("maxmemory", 1 << 30)
    until(lambda: not is_refused(place, "room again"))
    place.close()


@BOTH_SERVERS
def test_a_worker_raises_an_alarm_while_the_ledger_is_nearly_full(server):
    """F79: and ends it, also one that an earlier worker has left."""
    place = RedisPlace(server.url())
    place.put("a")
    fill(place)
    watch = LedgerWatch(place.ledger, place.server, "test")
    watch.look()
    [(name, text)] = place.ledger.lane(LANE).alarms.items()
    assert name == "memory" and text.startswith("9") and "new commissions are refused" in text
    place.server.config_set("maxmemory", 1 << 30)
    watch.look()
    assert place.ledger.lane(LANE).alarms == {}
    place.ledger.alarm(LANE, "memory", "left behind")
    LedgerWatch(place.ledger, place.server, "test").look()
    assert place.ledger.lane(LANE).alarms == {}
    place.close()


def test_an_alarm_that_an_outage_kept_from_being_raised_is_raised_later(on_server, monkeypatch):
    """F79: what was half said is said again."""
    on_server.put("a")
    watch = LedgerWatch(on_server.ledger, on_server.server, "test")
    monkeypatch.setattr(on_server.ledger, "memory", lambda: 0.95)
    with monkeypatch.context() as away:
        away.setattr(on_server.ledger, "lanes", _away)
        with pytest.raises(UnavailableError):
            watch.look()
    watch.look()
    assert set(on_server.ledger.lane(LANE).alarms) == {"memory"}


def _away():
    raise UnavailableError("gone")


def test_a_server_that_cannot_write_is_unavailable_to_callers(on_server):
    """F56: as one whose disk is full, or whose replicas are gone; the same call again is safe."""
    settings = Settings(times="demo", ledger_url=on_server.url, broker_url=on_server.url)
    commissions = Commissions(settings=settings)
    one = {"user": "u", "project": "p", "provisions": {"cyclades.vm": 1}, "key": "k"}
    on_server.server.config_set("min-replicas-to-write", 1)
    try:
        with pytest.raises(Unavailable, match=r"replicas.*'k' may or may not be recorded"):
            commissions.issue(**one)
    finally:
        on_server.server.config_set("min-replicas-to-write", 0)

    def is_issued():
        try:
            return commissions.issue(**one).last.state == "queued"
        except Unavailable:  # a server that did not answer is left alone for a moment
            return False

    until(is_issued)
