"""What workers say that they serve, in each place where a ledger can be kept."""

from contextlib import closing

from astakos_worker.configuration.servers import connect
from astakos_worker.ledger.contract import Served
from astakos_worker.ledger.redis.store import RedisLedger
from tests.integration.cluster.until import until
from tests.integration.ledger.places import LONG, SOON


def served(place):
    return {(one.service, one.queue) for one in place.ledger.served()}


def test_what_a_worker_serves_is_known(place):
    place.ledger.serve(["a", "b"], ["q", "r"], LONG)
    assert served(place) == {("a", "q"), ("a", "r"), ("b", "q"), ("b", "r")}


def test_it_is_forgotten_when_its_time_is_over_and_another_workers_is_not(place):
    place.ledger.serve(["a"], ["q"], LONG)
    place.ledger.serve(["a"], ["r"], SOON)
    place.passes(2 * SOON)
    until(lambda: served(place) == {("a", "q")}, within=5)


def test_a_worker_that_says_it_again_is_known_for_longer(place):
    place.ledger.serve(["a"], ["q"], SOON)
    place.ledger.serve(["a"], ["q"], LONG)
    place.passes(2 * SOON)
    assert served(place) == {("a", "q")}


def test_a_worker_that_serves_nothing_says_nothing(place):
    place.ledger.serve([], ["q"], LONG)
    place.ledger.serve(["a"], [], LONG)
    assert served(place) == set()


def test_the_namespaces_of_one_server_see_each_other(on_server):
    with closing(connect(on_server.url, patience=5)) as connection:
        RedisLedger(connection, "staging").serve(["b"], ["q"], LONG)
    on_server.ledger.serve(["a"], ["q"], LONG)
    assert on_server.ledger.served() == {Served("staging", "b", "q"), Served("test", "a", "q")}
