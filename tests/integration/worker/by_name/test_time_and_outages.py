"""Requests by name that wait, for another request or for the ledger: on clusters of their own."""

import pytest

from astakos_worker import Commissions, UnknownKey
from tests.integration.cluster.servers import Server
from tests.integration.cluster.until import until
from tests.integration.worker.by_name.program import ACCEPT, ISSUE, ONE, Program


@pytest.fixture
def ledger_server(tmp_path, processes):
    """A server for the ledger alone."""
    directory = tmp_path / "ledger"
    directory.mkdir()
    server = Server("valkey", directory)
    processes.append(server.process)
    server.start()
    yield server
    server.close()


@pytest.fixture
def extra_environment(ledger_server):
    return {"ASTAKOS_LEDGER_URL": ledger_server.url(1), "ASTAKOS_AWAITED": "1"}


@pytest.fixture
def alone(cluster):
    """The program of a cluster of its own."""
    program = Program(cluster.server.url(0))
    yield program
    program.close()


def test_a_decision_whose_request_never_comes_is_dead_with_the_reason(alone, cluster):
    """F77: a typo in a key must not wait for ever, nor vanish."""
    assert alone.ask(ACCEPT, key="a typo")["state"] == "awaited"
    ours = Commissions(settings=cluster.settings)
    until(lambda: ours.get("a typo").state == "dead", within=20)
    assert "its request never came" in ours.get("a typo").error["message"]
    with pytest.raises(UnknownKey):
        ours.accept("another typo")


def test_a_message_that_meets_no_ledger_is_tried_again(alone, cluster, ledger_server):
    """Nobody else knows of it: thrown away, it would be lost."""
    ledger_server.kill()
    sent = [alone.send(ISSUE, key="patient", accept=True, **ONE), alone.send(ISSUE, **ONE)]
    until(lambda: all(each.state == "RETRY" for each in sent))
    ledger_server.start()
    keys = [each.get(timeout=60)["key"] for each in sent]
    assert keys == ["patient", sent[1].id]
    ours = Commissions(settings=cluster.settings)
    assert [ours.outcome(key, 20).state for key in keys] == ["accepted", "pending"]
    events = [row["event"] for row in cluster.sandbox.control.journal()]
    assert events.count("issued") == 2
