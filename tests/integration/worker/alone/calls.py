"""Timing what a request handler calls, and looking at what the broker has got of it."""

import threading
import time

import pytest
from redis import Redis

from astakos_worker import Settings, Unavailable
from astakos_worker.configuration import names

#: Seconds: a service's patience is one; the rest is a busy machine's.
BOUND = 5.0

#: The patience that a service has if nobody sets another.
BY_DEFAULT = pytest.mark.parametrize("patience", [Settings.model_fields["patience"].default])


def messages(broker):
    with Redis.from_url(broker.url()) as connection:
        return connection.llen(names.COMMISSIONS)


def timed(call):
    """Return what a call raised, if anything, and the seconds that it took."""
    began, raised = time.monotonic(), None
    try:
        call()
    except Exception as error:  # noqa: BLE001  # it is judged by the test
        raised = error
    return raised, time.monotonic() - began


def at_once(commissions, calls):
    """Make each call in a thread of its own; return what `timed` says of each."""
    answers = {}

    def make(name, call):
        answers[name] = timed(lambda: call(commissions))

    threads = [threading.Thread(target=make, args=each) for each in calls.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def again(call):
    """Return what the call returns, or None while the ledger is away."""
    try:
        return call()
    except Unavailable:
        return None
