"""A service's calls over the shipped ledger in memory; a test plays the workers."""

from functools import reduce
from types import SimpleNamespace

import pytest

from astakos_worker.configuration.settings import Settings
from astakos_worker.ledger import events
from astakos_worker.ledger.contract import Write
from astakos_worker.ledger.memory.store import MemoryLedger
from astakos_worker.ledger.record import bare_key
from astakos_worker.ledger.states import transition
from astakos_worker.service.commissions import Commissions
from astakos_worker.service.waiting import Watcher
from astakosclient.errors import QuotaLimit

LANE = "default"
#: What a request handler asks for.
VM = {"user": "u", "project": "p", "provisions": {"cyclades.vm": 1}}
#: What Astakos says to one VM too many.
OVER_QUOTA = QuotaLimit(
    "over the limit",
    holder="user:u",
    source="project:p",
    resource="cyclades.vm",
    limit=2,
    usage=2,
    quantity=1,
    case="member",
).to_dict()


class Clock:
    """The ledger's time, which a test moves."""

    def __init__(self):
        self.at = 1_700_000_000.0

    def now(self):
        return self.at

    def passes(self, seconds):
        self.at += seconds


class Bell:
    """Takes wake-ups: which ones came, and whether the ledger had the record by then."""

    def __init__(self):
        self.rung = []
        self.ledger = None

    def wake(self, task, service, key, version):
        known = self.ledger.get(service, [key])[key].version >= version
        self.rung.append((task, service, key))
        assert known, "a message came before its record"
        return True


class Listener:
    """Passes on the changes that the ledger in memory publishes."""

    def __init__(self):
        self.heard = {}

    def listen(self, lane, heard):
        self.heard.setdefault(lane, heard)

    def changed(self, lane, key):
        self.tell(key, None, lane)

    def tell(self, key, entry, lane=LANE):
        if lane in self.heard:
            self.heard[lane](key, entry)


class Worker:
    """Plays the workers: records what became of a commission."""

    def __init__(self, ledger):
        self.ledger = ledger

    def entry(self, which):
        key = bare_key(which) if isinstance(which, int) else which
        return self.ledger.get(LANE, [key])[key]

    def does(self, which, *steps):
        """Record these events for a commission, and return its record."""
        entry, now = self.entry(which), self.ledger.clock.now()
        record = reduce(lambda one, event: transition(one, event, now), steps, entry.record)
        [verdict] = self.ledger.cas([Write(record, entry.version)])
        assert verdict.done
        return verdict.entry.record

    def announces(self, key):
        now = self.ledger.clock.now()
        return self.does(key, events.Marked(now + 10, now + 85))

    def issues(self, key, serial):
        self.announces(key)
        return self.does(key, events.Issued(serial))

    def is_refused(self, key, fault=OVER_QUOTA):
        record = self.announces(key)
        return self.does(key, events.Refused(record.marks, fault))

    def settles(self, which):
        return self.does(which, events.SettleMarked(), events.Settled())


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def settings(monkeypatch):
    monkeypatch.setenv("ASTAKOS_TIMES", "demo")
    return Settings()


@pytest.fixture
def listener():
    return Listener()


@pytest.fixture
def ledger(clock, listener):
    return MemoryLedger(clock, changed=listener.changed)


@pytest.fixture
def bell(ledger):
    bell = Bell()
    bell.ledger = ledger
    return bell


@pytest.fixture
def connections(ledger, bell, listener):
    return SimpleNamespace(ledger=ledger, waker=bell, watcher=Watcher(ledger, listener))


@pytest.fixture
def commissions(settings, connections):
    return Commissions(settings=settings, connections=connections)


@pytest.fixture
def worker(ledger):
    return Worker(ledger)
