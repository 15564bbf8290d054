"""The names that are looked up, and what a look-up costs: seconds, requests, messages."""

import time

from astakos_worker import Unavailable
from astakos_worker.sandbox.seed import project_uuid, user_uuid

VM = "cyclades.vm"
USERS = {user_uuid(name): name for name in (f"user{n:02}@example.org" for n in range(1, 17))}
USER, NAME = next(iter(USERS.items()))
SHARED = project_uuid("shared.example.org")
STRANGER = "00000000-0000-4000-8000-000000000000"
#: Seconds beyond a time-out that a busy machine may take to say so.
SLACK = 3.0


def timed(call, *arguments):
    """Return what a call raised, or returned, and the seconds that it took."""
    began = time.monotonic()
    try:
        result = call(*arguments)
    except Unavailable as error:
        result = error
    return result, time.monotonic() - began


def requests(control):
    """How many requests for names have reached Astakos."""
    return sum(control.audit()["requests"].get("service.catalogs", {}).values())


def sent(broker):
    """How many messages have been sent, to any queue."""
    return broker.info("commandstats")["cmdstat_lpush"]["calls"]
