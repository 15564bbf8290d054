"""F96: `kill -9` at each moment of a row's way, and of the ledger's server.

`make outbox-kills N=1000` does so at random.
"""

import random
import signal

import pytest
from sqlalchemy import create_engine, insert, update
from sqlalchemy.pool import NullPool

from astakos_worker import Commissions
from astakos_worker.configuration.settings import Settings
from tests.integration.cluster.servers import Server
from tests.integration.outbox import kills
from tests.integration.outbox.kills import child, drain, dying, ended, faults, relay, serve


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    one = Server("valkey", tmp_path_factory.mktemp("ledger"))
    one.start()
    yield one
    one.close()


@pytest.fixture
def settings(server):
    """A ledger of the test's own on the module's server."""
    name = f"t{random.getrandbits(40):x}"
    urls = {"ledger_url": server.url(1), "broker_url": server.url(0)}
    return Settings(**urls, namespace=name, patience=0.5)


@pytest.fixture
def place(url):
    """A database with the tables of the service that is killed."""
    kills.prepare(url)
    return url


@pytest.mark.parametrize("moment", kills.OF_THE_SERVICE)
def test_a_service_that_is_killed_at_a_moment_loses_and_doubles_nothing(place, settings, moment):
    """F96: each committed row is one commission, each rolled-back one is none."""
    times = 1 if moment in kills.OF_THE_RELAY else 2  # all rows may go in one batch
    status = ended(child(serve, place, settings, "one", dying(moment, times)))
    assert status == -signal.SIGKILL, "the moment did not come"
    assert ended(child(serve, place, settings, "two", dying("never", 1))) == 0
    drain(place, settings)
    assert faults(place, settings) == []


@pytest.mark.parametrize("moment", kills.OF_THE_RELAY)
def test_a_relay_that_is_killed_at_a_moment_loses_and_doubles_nothing(place, settings, moment):
    """F96: the rows that the dead relay had taken are sent by the next one."""
    nowhere = settings.model_copy(update={"ledger_url": "redis://127.0.0.1:1/0", "patience": 0.1})
    assert ended(child(serve, place, nowhere, "one", dying("never", 1))) == 0
    assert ended(child(relay, place, settings, dying(moment, 1))) == -signal.SIGKILL
    drain(place, settings)
    assert faults(place, settings) == []


def test_kills_at_random_of_service_relay_and_ledger(place, settings, server):
    """F96: the ledger's server too is killed, and started again."""
    draw = random.Random(5)
    for number in range(8):
        kills.one_kill(place, settings, draw, f"r{number}", server)
    pid = child(serve, place, settings, "server", dying("never", 1))
    server.kill()
    server.start()
    ended(pid)
    drain(place, settings)
    assert faults(place, settings) == []


def test_the_proof_would_see_a_lost_a_doubled_and_a_rolled_back_one(place, settings):
    ended(child(serve, place, settings, "one", dying("never", 1)))
    drain(place, settings)
    engine = create_engine(place, poolclass=NullPool)
    with engine.begin() as connection:
        keys = [row.key for row in connection.execute(kills.calls.select())]
        doubled = update(kills.calls).where(kills.calls.c.key == keys[0])
        connection.execute(doubled.values(incarnation="00000000"))
        lost = {"key": "lost", "incarnation": "11111111", "verb": ""}
        connection.execute(insert(kills.calls).values(lost))
    Commissions(kills.SERVICE, settings=settings).issue(**kills.ONE, key="rolled back")
    assert [fault.partition(",")[0] for fault in sorted(faults(place, settings))] == sorted(
        [
            f"{keys[0]} was issued again: {_incarnation(settings, keys[0])}",
            "lost was committed",
            "rolled back is a commission",
        ]
    )


def _incarnation(settings, key):
    return Commissions(kills.SERVICE, settings=settings).get(key).incarnation
