"""A cloud as it is: a service at work, other software on its token, and what gets lost on the way.

Each actor is a thread that keeps a record of what it did; what Astakos says in the end is compared
with these records. None of them asks the ledger what it thinks.
"""

import random
import secrets
import threading
import time
from collections import defaultdict
from contextlib import suppress

from astakos_worker.ledger.request import Tag, read_tag
from astakos_worker.service.inside import history
from astakosclient import AstakosClient, AstakosClientException

RAM = "cyclades.ram"

PLANTED = ("orphan", "ghost", "twin")
FOREIGN = ("a volume", "a server")

#: Seconds that a slow request handler takes: longer than grace and quarantine.
_SLOW = (6.0, 15.0)


class Actor(threading.Thread):
    """Does one thing after the other until it is told to stop; then says what went wrong."""

    def __init__(self, name, seed):
        super().__init__(name=name, daemon=True)
        self.random = random.Random(seed)
        self.over = threading.Event()
        self.error = None

    def run(self):
        try:
            while not self.over.is_set():
                self.act()
            self.leave()
        except BaseException as error:  # noqa: BLE001  # told by the test
            self.error = error

    def act(self):
        raise NotImplementedError

    def leave(self):
        """What is left to do when it is over."""

    def pause(self, low, high):
        self.over.wait(self.random.uniform(low, high))


class Handlers(Actor):
    """Request handlers of a service: they issue, wait or not, and accept or reject."""

    def __init__(self, name, seed, service):
        super().__init__(name, seed)
        self.service = service
        self.wanted = {}  # key -> what was decided; None: nothing
        self.slow = []  # (when, key): to be decided then
        self.count = 0

    def act(self):
        self.count += 1
        key = f"{self.name}-{self.count}"
        accept = self.count != 2 and self.random.random() < 0.2
        commission = self.service.commissions.issue(
            user=self.service.user,
            project=self.service.user,
            provisions={RAM: 1},
            key=key,
            accept=accept,
        )
        self.wanted[key] = "accept" if accept else None
        chance = self.random.random()
        if accept or self.count == 2:
            pass  # of the second one nobody decides
        elif chance < 0.1:
            self.slow.append((time.monotonic() + self.random.uniform(*_SLOW), key))
        elif chance < 0.15:
            pass  # nobody ever decides
        else:
            if chance < 0.5:
                commission.outcome(60)
            self.pause(0.0, 0.3)
            self.decide(key)
        while self.slow and self.slow[0][0] < time.monotonic():
            self.decide(self.slow.pop(0)[1])
        self.pause(0.05, 0.4)

    def leave(self):
        for _, key in self.slow:
            self.decide(key)

    def decide(self, key):
        verb = self.random.choice(["accept", "reject"])
        getattr(self.service.commissions, verb)(key)
        self.wanted[key] = verb


class Foreigner(Actor):
    """Other software with the same token, and a client that knows no tags."""

    def __init__(self, name, seed, service):
        super().__init__(name, seed)
        self.service = service
        sandbox = service.cluster.sandbox
        self.client = AstakosClient(
            sandbox.token, sandbox.auth_url, use_pool=True, total_timeout=60
        )
        self.held = []
        self.did = {}  # serial -> the event that it caused; None: none

    def act(self):
        name = "a volume"
        if self.random.random() < 0.3:  # one of another ledger on this token
            tag = Tag("staging.default", secrets.token_hex(4), "0a1b2c3d", "0" * 16)
            name = f"a server {tag}"
        user = self.service.user
        with suppress(AstakosClientException):  # lost: nobody will ever settle it
            serial = self.client.issue_one_commission(user, user, {RAM: 1}, name=name)
            self.did[serial] = None
            self.held.append(serial)
        if len(self.held) > 12:  # some are held for long, and some to the very end
            self.settle(self.held.pop(self.random.randrange(6)))
        self.pause(0.1, 0.5)

    def settle(self, serial):
        """Raises if anybody else has settled it."""
        if self.random.random() < 0.5:
            self.client.accept_commission(serial)
            self.did[serial] = "accepted"
        else:
            self.client.reject_commission(serial)
            self.did[serial] = "rejected"


class Mishaps(Actor):
    """What is left behind: orphans, ghosts of earlier uses of keys, and twins."""

    def __init__(self, name, seed, service, handlers):
        super().__init__(name, seed)
        self.service = service
        self.handlers = handlers
        sandbox = service.cluster.sandbox
        self.client = AstakosClient(
            sandbox.token, sandbox.auth_url, use_pool=True, total_timeout=60
        )

    def act(self):
        kind = self.random.choice(PLANTED)
        tag = Tag("default.default", f"gone-{secrets.token_hex(4)}", secrets.token_hex(4), "0" * 16)
        if kind != "orphan":
            tag = self._tag(another=kind == "ghost")
        if tag is not None:
            user = self.service.user
            name = f"{kind} {tag}"
            with suppress(AstakosClientException):  # lost: planted all the same
                self.client.issue_one_commission(user, user, {RAM: 1}, name=name)
        self.pause(0.5, 1.5)

    def _tag(self, *, another):
        """The tag of a commission that is pending, or of an earlier use of its key."""
        keys = list(self.handlers.wanted)
        if not keys:
            return None
        record, _ = history(self.service.commissions, self.random.choice(keys[-30:]))
        if record.serial is None:
            return None  # it would be taken for an answer that was lost, and rightly
        tag = record.tag("default.default")
        return tag._replace(incarnation="ffffffff") if another else tag


class Book:
    """What Astakos says that happened to each commission, by whose it is."""

    def __init__(self, rows):
        self.events = defaultdict(list)  # serial -> what happened to it since it was issued
        self.planted = defaultdict(list)  # kind -> serials
        self.foreign = []
        self.live = defaultdict(list)  # key -> serials
        for row in rows:
            if row["event"] == "issued":
                self._enter(row["serial"], row["name"])
            else:
                self.events[row["serial"]].append(row["event"])

    def _enter(self, serial, name):
        kind = name.partition(" [")[0]
        if kind in PLANTED:
            self.planted[kind].append(serial)
        elif kind in FOREIGN:
            self.foreign.append(serial)
        else:
            self.live[read_tag(name).key].append(serial)

    def left(self):
        """The planted ones that nothing has happened to."""
        return [n for some in self.planted.values() for n in some if not self.events[n]]


def stop(actors):
    """Tell all, wait for all, and raise what went wrong with one."""
    for actor in actors:
        actor.over.set()
    for actor in actors:
        actor.join(90)
        assert not actor.is_alive(), f"{actor.name} does not end"
        if actor.error is not None:
            raise actor.error
        with suppress(AttributeError):
            actor.client.close()
