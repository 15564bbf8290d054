"""Answers of the ledger's server that come late are no step of its clock (F89)."""

from urllib.parse import urlsplit

import pytest

from tests.integration.cluster.forwarder import Forwarder
from tests.integration.ledger.places import LANE, RedisPlace

#: More than two clocks may differ by without being called a step.
LATE = 1.3
#: Seconds until a call compares the two clocks again.
COMPARES = 1.1


@pytest.fixture
def road(on_server):
    """The way to the server, which may be slow."""
    road = Forwarder(urlsplit(on_server.url).port)
    yield road
    road.close()


@pytest.fixture
def slow(road):
    """A place whose first answers were all late."""
    place = RedisPlace(road.url())
    place.ledger.lanes()  # connects
    road.late = LATE
    place.put("first")
    yield place
    place.close()


def no_step(on_server):
    return on_server.server.get("astakos:test:clock") is None


def test_a_first_answer_that_was_late_is_no_step(on_server, road, slow):
    """F89: the next answer is quick. By the first one, the server's clock went 1.3 s too far."""
    road.late = 0.0
    on_server.passes(COMPARES)
    slow.put("second")
    assert no_step(on_server)
    assert slow.ledger.lane(LANE).alarms == {}
    assert abs(slow.now() - on_server.now()) < LATE / 2
