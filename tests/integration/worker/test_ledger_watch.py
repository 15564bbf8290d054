"""What the heartbeat remembers of the ledger outside the ledger, and what it makes of it."""

import pytest
from redis import Redis

from astakos_worker import Commissions, Settings
from astakos_worker.local import LocalStack
from astakos_worker.sandbox.control_client import ControlClient
from astakos_worker.sandbox.seed import user_uuid
from astakos_worker.service.connect import ledger_of
from astakos_worker.worker.ledger_watch import LedgerWatch
from tests.integration.cluster.servers import Server
from tests.integration.cluster.until import until
from tests.integration.ledger.places import LANE, RedisPlace

USER = user_uuid("user01@example.org")


@pytest.fixture
def places(session_servers):
    """A ledger, another one that is empty, and the broker's server; each on its own database."""
    url = session_servers("valkey").url
    made = [RedisPlace(url(number)) for number in range(3)]
    yield made
    for place in made:
        place.close()


def alarms(place):
    return set(place.ledger.lane(LANE).alarms)


def test_another_ledger_than_the_one_that_is_remembered_is_distrusted(places):
    """F101: by a process that starts with a wrong address, from its first look on."""
    ledger, other, broker = places
    ledger.put("a")
    LedgerWatch(ledger.ledger, broker.server, "test").look()
    for _ in range(2):
        other.open()
        LedgerWatch(other.ledger, broker.server, "test").look()
        assert alarms(other) == {"lost-writes"}
        assert other.ledger.distrusted(LANE)
    ledger.open()
    LedgerWatch(ledger.ledger, broker.server, "test").look()
    assert alarms(ledger) == set() and not ledger.ledger.distrusted(LANE)


def test_another_ledger_with_as_many_writes_is_distrusted_too(places):
    """F101: the id tells, where the count does not."""
    ledger, other, broker = places
    ledger.put("a")
    LedgerWatch(ledger.ledger, broker.server, "test").look()
    for number in range(5):
        other.put(f"b-{number}")
    other.open()
    LedgerWatch(other.ledger, broker.server, "test").look()
    assert alarms(other) == {"lost-writes"}


def test_a_ledger_that_an_operator_trusts_is_the_one_that_is_remembered(places):
    ledger, other, broker = places
    ledger.put("a")
    LedgerWatch(ledger.ledger, broker.server, "test").look()
    other.put("b")
    other.open()
    watch = LedgerWatch(other.ledger, broker.server, "test")
    watch.look()
    other.ledger.trust(LANE)
    watch.look()
    other.open()
    LedgerWatch(other.ledger, broker.server, "test").look()
    assert alarms(other) == set()


@pytest.mark.parametrize("rubbish", ["many", "", "-3", "1e9", "9" * 30, "\u0663", b"\xff"])
def test_rubbish_among_the_counts_ends_no_watch_and_is_replaced(places, rubbish):
    """F51: a heartbeat that ended for it would leave a worker that works and counts as dead."""
    ledger, _, broker = places
    ledger.put("a")
    broker.server.hset("astakos:test:writes", mapping={LANE: rubbish, "other": rubbish})
    broker.server.set("astakos:test:ledger", rubbish)
    watch = LedgerWatch(ledger.ledger, broker.server, "test")
    watch.exchange()
    watch.look()
    assert alarms(ledger) == set()
    assert int(broker.server.hget("astakos:test:writes", LANE)) >= 1


def test_workers_on_a_wrong_ledger_reject_nothing_that_is_live(tmp_path):
    """F101: 15 live commissions were rejected as orphans, seconds after the alarm."""
    right, wrong = (Server("valkey", tmp_path / name) for name in made(tmp_path, "right", "wrong"))
    right.start(), wrong.start()
    alone = {"workers": 1, "lookups": 0, "flower": False}
    env = {"ASTAKOS_LEDGER_URL": right.url(), "ASTAKOS_QUARANTINE": "4", "ASTAKOS_GRACE": "2"}
    with LocalStack(tmp_path / "stack", **alone, env=env) as stack:
        control = ControlClient(stack.sandbox_url)
        settings = Settings(times="demo", broker_url=stack.broker_url, ledger_url=right.url())
        commissions = Commissions(settings=settings)
        keys = [f"k-{number}" for number in range(15)]
        for key in keys:
            commissions.issue(user=USER, project=USER, provisions={"cyclades.vm": 1}, key=key)
        for key in keys:
            commissions.outcome(key, 30)
        until(lambda: stack_remembers(stack))
        for process in stack.processes.values():
            if "ASTAKOS_LEDGER_URL" in process.environment:
                process.kill()
                process.environment["ASTAKOS_LEDGER_URL"] = wrong.url()
                process.start()
        other = ledger_of(settings.model_copy(update={"ledger_url": wrong.url()}))
        until(lambda: "lost-writes" in other.lane("default").alarms, within=60)
        before = lists(control)
        until(lambda: lists(control) >= before + 5, within=90)  # beyond grace and quarantine
        events = [row["event"] for row in control.journal()]
        assert events.count("issued") == 15 and "rejected" not in events
    right.close(), wrong.close()


def made(directory, *names):
    for name in names:
        (directory / name).mkdir()
    return names


def stack_remembers(stack):
    with Redis.from_url(stack.broker_url) as broker:
        return broker.get("astakos:default:ledger")


def lists(control):
    """How often Astakos was asked for its pending commissions: once a sweep, at least."""
    return sum(control.audit()["requests"].get("commissions.list", {}).values())
