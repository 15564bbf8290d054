"""What a wake-up looks like on the broker, to workers and to Flower."""

import json

from redis import Redis

from astakos_worker import Commissions
from astakos_worker.configuration import names
from astakos_worker.service.broker import producer
from tests.integration.cluster.until import until
from tests.integration.worker.alone.calls import messages
from tests.unit.service.conftest import LANE, VM


def test_a_wake_up_is_the_message_that_celery_makes(settings, broker):
    """Whatever is spared in sending one, Flower shows it as every other."""
    key = 'it\'s "server 42"/create'
    Commissions(settings=settings).issue(**VM, key=key)
    until(lambda: messages(broker) == 1)
    with Redis.from_url(broker.url()) as connection:
        ours = json.loads(connection.rpop(names.COMMISSIONS))
        producer(settings).send_task(
            names.WAKE_ISSUE,
            kwargs={"service": LANE, "key": key},
            task_id=ours["headers"]["id"],
            queue=names.COMMISSIONS,
            ignore_result=True,
        )
        celerys = json.loads(connection.rpop(names.COMMISSIONS))
    assert (ours["headers"], ours["body"]) == (celerys["headers"], celerys["body"])
    assert ours["headers"]["kwargsrepr"] == repr({"service": LANE, "key": key})
    # What Celery was told about how to show it stands there a second time.
    of_celerys = {name: ours["properties"].get(name) for name in celerys["properties"]}
    differ = {name for name, value in celerys["properties"].items() if of_celerys[name] != value}
    assert differ == {"delivery_tag", "reply_to"}  # its number, and the thread that sent it
