"""What has to hold with real workers on a Redis server as on the embedded Valkey."""

from tests.integration.cluster.servers import BOTH_SERVERS
from tests.integration.cluster.until import until

pytestmark = BOTH_SERVERS


def test_a_commission_is_issued_and_accepted(service):
    commission = service.issue("a/create", name="create a", quantity=2)
    outcome = commission.outcome(10)
    assert outcome.state == "pending" and outcome.serial
    assert service.used() == (0, 2)
    commission.accept()
    assert commission.outcome(10).state == "accepted"
    assert service.used() == (2, 0)


def test_a_commission_survives_the_kill_of_its_worker_in_the_middle(service):
    """F8, F55: killed between the POST and its answer's record; adopted by another."""
    slow = {"kind": "delay-after", "route": "commissions.issue", "seconds": 1.5, "count": 1}
    service.control.set_faults(slow)
    service.issue("orphaned", accept=True)
    until(lambda: service.issued("orphaned"), every=0.01)
    service.cluster.worker.kill()
    service.cluster.worker.restart()
    assert service.commissions.outcome("orphaned", 60).state == "accepted"
    assert service.issued("orphaned") == 1 and service.used() == (1, 0)
