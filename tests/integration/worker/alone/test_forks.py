"""A service's process that forks, as its server does: no connection is used on both sides."""

import subprocess
import sys

import pytest

from astakos_worker import Settings
from astakos_worker.ledger.record import State
from astakos_worker.service.connect import ledger_of

#: Parent and children issue, decide and wait at the same time, with one `Commissions` made and
#: used before the forks, while other threads of the parent are in the middle of calls.
PROGRAM = """
import os, threading
from astakos_worker import Commissions, OutcomeTimeout

commissions = Commissions()
VM = {"user": "u", "project": "p", "provisions": {"cyclades.vm": 1}}

def work(name):
    for number in range(40):
        commission = commissions.issue(**VM, key=f"{name}-{number}", name=name)
        assert commission.key == f"{name}-{number}", commission
        assert commission.accept().last.decision == "accept"
        seen = commissions.get(commission.key)
        assert (seen.key, seen.decision) == (commission.key, "accept"), seen
    try:
        commissions.outcome(f"{name}-0", timeout=0.3)
    except OutcomeTimeout:
        pass

work("before")
threads = [threading.Thread(target=work, args=(f"thread-{n}",)) for n in range(3)]
for thread in threads:
    thread.start()
children = []
for number in range(4):
    child = os.fork()
    if not child:
        code = 1
        try:
            work(f"child-{number}")
            code = 0
        finally:
            os._exit(code)
    children.append(child)
work("parent")
for thread in threads:
    thread.join()
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
assert codes == [0] * 4, codes
work("after")
print("done")
"""


@pytest.fixture
def service_environment(redis_url):
    database = redis_url.rpartition("/")[0]
    return {
        "ASTAKOS_TIMES": "demo",
        "ASTAKOS_PATIENCE": "10",  # nobody is away here
        "ASTAKOS_BROKER_URL": f"{database}/0",
        "ASTAKOS_LEDGER_URL": f"{database}/1",
    }


def test_children_issue_while_their_parent_does(service_environment, monkeypatch):
    """No answer reaches the wrong process, nothing hangs, nothing is lost or doubled."""
    for name, value in service_environment.items():
        monkeypatch.setenv(name, value)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    ledger = ledger_of(Settings())
    people = ["before", "parent", "after", *(f"thread-{n}" for n in range(3))]
    people += [f"child-{n}" for n in range(4)]
    keys = [f"{name}-{number}" for name in people for number in range(40)]
    entries = ledger.get("default", keys)
    assert {entry.record.request.name for entry in entries.values()} == set(people)
    assert {entry.record.state for entry in entries.values()} == {State.QUEUED}
    assert {entry.cell.verb for entry in entries.values()} == {"accept"}
    assert ledger.lane("default").open == len(keys) == len(entries)
