"""Look-ups while the broker or the workers are away: asked again, or unavailable in time."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from astakos_worker import Lookups, Unavailable
from astakos_worker.configuration import names
from tests.integration.cluster.until import until
from tests.integration.worker.lookups.asking import NAME, SLACK, USER, requests, timed


def test_one_that_the_broker_lost_is_asked_again(settings, broker, paused):
    """Within its caller's time-out, and unasked."""
    lookups = Lookups(settings=settings, timeout=15)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(timed, lookups.usernames, [USER])
        until(lambda: broker.llen(names.LOOKUPS) == 1, every=0.01)
        assert names.LOOKUP in broker.lpop(names.LOOKUPS)
        paused.resume()
        answer, took = asked.result(timeout=30)
    assert answer == {USER: NAME}
    assert took >= 15 / 3


def test_without_workers_it_is_unavailable_in_time_and_asked_of_nobody_later(
    settings, control, broker, paused
):
    """What nobody waits for any more is not done."""
    error, took = timed(Lookups(settings=settings, timeout=1.5).usernames, [USER])
    assert isinstance(error, Unavailable) and "'usernames'" in str(error)
    assert 1.5 <= took < 1.5 + SLACK
    assert broker.llen(names.LOOKUPS) == 3
    before = requests(control)
    until(lambda: all(_expired(message) for message in broker.lrange(names.LOOKUPS, 0, -1)))
    paused.resume()
    until(lambda: broker.llen(names.LOOKUPS) == broker.hlen(names.unacked_key("default")) == 0)
    assert requests(control) == before


def _expired(message):
    expires = datetime.fromisoformat(json.loads(message)["headers"]["expires"])
    return expires < datetime.now(UTC)


def test_a_broker_that_does_not_answer_makes_it_unavailable_in_time(settings, stack, lookups):
    """F56: the question cannot be sent, so its caller waits no longer than the patience."""
    patient = Lookups(settings=settings, timeout=20)
    assert patient.usernames([USER]) == {USER: NAME}
    server = stack.processes["broker"]
    server.pause()
    try:
        error, took = timed(patient.usernames, [USER])
    finally:
        server.resume()
    assert isinstance(error, Unavailable)
    assert took < settings.patience + SLACK
    assert lookups.usernames([USER]) == {USER: NAME}


@pytest.mark.parametrize("harm", ["pause", "kill"])
def test_a_broker_that_goes_away_in_the_middle_keeps_nobody(settings, stack, paused, broker, harm):
    """F56: it is asked again if the broker comes back in time."""
    seconds = 3 if harm == "pause" else 30
    patient = Lookups(settings=settings, timeout=seconds)
    server = stack.processes["broker"]
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(timed, patient.usernames, [USER])
        until(lambda: broker.llen(names.LOOKUPS) == 1, every=0.01)
        getattr(server, harm)()
        try:
            if harm == "kill":
                paused.resume()
            answer, took = asked.result(timeout=60)
        finally:
            server.resume()
    if harm == "kill":
        assert answer == {USER: NAME}
    else:
        assert isinstance(answer, Unavailable) and took < seconds + SLACK
