"""The stage of one run: a ledger, an Astakos, workers, and the calls that callers make."""

import copy
import functools
import itertools
from collections.abc import Callable
from typing import Any

from astakos_worker.configuration.settings import Settings
from astakos_worker.ledger.contract import Entry, Write
from astakos_worker.ledger.events import Issued, Marked
from astakos_worker.ledger.memory.store import MemoryLedger
from astakos_worker.ledger.states import queued, transition
from astakos_worker.sandbox.quota import HoldingKey, Provision, QuotaBook
from astakos_worker.service.arguments import one
from astakos_worker.service.commissions import Commissions
from astakos_worker.service.connections import Connections
from astakos_worker.service.errors import Unavailable
from tests.simulation.oracle import LANE, NAMESPACE, Bounds, Oracle, ours
from tests.simulation.processes import Host
from tests.simulation.simulated_astakos import COMPONENT, SimulatedAstakos
from tests.simulation.stepped_ledger import SteppedLedger
from tests.simulation.workers import LIMITS, Workers
from tests.simulation.world import World

SETTINGS = Settings(namespace="sim", service=LANE, services={})

USER, PROJECT, RESOURCE = "u1", "p1", "vm"

#: The key of a commission that is pending from the start to the end.
ANCHOR = "anchor"


class Watcher:
    """Waits for a record, as the service's own does, but in simulated time."""

    def __init__(self, world: World, ledger: SteppedLedger, raw: MemoryLedger) -> None:
        self._world = world
        self._ledger = ledger
        self._raw = raw

    def wait(
        self, lane: str, key: str, done: Callable[[Entry], bool], timeout: float
    ) -> tuple[Entry | None, bool]:
        """Return the record once it is done, or as it is when the time is over; and which."""
        end = self._world.clock.time + timeout
        while True:
            entry = self._ledger.watch(lane, key, timeout)
            if entry is None or done(entry):
                return entry, entry is not None
            left = end - self._world.clock.time
            if left <= 0:
                return entry, False
            self._world.sleep(left, functools.partial(self._changed, key, entry))

    def _changed(self, key: str, seen: Entry) -> bool:
        entry = self._raw.get(LANE, [key]).get(key)
        return entry is None or (entry.version, entry.cell) != (seen.version, seen.cell)


class Stage:
    """Everything of one run."""

    def __init__(
        self,
        world: World,
        *,
        workers: int,
        room: int,
        bounds: Bounds,
        ledger: Callable[..., MemoryLedger] = MemoryLedger,
    ) -> None:
        self.world = world
        self.book = QuotaBook()
        for key in (
            HoldingKey(f"user:{USER}", f"project:{PROJECT}", RESOURCE),
            HoldingKey(f"project:{PROJECT}", None, RESOURCE),
        ):
            self.book.set_limit(key, room + 3)  # two of it are foreign, and one is `ANCHOR`
        self.raw = ledger(world.clock, bare_retention=7 * 86400)
        self.oracle = Oracle(world, self.raw, self.book, LIMITS.quiet_horizon, bounds)
        self.ledger = SteppedLedger(world, self.raw, self.oracle)
        self.astakos = SimulatedAstakos(world, self.book, self.oracle)
        self.workers = Workers(
            world, self.ledger, self.raw, self.astakos, oracle=self.oracle, count=workers
        )
        watcher = Watcher(world, self.ledger, self.raw)
        ledger: Any = self.ledger  # a contract without what only carriers use
        connections = Connections(ledger, self.workers, watcher)
        self.commissions = Commissions(LANE, settings=SETTINGS, connections=connections)
        self._callers = itertools.count(1)
        environment = world.environment
        environment.foreign, environment.pending = self.interfere, self.any_pending
        for name in ("", "[astakos1 other.svc k1 00000000 0000000000000000]"):
            self.oracle.foreign.add(self.pending(name))
        self._set_anchor()

    # --- Setting the scene --------------------------------------------------------------------

    def pending(self, name: str, quantity: int = 1, *, component: str = COMPONENT) -> int:
        """Have a commission pending in Astakos that none of our workers issued."""
        user, project = f"user:{USER}", f"project:{PROJECT}"
        provisions = [
            Provision(user, project, RESOURCE, quantity),
            Provision(project, None, RESOURCE, quantity),
        ]
        at = self.oracle.issue_time()
        return self.book.issue(component, provisions, at=at, name=name).serial

    def _set_anchor(self) -> None:
        """Have a commission of ours pending from the start, which nobody decides.

        Astakos lists it, and so the token is proven to be ours: "not found" can be believed.
        """
        record = queued(ANCHOR, LANE, "0" * 8, one(USER, PROJECT, {RESOURCE: 1}), now=0.0)
        self.book.next_serial, following = 1_000_000, self.book.next_serial
        serial = self.pending(str(record.tag(NAMESPACE)))
        self.book.next_serial = following
        for event in (Marked(0.0, 0.0), Issued(serial)):
            record = transition(record, event, 0.0)
        assert self.raw.cas([Write(record, 0)])[0].done
        self._anchor = serial

    def caller(self, body: Callable[["Stage"], None]) -> None:
        """Start a caller; it dies alone."""
        name = f"caller{next(self._callers)}"
        self.world.start(name, Host(name), lambda: body(self))

    def interfere(self, verb: str) -> None:
        """Have somebody's command settle all of ours that is pending in Astakos."""
        for serial, each in list(self.book.commissions.items()):
            if serial in self.oracle.foreign or serial == self._anchor:
                continue
            if ours(each.name):
                self.oracle.interferes(each, verb)
                self.book.resolve(COMPONENT, serial, accept=verb == "accept")

    def backup(self) -> Callable[[], None]:
        """Make a backup of Astakos; return what sets Astakos back to it."""
        kept, oracle = copy.deepcopy(vars(self.book)), self.oracle
        settled = dict(oracle.accepted), dict(oracle.rejected)

        def restore() -> None:
            vars(self.book).update(copy.deepcopy(kept))
            oracle.accepted, oracle.rejected = map(dict, settled)
            for serial in self.book.commissions:  # pending again, whoever had settled it
                oracle.touched.pop(serial, None)
            oracle.changes += 1

        return restore

    def quiet(self, key: str) -> bool:
        """Wait until a commission is closed, and nothing is under way that may still concern it."""

        def over() -> bool:
            entry = self.raw.get(LANE, [key]).get(key)
            return entry is not None and not entry.record.is_open and self.world.alone

        self.world.sleep(3000.0, over)
        return over()

    def any_pending(self) -> bool:
        """Return whether anything of ours is pending in Astakos."""
        return len(self.book.commissions) > len(self.oracle.foreign) + 1

    # --- What callers do ----------------------------------------------------------------------

    def issue(self, key: str, **options: Any) -> None:
        """Enqueue one unit, again if nobody knows whether it worked."""
        accept = bool(options.get("accept"))
        self.again(
            lambda: self.commissions.issue(
                user=USER, project=PROJECT, provisions={RESOURCE: 1}, key=key, **options
            )
        )
        self.oracle.enqueued.add(key)
        if accept:
            self.oracle.decided(key, "accept")

    def accept(self, which: str | int) -> None:
        """Decide to accept."""
        self.oracle.decided(self.again(lambda: self.commissions.accept(which)).key, "accept")

    def reject(self, which: str | int) -> None:
        """Decide to reject."""
        self.oracle.decided(self.again(lambda: self.commissions.reject(which)).key, "reject")

    def through(self, key: str) -> None:
        """Wait until a commission is through."""
        self.again(lambda: self.commissions.outcome(key, timeout=600))

    def again(self, call: Callable[[], Any]) -> Any:
        """Call again while nobody knows whether it worked."""
        for _ in range(20):
            try:
                return call()
            except Unavailable:
                self.world.sleep(1.0)
        raise RuntimeError("the ledger is away for longer than any schedule says")
