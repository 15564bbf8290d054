"""A ledger that forgets writes which it had acknowledged: noticed, and nothing new issued (F68)."""

import shutil

import pytest

from astakos_worker.ledger import events
from astakos_worker.ledger.contract import Write
from astakos_worker.ledger.record import State
from astakos_worker.worker.ledger_watch import LedgerWatch
from tests.integration.cluster.servers import BOTH_SERVERS
from tests.integration.ledger.places import ACCEPT, FAULT, LANE, LONG, SOON, RedisPlace

#: Seconds after which what was put off is looked at again.
PUT_OFF = 2.1


def alarms(place):
    return set(place.ledger.lane(LANE).alarms)


def test_writes_are_counted_by_who_writes(place):
    assert place.ledger.known_writes() == {}
    entry = place.put("a")
    place.decide("a")
    place.decide("a")
    place.write(entry, events.Postponed(1.0))
    assert place.ledger.known_writes() == {LANE: 3}
    assert place.claim(lease=SOON).entries  # announces
    place.passes(2 * SOON)
    assert place.claim().entries  # is but a lease
    assert place.ledger.known_writes() == {LANE: 4}


def test_nothing_is_noticed_while_nothing_is_lost(place):
    place.put("a", serial=7)
    place.decide("a")
    place.put("b")
    assert place.ledger.lost_writes() == set()
    assert alarms(place) == set()
    assert place.ledger.trust(LANE) is False
    assert place.claimed(settles=1) == ["a"]
    assert place.claimed() == ["b"]


@pytest.mark.parametrize("by", ["claim", "write", "decision", "look"])
def test_whoever_asks_first_notices_and_nothing_queued_is_handed_out(place, by):
    """F68: it may have been issued already; what is decided or ambiguous goes on."""
    place.put("queued", late=60)
    ambiguous = place.put("ambiguous")
    place.write(ambiguous, events.Marked(1.0, 1.0), events.Doubtful(1, 1.0, FAULT))
    place.put("decided", serial=7)
    place.ledger.remember_writes(LANE, 1000)
    match by:
        case "claim":
            place.claim(issues=0, settles=0)
        case "write":
            place.put("new")
        case "decision":
            place.decide("decided")
        case "look":
            place.ledger.lost_writes()
    assert alarms(place) == {"lost-writes"}
    place.decide("decided")
    claimed = {key for n in range(4) for key in place.claimed(f"c{n}", settle_wait=0)}
    assert claimed == {"ambiguous", "decided"}
    assert place.entry("queued").record.state is State.QUEUED


def test_what_is_decided_waits_for_no_company_of_what_is_put_off(place):
    place.put("queued"), place.put("decided", serial=7)
    place.decide("decided")
    place.ledger.remember_writes(LANE, 1000)
    assert place.claimed(settle_wait=LONG) == ["decided"]


def test_a_claim_puts_off_only_so_many(on_server):
    """The server has others to serve: a long backlog is passed over by several claims."""
    writes = [Write(on_server.new(f"key-{n}", late=LONG), 0) for n in range(2500)]
    on_server.ledger.cas(writes)
    on_server.ledger.remember_writes(LANE, 100_000)
    assert on_server.claim().why == "idle"
    long_due = (on_server.now() - LONG / 2) * 1000  # not what was put off, however slow this is
    assert 400 < on_server.server.zcount(f"astakos:test:{LANE}:due:issue", 0, long_due) <= 500


def test_an_operator_lets_it_go_on_and_the_same_loss_is_not_noticed_again(place):
    place.put("queued")
    place.ledger.remember_writes(LANE, 1000)
    assert place.claim().why == "idle"
    assert place.ledger.trust(LANE) is True
    assert alarms(place) == set()
    place.ledger.remember_writes(LANE, 2000)  # one who was told of more, and comes late
    place.ledger.lost_writes()
    assert alarms(place) == set()
    place.passes(PUT_OFF)
    assert place.claimed() == ["queued"]
    assert place.ledger.trust(LANE) is False


def test_a_lane_that_lost_nothing_goes_on(place):
    place.put("a")
    place.ledger.remember_writes("other", 1000)
    assert place.ledger.lost_writes() == {"other"}
    assert place.ledger.lost_writes() == {"other"}
    assert set(place.ledger.lane("other").alarms) == {"lost-writes"}
    assert place.claimed() == ["a"]


# --- On a server that is set back -------------------------------------------------------------


@pytest.fixture
def set_back(server, tmp_path):
    """Keeps what the server has by now, and has it come back with that when called."""
    data = tmp_path / f"{server.kind}-data"

    def keep():
        server.kill()
        shutil.copytree(data, tmp_path / "kept")
        server.start()

        def back():
            server.kill()
            shutil.rmtree(data)
            shutil.copytree(tmp_path / "kept", data)
            server.start()

        return back

    return keep


@BOTH_SERVERS
def test_a_server_that_comes_back_with_an_earlier_state_is_not_believed(server, set_back):
    """F68: by a process that lived through it, in the very claim that would have issued again."""
    place = RedisPlace(server.url())
    place.put("issued-since")
    back = set_back()
    entry = place.claim(lease=LONG).entries[0]
    steps = events.Issued(7), events.Decided(ACCEPT)
    assert place.write(entry, *steps, fence=entry.fence).done
    back()
    assert place.entry("issued-since").record.state is State.QUEUED
    assert place.claim().why == "idle"
    assert alarms(place) == {"lost-writes"}
    assert place.put("new").record.state is State.QUEUED  # enqueued it can be
    place.close()


def test_a_process_that_starts_later_learns_from_the_brokers_server_what_there_was(
    server, set_back, session_servers
):
    """F68: no process lived through it; another server remembers."""
    place, broker = RedisPlace(server.url()), RedisPlace(session_servers("valkey").url())
    place.put("a")
    back = set_back()
    place.put("b")
    LedgerWatch(place.ledger, broker.server, "test").look()
    back()
    place.open()
    assert place.ledger.known_writes() == {}
    LedgerWatch(place.ledger, broker.server, "test").look()
    assert alarms(place) == {"lost-writes"}
    assert place.claim().why == "idle"
    assert place.ledger.trust(LANE)
    LedgerWatch(place.ledger, broker.server, "test").look()
    place.open()
    LedgerWatch(place.ledger, broker.server, "test").look()
    assert alarms(place) == set()
    place.close(), broker.close()


def test_the_brokers_server_being_away_costs_only_what_it_would_have_remembered(
    on_server, tmp_path
):
    gone = RedisPlace(on_server.url)
    gone.server.connection_pool.connection_kwargs["port"] = 1  # nobody listens there
    gone.server.connection_pool.disconnect()
    on_server.put("a")
    on_server.ledger.remember_writes(LANE, 1000)
    LedgerWatch(on_server.ledger, gone.server, "test").look()
    assert alarms(on_server) == {"lost-writes"}
    gone.close()


# --- Another ledger ---------------------------------------------------------------------------


def another_ledger(place):
    """Have another ledger answer under the same address: one that has had as many writes."""
    place.server.flushall()
    for _ in range(20):
        place.server.incr(f"astakos:test:{LANE}:writes")


def test_another_ledger_that_answers_is_distrusted(on_server):
    """F68, F101: it knows none of our commissions, and so proves nothing by not knowing one."""
    place = on_server
    place.put("a")
    assert not place.ledger.distrusted(LANE)
    another_ledger(place)
    place.put("b")  # as the first that asks
    assert place.ledger.distrusted(LANE)
    assert alarms(place) == {"lost-writes"}
    assert place.claim().why == "idle"
    assert place.ledger.lost_writes() == {LANE}


@pytest.mark.parametrize("asks", ["claim", "decide", "lost_writes", "distrusted"])
def test_whoever_asks_first_finds_that_it_is_another(on_server, asks):
    """F101: a sweep too, which may begin before the heartbeat has compared for the first time."""
    place = on_server
    place.put("a", serial=7)
    place.ledger.remember_id("another")
    assert alarms(place) == set()
    {
        "claim": place.claim,
        "decide": lambda: place.decide("a"),
        "lost_writes": place.ledger.lost_writes,
        "distrusted": lambda: place.ledger.distrusted(LANE),
    }[asks]()
    assert alarms(place) == {"lost-writes"}
    assert place.ledger.distrusted(LANE)


def test_an_operator_says_that_another_ledger_continues_ours(on_server):
    """F68, F101: processes that still know the former id notice nothing again."""
    place = on_server
    place.put("a")
    first = place.ledger
    place.open()
    place.ledger.lost_writes()
    second = place.ledger
    another_ledger(place)
    assert first.lost_writes() == second.lost_writes() == {LANE}
    assert second.trust(LANE)
    place.open()
    assert first.lost_writes() == second.lost_writes() == set()
    assert first.known_id() == second.known_id() == place.server.get("astakos:test:id")
    place.put("b", late=9)
    assert place.claimed() == ["b"]
    assert not place.ledger.distrusted(LANE)


def test_a_process_that_starts_later_learns_which_ledger_it_was(server, session_servers):
    """F68, F101: every process ended, and the address leads to another ledger since."""
    place, broker = RedisPlace(server.url()), RedisPlace(session_servers("valkey").url())
    place.put("a")
    LedgerWatch(place.ledger, broker.server, "test").look()
    another_ledger(place)
    place.open()
    place.put("b")
    LedgerWatch(place.ledger, broker.server, "test").look()
    assert place.ledger.distrusted(LANE)
    assert place.ledger.trust(LANE)
    LedgerWatch(place.ledger, broker.server, "test").look()
    place.open()
    LedgerWatch(place.ledger, broker.server, "test").look()
    assert not place.ledger.distrusted(LANE) and alarms(place) == set()
    place.close(), broker.close()


def test_the_ledgers_id_is_its_own_and_not_its_servers(server):
    """A server that starts again, with what it had, is the same ledger."""
    place = RedisPlace(server.url())
    place.put("a")
    its_id = place.ledger.known_id()
    server.kill()
    server.start()
    assert place.ledger.lost_writes() == set()
    place.open()
    place.put("b")
    assert place.ledger.known_id() == its_id
    place.close()
