"""Every place where a ledger can be kept: a contract test runs on each."""

import pytest

from tests.integration.ledger.places import MemoryPlace, RedisPlace

SERVERS = ["valkey", pytest.param("redis", marks=pytest.mark.redis_server)]


@pytest.fixture(params=["memory", *SERVERS])
def place(request):
    """A place with an empty ledger, whatever it is kept in."""
    if request.param == "memory":
        place = MemoryPlace()
    else:
        place = RedisPlace(request.getfixturevalue("session_servers")(request.param).url())
    yield place
    place.close()


@pytest.fixture(params=SERVERS)
def on_server(request, session_servers):
    """A place with an empty ledger on a server that other tests share; not to be killed."""
    place = RedisPlace(session_servers(request.param).url())
    yield place
    place.close()
