"""Plain Celery: a task for the issue, a task for the accept, and the same batched by hand.

What a good engineer writes in an afternoon instead of installing anything: one pooled HTTP call a
task, Celery's own retries, no ledger. Unsafe: a lost answer is retried, and reserves twice.

    celery -A bench.rivals.plain worker --pool threads
"""

import os
from functools import cache

from celery import Celery
from redis import Redis

from astakosclient import AstakosClient
from astakosclient.errors import AstakosClientException, QuotaLimit

BROKER = os.environ["BENCH_BROKER_URL"]
QUEUE = "plain"
BATCH = 50
COLLECTED = "plain:collected"

app = Celery("plain", broker=BROKER, backend=BROKER, set_as_current=False)
app.conf.update(
    task_acks_late=True,
    task_default_queue=QUEUE,
    worker_send_task_events=True,  # seen in Flower, as ours are
    # With kombu's default of 10, acknowledgements get lost under this many threads.
    broker_transport_options={"max_connections": 64},
)

RETRIED = {
    "autoretry_for": (AstakosClientException,),
    "dont_autoretry_for": (QuotaLimit,),
    "retry_backoff": True,
    "max_retries": 5,
}


@cache
def client() -> AstakosClient:
    url, token = os.environ["BENCH_AUTH_URL"], os.environ["BENCH_TOKEN"]
    return AstakosClient(token, url, use_pool=True, pool_size=32)


@cache
def collected() -> Redis:
    return Redis.from_url(BROKER)


# --- A task each ------------------------------------------------------------------------------


@app.task(**RETRIED)
def issue(user, project, provisions, name):
    return client().issue_one_commission(user, project, provisions, name)


@app.task(**RETRIED)
def accept(serial):
    client().accept_commission(serial)


# --- The accepts collected, in tasks of 50 ----------------------------------------------------


@app.task(**RETRIED)
def issue_and_collect(user, project, provisions, name):
    serial = client().issue_one_commission(user, project, provisions, name)
    if collected().rpush(COLLECTED, serial) >= BATCH:
        accept_collected()
    return serial


def accept_collected():
    if batch := collected().lpop(COLLECTED, BATCH):
        accept_many.delay([int(serial) for serial in batch])


@app.task(**RETRIED)
def accept_many(serials):
    client().resolve_commissions(serials, [])


# --- A look-up --------------------------------------------------------------------------------


@app.task(**RETRIED)
def uuid(name):
    return client().service_get_uuids([name])
