"""Where a ledger can be kept, as a contract test sees it: the ledger, and how time passes."""

from collections import deque
from functools import reduce
from itertools import count

from redis import Redis

from astakos_worker.configuration.servers import connect
from astakos_worker.ledger import events, states
from astakos_worker.ledger.contract import Asked, WakeupPolicy, Write
from astakos_worker.ledger.memory.store import MemoryLedger
from astakos_worker.ledger.record import Decision, bare_key
from astakos_worker.ledger.redis.store import RedisLedger
from astakos_worker.ledger.request import Provision, Request
from astakos_worker.ledger.states import transition
from tests.integration.cluster.until import until

LANE = "cyclades"
ACCEPT, REJECT = Decision("accept", "", 1.0), Decision("reject", "", 1.0)
REQUEST = Request((Provision("user:u", "project:p", "cyclades.vm", 1),), "a server")
FAULT = {"class": "Unreachable", "message": "no answer"}

#: Seconds after which something is over that a test wants to see over. What has to last, lasts
#: for minutes: on a busy machine nothing in between can be told apart.
SOON, LONG = 0.02, 300.0

_INCARNATIONS = count(0x0A1B2C3D)


class Place:
    """A ledger with records in it, and words for what tests do to them."""

    ledger = None

    def now(self):
        return self.ledger.clock.now()

    def new(self, key, *, late=0.0, serial=None, request=REQUEST, **more):
        """A commission that is not in the ledger: overdue for `late` seconds, or pending."""
        incarnation = f"{next(_INCARNATIONS):08x}"
        record = states.queued(key, LANE, incarnation, request, now=self.now() - late, **more)
        return record if serial is None else self.led(record, *issued(serial))

    def led(self, record, *steps):
        return reduce(lambda each, event: transition(each, event, self.now()), steps, record)

    def put(self, key, **more):
        """A commission that is in the ledger, as an entry."""
        [verdict] = self.ledger.cas([Write(self.new(key, **more), 0)])
        assert verdict.done
        return verdict.entry

    def put_bare(self, serial, decision=ACCEPT):
        """A decided serial that nobody's record has, as an entry."""
        return self.bare(serial, decision).entry

    def bare(self, serial, decision=ACCEPT, **more):
        """Write one; return the verdict."""
        key = bare_key(serial)
        record = states.bare(
            key, LANE, "00000000", serial=serial, decision=decision, now=self.now()
        )
        [verdict] = self.ledger.cas([Write(record, 0, **more)])
        assert verdict.done
        return verdict

    def write(self, entry, *steps, **more):
        """Write what the events make of an entry's record; return the verdict."""
        record = self.led(entry.record, *steps)
        [verdict] = self.ledger.cas([Write(record, entry.version, **more)])
        return verdict

    def claim(self, carrier="carrier", lease=LONG, **more):
        """Claim as a carrier; return the claim alone."""
        claim, _ = self.ledger.claim(Asked(LANE, carrier, lease, **more))
        return claim

    def claimed(self, carrier="carrier", lease=LONG, **more):
        """Claim as a carrier; return the keys in order."""
        return keys_of(self.claim(carrier, lease, **more))

    def decide(self, key, decision=ACCEPT):
        return self.ledger.decide(LANE, {key: decision})[key]

    def entry(self, key):
        return self.ledger.get(LANE, [key]).get(key)


class MemoryPlace(Place):
    """In memory, where time passes when the test says so."""

    def __init__(self):
        self.at = 1_700_000_000.0
        self._changed = deque()
        self.open()

    def open(self, **more):
        more.setdefault("wakeups", carriers(8))
        self.ledger = MemoryLedger(
            _HandClock(self), changed=lambda lane, key: self._changed.append((lane, key)), **more
        )

    def passes(self, seconds):
        self.at += seconds

    def listen(self):
        self._changed.clear()

    def heard(self):
        """The next change that is published."""
        lane, key = self._changed.popleft()
        assert lane == LANE
        return key

    def close(self):
        pass


class _HandClock:
    def __init__(self, place):
        self._place = place

    def now(self):
        return self._place.at


class RedisPlace(Place):
    """On a server, where time passes by itself."""

    def __init__(self, url):
        self.url = url
        errors = "backslashreplace"  # as our own connections
        self.server = Redis.from_url(url, decode_responses=True, encoding_errors=errors)
        self.server.flushall()
        self._connections = []
        self._listener = None
        self.open()

    def open(self, patience=5.0, **more):
        more.setdefault("wakeups", carriers(8))
        connection = connect(self.url, patience=patience)
        self._connections.append(connection)
        self.ledger = RedisLedger(connection, "test", **more)

    def passes(self, seconds):
        end = self._time() + seconds
        until(lambda: self._time() > end, every=0.002)

    def _time(self):
        whole, micros = self.server.time()
        return whole + micros / 1e6

    def listen(self):
        self._listener = self.server.pubsub(ignore_subscribe_messages=True)
        self._listener.subscribe(self.ledger.channel(LANE))
        until(lambda: self.server.pubsub_numsub(self.ledger.channel(LANE))[0][1])

    def heard(self):
        """The next change that is published: it says how the record is now."""
        message = until(lambda: self._listener.get_message(timeout=0.1))["data"]
        key, entry = self.ledger.read_change(message)
        now = self.ledger.get(LANE, [key])[key]
        assert (entry.record, entry.version, entry.cell) == (now.record, now.version, now.cell)
        return key

    def close(self):
        if self._listener is not None:
            self._listener.close()
        for connection in (self.server, *self._connections):
            connection.close()


def issued(serial):
    """The events of an issue that went well."""
    return events.Marked(1.0, 1.0), events.Issued(serial)


def keys_of(claim):
    return [entry.record.key for entry in claim.entries]


def carriers(number, *, per_carrier=16, **more):
    """So many carriers at most, and a promise that lasts as long as the test."""
    return WakeupPolicy(number, per_carrier, **{"promise": LONG, "forgotten": LONG, **more})
