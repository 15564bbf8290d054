"""What workers say of themselves on the ledger's server: renewed, withdrawn, forgotten, read."""

import json
import time

import pytest
from redis import Redis

from astakos_worker.worker.health.presence import Presences, Said


@pytest.fixture
def server(redis_url):
    with Redis.from_url(redis_url, decode_responses=True) as server:
        yield server


@pytest.fixture
def presences(server):
    return Presences(server, "test")


def test_a_worker_is_read_as_it_said_until_it_withdraws(presences):
    said = Said("w@a", 5.0, ("q",), ("default",), 1.5, busy=True, faults={"default": "no file"})
    presences.renew(said)
    presences.renew(said)
    [[one], beat] = presences.read()
    assert beat is None and one.age < 5 and abs(one.clock) < 1
    assert (one.node, one.up, one.queues, one.services) == ("w@a", 5.0, ("q",), ("default",))
    assert (one.unanswered, one.busy, one.faults) == (1.5, True, {"default": "no file"})
    presences.withdraw("w@a")
    assert presences.read() == ((), None)


def test_a_clock_that_is_wrong_makes_no_worker_look_dead(server):
    presences = Presences(server, "test", clock=lambda: time.time() - 100)
    presences.renew(Said("w@a"))
    [[one], _] = presences.read()
    assert one.age < 5 and -101 < one.clock < -99


def test_beat_is_told_apart_from_workers(presences):
    presences.beat_ordered("beat@a", ("default",))
    workers, beat = presences.read()
    assert workers == () and beat is not None and beat.node == "beat@a" and beat.age < 5


def test_who_fell_silent_long_ago_is_forgotten(presences, server):
    presences.renew(Said("new@a"))
    row = json.loads(server.hget("astakos:test:workers", "new@a"))
    old = json.dumps({**row, "node": "old@a", "at": row["at"] - 601})
    server.hset("astakos:test:workers", "old@a", old)
    presences.forget_old()
    assert [one.node for one in presences.read()[0]] == ["new@a"]


@pytest.mark.parametrize(
    "rubbish", ["", "null", "[]", "{}", '{"node": 1, "at": []}', "\x00", "9" * 400]
)
def test_rubbish_is_no_worker_and_hides_no_other(presences, server, rubbish):
    presences.renew(Said("w@a"))
    server.hset("astakos:test:workers", "x@a", rubbish)
    assert [one.node for one in presences.read()[0]] == ["w@a"]
