"""A service under gevent: its calls let other greenlets run, also while a server is frozen."""

import os
import subprocess
import sys

from astakos_worker.configuration import names
from tests.integration.service.test_surroundings import keys

PROGRAM = """
from gevent import monkey
monkey.patch_all()

import os, signal, sys, threading
import gevent
from astakos_worker import Commissions, Lookups, Unavailable

ledger = int(sys.argv[1])
commissions, lookups = Commissions(), Lookups(timeout=1)

def issue(n):
    what = {"user": "u", "project": "p", "provisions": {"cyclades.vm": 1}}
    return commissions.issue(**what, key=f"k-{n}").state

jobs = [gevent.spawn(issue, n) for n in range(100)]
gevent.joinall(jobs, raise_error=True)
assert {job.value for job in jobs} == {"queued"}
commissions._connections.waker.flush()
print("sent" if commissions._connections.waker._serving else "no thread")

ticks = 0

def tick():
    global ticks
    while True:
        gevent.sleep(0.01)
        ticks += 1

gevent.spawn(tick)
os.kill(ledger, signal.SIGSTOP)
try:
    issue(200)
except Unavailable:
    print("went on" if ticks > 10 else f"stood still: {ticks}")
finally:
    os.kill(ledger, signal.SIGCONT)
try:
    lookups.quotas(user="u")
except Unavailable as error:
    print(error)
"""


def test_calls_under_gevent_let_other_greenlets_run(server, broker):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(server.process.pid)],
        env={
            **os.environ,
            "ASTAKOS_BROKER_URL": broker.url(),
            "ASTAKOS_LEDGER_URL": server.url(1),
            "ASTAKOS_NAMES_KEPT": "0",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    sent, went_on, no_answer = done.stdout.splitlines()
    assert sent == "sent"
    assert went_on == "went on"
    assert "no worker runs on this ledger" in no_answer
    assert {names.COMMISSIONS, names.LOOKUPS} <= keys(broker)
