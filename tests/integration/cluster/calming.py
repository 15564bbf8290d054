"""Puts a shared cluster to rest after a test, whatever the test did to it."""

from redis import Redis

from astakos_worker import Commissions
from astakos_worker.configuration import names
from astakos_worker.service.connect import ledger_of
from astakosclient import AstakosClient
from tests.integration.cluster.running import Cluster
from tests.integration.cluster.until import until

LANE = "default"
QUEUES = (names.COMMISSIONS, names.LOOKUPS, names.SWEEP)


def calm(cluster: Cluster) -> None:
    """Leave every worker running, nothing wrong, nothing pending, nobody awake, no message."""
    for worker in cluster.workers:
        worker.container.resume()
        if not worker.container.process.alive:
            worker.container.start()
    cluster.sandbox.control.clear_faults()
    cluster.sandbox.control.set_cost("none")
    cluster.sandbox.control.set_quirks()
    ledger = ledger_of(cluster.settings, patience=30)
    ledger.end_rest(LANE)
    until(lambda: _has_ended(cluster, ledger), within=60)
    for name in ledger.lane(LANE).alarms:
        ledger.alarm(LANE, name, None)


def _has_ended(cluster, ledger):
    """Whether nothing is left; what is left undecided is rejected, as its owner would."""
    if undecided := [key for _, key in ledger.held(LANE)]:
        Commissions(settings=cluster.settings).resolve(reject=undecided)
        return False
    lane = ledger.lane(LANE)
    with Redis.from_url(cluster.server.url(0)) as broker:
        messages = sum(broker.llen(queue) for queue in QUEUES) + broker.hlen(
            names.unacked_key("default")
        )
    if lane.open or lane.awake or messages:
        return False
    if others := [row["serial"] for row in cluster.sandbox.control.commissions("cyclades")]:
        client = AstakosClient(cluster.sandbox.token, cluster.sandbox.auth_url)
        client.resolve_commissions([], others)
        client.close()
    return True
