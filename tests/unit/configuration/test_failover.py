"""Which errors of a server say that it is not the one that takes writes now."""

import pytest
import redis

from astakos_worker.configuration.failover import is_wrong_server


@pytest.mark.parametrize(
    "error",
    [
        redis.ReadOnlyError("You can't write against a read only replica."),
        redis.exceptions.MasterDownError("Link with MASTER is down"),
        redis.exceptions.BusyLoadingError("Redis is loading the dataset in memory"),
        redis.ResponseError("READONLY You can't write against a read only replica."),
        redis.ResponseError("user_script:3: READONLY You can't write against a read only replica."),
        redis.ResponseError("@user_script: 12: LOADING Valkey is loading the dataset in memory"),
        redis.ResponseError("NOREPLICAS Not enough good replicas to write."),
        redis.ResponseError("MASTERDOWN Link with MASTER is down"),
        redis.ResponseError("UNBLOCKED force unblock from blocking operation"),
    ],
)
def test_a_server_that_cannot_take_writes_is_the_wrong_one(error):
    """F90."""
    assert is_wrong_server(error)


@pytest.mark.parametrize(
    "error",
    [
        redis.ResponseError("WRONGTYPE Operation against a key"),
        redis.ResponseError("unknown command 'READONLY'"),
        redis.ResponseError("a key that is named READONLY is of the wrong type"),
        redis.ConnectionError("Connection refused"),
        redis.ResponseError("OOM command not allowed when used memory > 'maxmemory'"),
    ],
)
def test_another_error_is_an_error_of_the_right_server(error):
    assert not is_wrong_server(error)
