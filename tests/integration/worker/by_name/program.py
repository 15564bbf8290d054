"""Somebody's Celery program, which has no part of this package, and its requests by name."""

import socket

from celery import Celery
from kombu import Connection
from redis import Redis

from astakos_worker.configuration import names
from astakos_worker.sandbox.seed import project_uuid, user_uuid

VM = "cyclades.vm"
USER, TINY = user_uuid("user01@example.org"), user_uuid("tiny1@example.org")
SHARED = project_uuid("shared.example.org")
ONE = {"user": USER, "project": USER, "provisions": {VM: 1}}
ISSUE, ACCEPT = names.ISSUE_COMMISSION, names.ACCEPT_COMMISSION
ISSUE_MANY = names.ISSUE_COMMISSIONS
REJECT, RESOLVE = names.REJECT_COMMISSION, names.RESOLVE_COMMISSIONS


class Program:
    """Somebody's Celery program: it knows the broker's address, the names and the queue."""

    def __init__(self, broker_url):
        self.broker_url = broker_url
        self.app = Celery("somebody", broker=broker_url, backend=broker_url, set_as_current=False)

    def send(self, task, /, **message):
        return self.app.send_task(task, queue=names.COMMISSIONS, kwargs=message)

    def ask(self, task, /, **message):
        return self.send(task, **message).get(timeout=30)

    def publish(self, body, **properties):
        """Put a message on the queue as it is, whatever it is."""
        with Connection(self.broker_url) as connection, connection.Producer() as producer:
            exchange = names.COMMISSIONS
            producer.publish(body, exchange=exchange, routing_key=exchange, **properties)

    def left(self):
        """How many messages wait, and how many a worker has not acknowledged."""
        with Redis.from_url(self.broker_url) as broker:
            return broker.llen(names.COMMISSIONS) + broker.hlen(names.unacked_key("default"))

    def close(self):
        self.app.close()


def events(control, key):
    """What became of a key in Astakos, in order."""
    return [row["event"] for row in control.journal() if f" {key} " in row["name"]]


def received(stack):
    """How many tasks the worker has taken on so far."""
    node = f"commissions-1@{socket.gethostname()}"
    with Celery(broker=stack.broker_url, set_as_current=False) as app:
        app.conf.control_exchange = names.control_exchange("default")
        [stats] = app.control.inspect([node], timeout=10).stats().values()
    return sum(stats["total"].values())
