"""The sweep's engine between a real ledger and a sandbox over HTTP, one request at a time.

Nobody else is at work: what a sweep rings for is carried when the test says so. What takes an
hour in production takes no time here: grace and quarantine are nought unless a test says more.
"""

import secrets
from dataclasses import replace

import pytest

from astakos_worker.configuration.servers import connect
from astakos_worker.engine.carry.carrier import Carrier
from astakos_worker.engine.ports import Limits
from astakos_worker.engine.sweep.findings import Report, Selection
from astakos_worker.engine.sweep.sweep import Sweep, last_report
from astakos_worker.ledger import states
from astakos_worker.ledger.contract import Write
from astakos_worker.ledger.events import Issued
from astakos_worker.ledger.redis.store import RedisLedger
from astakos_worker.ledger.request import Provision, Request, Tag
from astakos_worker.ledger.states import transition
from astakos_worker.sandbox.seed import user_uuid
from astakos_worker.sandbox.server import SandboxServer
from astakosclient import AstakosClient

RAM = "cyclades.ram"


class Cloud:
    """One component token, what is pending under it, and a ledger that a sweep looks after."""

    def __init__(self, sandbox, url, namespace="default"):
        self.sandbox = sandbox
        self.control = sandbox.control
        self.user = user_uuid("user01@example.org")
        self.server = connect(url, patience=10)
        self.ledger = RedisLedger(self.server, namespace)
        self.limits = Limits(namespace=namespace, grace=0, quarantine=0, backoff_first=0.01)
        self.rings = 0
        self.client = AstakosClient(
            "sandbox-token-of-cyclades", sandbox.auth_url, use_pool=True, total_timeout=20
        )

    def close(self):
        self.client.close()
        self.server.close()

    def beside(self, namespace):
        """Another ledger on the same token."""
        return Cloud(self.sandbox, self.url, namespace)

    # --- What there is ------------------------------------------------------------------------

    def put(self, name):
        """A commission that somebody issued with the token; its serial."""
        return self.client.issue_one_commission(self.user, self.user, {RAM: 1}, name=name)

    def orphan(self, key, lane="default", text="lost"):
        """A commission of ours that the ledger does not know."""
        tag = Tag(self.limits.tag_namespace(lane), key, secrets.token_hex(4), "0" * 16)
        return self.put(f"{text} {tag}")

    def record(self, key, *, lane="default", incarnation="0a1b2c3d", **more):
        """A commission in the ledger, queued: as `issue` writes it."""
        holder, source = f"user:{self.user}", f"project:{self.user}"
        request = Request((Provision(holder, source, RAM, 1), Provision(source, None, RAM, 1)), key)
        now = self.ledger.clock.now()
        record = states.queued(key, lane, incarnation, request, now=now, **more)
        [written] = self.ledger.cas([Write(record, 0)])
        assert written.done
        return written.entry

    def held(self, key, *, lane="default", **more):
        """A commission that is pending here and there; its serial."""
        entry = self.record(key, lane=lane, **more)
        serial = self.put(f"{key} {entry.record.tag(self.limits.tag_namespace(lane))}")
        pending = transition(entry.record, Issued(serial), self.ledger.clock.now())
        [written] = self.ledger.cas([Write(pending, entry.version)])
        assert written.done
        return serial

    def pending(self):
        return set(self.client.get_pending_commissions())

    def entry(self, key, lane="default"):
        return self.ledger.get(lane, [key])[key]

    def events(self, *kinds):
        """The serials of what Astakos did, in order."""
        return [row["serial"] for row in self.control.journal() if row["event"] in kinds]

    def requests(self, call):
        """How many requests of a kind Astakos has had."""
        return sum(self.control.audit()["requests"].get(f"commissions.{call}", {}).values())

    def alarms(self, lane="default"):
        return dict(self.ledger.lane(lane).alarms)

    def last(self, lane="default"):
        return last_report(self.ledger, lane)

    # --- What is done about it ----------------------------------------------------------------

    def sweeping(self, ask=None, **limits):
        numbers = replace(self.limits, **limits)
        return Sweep(self.client, self.ledger, self.ledger.clock, numbers, self._ring, ask)

    def findings(self, *, lane="default", fix=True, only=None, ask=None, allow=(), **limits):
        """Sweep; return the report, and all that was found."""
        report = Report(lane, fix=fix)
        found = self.sweeping(ask, **limits).findings(
            report, "sweeper", only=only or Selection(), allow=frozenset(allow)
        )
        return report, list(found)

    def sweep(self, **order):
        return self.findings(**order)[0]

    def carry(self, lane="default"):
        """Do what is due, as a worker does when it is rung for."""
        carrier = Carrier(
            self.client,
            self.ledger,
            self.ledger.clock,
            replace(self.limits, carry_records=1000, carry_seconds=60),
            lambda: 0.5,
            self._ring,
            lambda *_: True,
        )
        carrier.carry(lane, "carrier")

    def swept(self, **order):
        """Sweep, and do what is due then."""
        report = self.sweep(**order)
        self.carry(order.get("lane", "default"))
        return report

    def _ring(self, _lane):
        self.rings += 1


@pytest.fixture(scope="session")
def sweep_sandbox():
    with SandboxServer() as server:
        yield server


@pytest.fixture
def cloud(sweep_sandbox, redis_url):
    sweep_sandbox.control.reset()
    cloud = Cloud(sweep_sandbox, redis_url)
    cloud.url = redis_url
    yield cloud
    cloud.close()
