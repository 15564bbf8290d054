"""The list of scenarios: what each measures, on which Astakos, and in how many rounds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, TypeVar

from astakos_worker import Commissions, Settings
from astakos_worker.configuration import names
from astakos_worker.local.free_ports import LOOPBACK, Port
from bench import calls, curves, lookups, sizes
from bench.lifecycles import turns
from bench.rivals.direct import Direct
from bench.rivals.floor import Floor
from bench.rivals.queued import Batched, Bulk, Ours, Plain
from bench.stage import Stage

#: `{contender: {figure: samples}}`
Found = dict[str, dict[str, list[float]]]

T = TypeVar("T")


class Size(StrEnum):
    """How much a run measures."""

    SMALLEST = "smallest"  # each scenario once, with hardly any work: to see that it runs
    SHORT = "short"
    FULL = "full"


@dataclass(frozen=True)
class Cast:
    """The stage and the rivals that may run on it."""

    stage: Stage
    size: Size
    rounds: int  # how many times each rival runs

    def of(self, smallest: T, short: T, full: T | None = None) -> T:
        """Return the value for the size of this run; without `full`, `short` is for both."""
        if self.size is Size.SMALLEST:
            return smallest
        return full if full is not None and self.size is Size.FULL else short

    @cached_property
    def plain(self) -> Plain:
        return Plain(self.stage.plain())

    @cached_property
    def batched(self) -> Batched:
        return Batched(self.plain.workers)

    @cached_property
    def ours(self) -> Ours:
        return Ours(self.stage.ours())

    @cached_property
    def bulk(self) -> Bulk:
        return Bulk(self.ours.workers)

    @cached_property
    def direct(self) -> Direct:
        return Direct(self.stage.astakos)

    @cached_property
    def brokerless(self) -> Ours:
        """Return a service whose broker is away; its ledger and workers run."""
        port = Port()
        self.stage.closing.callback(port.close)
        rival = Ours(self.ours.workers)
        nowhere = {"broker_url": f"redis://{LOOPBACK}:{port.number}/0"}
        rival.commissions = Commissions(settings=rival.settings.model_copy(update=nowhere))
        return rival

    @cached_property
    def lookups(self) -> Settings:
        """Return the settings of a service that looks names up, and start workers for it."""
        return self.stage.ours(queue=names.LOOKUPS).settings

    def all(self) -> list[Any]:
        floor = Floor(self.stage.astakos)
        rivals = [self.plain, self.batched, self.ours, self.direct, floor]
        return self.of([*rivals, self.bulk], rivals, [*rivals, self.bulk])

    @contextmanager
    def cost(self, **figures: Any) -> Iterator[None]:
        """Set the sandbox's cost for a block. A real Astakos has its own costs."""
        set_cost = getattr(self.stage.astakos, "cost", None)
        if set_cost is None:
            yield
            return
        set_cost(**figures)
        try:
            yield
        finally:
            set_cost()


@dataclass(frozen=True)
class Scenario:
    """One table of figures, and the function that measures it."""

    title: str
    measure: Callable[[Cast], Found]
    needs_control: bool = True  # uses the sandbox's control interface, which Astakos lacks
    full_only: bool = False


def lifecycles(cast: Cast, number: int = 0, **figures: Any) -> Found:
    with cast.cost(**figures):
        return turns(cast.stage, cast.all(), number or cast.of(10, 300, 1500), cast.rounds)


def quiet_at_20_ms(cast: Cast) -> Found:
    with cast.cost(issue_ms=20, resolve_ms=20, servers=16):
        direct = cast.direct
        return calls.quiet(cast.stage, cast.plain, cast.ours, direct, cast.of(5, 60, 300))


def busy(cast: Cast) -> Found:
    with cast.cost(preset="real"):
        number, backlog = cast.of((20, 10), (300, 250), (1000, 250))
        return calls.busy(cast.stage, cast.plain, cast.ours, number, backlog)


def answers_busy(cast: Cast) -> Found:
    with cast.cost(preset="real"):
        number, backlog = cast.of((10, 10), (60, 150))
        return calls.answers_busy(cast.stage, cast.plain, cast.ours, number, backlog)


def looked_up(cast: Cast) -> Found:
    with cast.cost(read_ms=20, servers=64):
        asks = lookups.asks(cast.lookups, cast.plain)
        return lookups.measure(asks, cast.of(0.2, 2.0, 5.0), cast.of(1, 2, 5))


SCENARIOS = {
    "waiting": Scenario(
        "Lifecycles, Astakos waiting, one server", lambda c: lifecycles(c, preset="real")
    ),
    "waiting-2": Scenario(
        "Lifecycles, Astakos waiting, two servers",
        lambda c: lifecycles(c, preset="real", servers=2),
        full_only=True,
    ),
    "burning": Scenario(
        "Lifecycles, Astakos burning CPU, one server",
        lambda c: lifecycles(c, preset="real", burn=True),
    ),
    "burning-2": Scenario(
        "Lifecycles, Astakos burning CPU, two servers",
        lambda c: lifecycles(c, preset="real", burn=True, servers=2),
    ),
    "free": Scenario(
        "Lifecycles, Astakos without cost",
        lambda c: lifecycles(c, c.of(10, 600, 1500)),
        needs_control=False,
    ),
    "settles": Scenario(
        "Accepts alone, all decided when the clock starts, Astakos without cost",
        lambda c: calls.settles(c.stage, c.plain, c.ours, c.of(10, 600, 1500), c.rounds),
        needs_control=False,
    ),
    "quiet": Scenario(
        "One call, quiet lane",
        lambda c: calls.quiet(c.stage, c.plain, c.ours, None, c.of(5, 120, 500)),
        needs_control=False,
    ),
    "quiet-20": Scenario("One call, quiet lane, Astakos at 20 ms", quiet_at_20_ms),
    "busy": Scenario("One call, busy lane, 100 calls a second", busy),
    "away": Scenario(
        "One call, the broker away",
        lambda c: calls.away(c.stage, c.brokerless, c.of(5, 100, 500)),
        needs_control=False,
    ),
    "answers": Scenario(
        "Until the caller knows, quiet lane",
        lambda c: calls.answers(c.stage, c.plain, c.ours, c.of(5, 80, 400)),
        needs_control=False,
    ),
    "answers-busy": Scenario("Until the caller knows, busy lane", answers_busy, full_only=True),
    "lookups": Scenario("Look-ups of names, 64 in flight, Astakos at 20 ms", looked_up),
    "start": Scenario(
        "A worker's start",
        lambda c: sizes.start(c.stage, c.rounds),
        needs_control=False,
        full_only=True,
    ),
    "growth": Scenario(
        "Lifecycles with many open commissions in the ledger, Astakos without cost",
        lambda c: sizes.growth(c.stage, c.of((10,), (1_000, 100_000)), c.of(10, 1000), c.rounds),
        full_only=True,
    ),
    "sweep": Scenario(
        "A sweep",
        lambda c: sizes.sweep(c.stage, c.of((50,), (1_000, 10_000, 100_000))),
        full_only=True,
    ),
    "pools": Scenario(
        "Lifecycles by pool, Astakos waiting",
        lambda c: curves.by_pool(
            c.stage, c.of(("prefork",), curves.POOLS), c.of(10, 600), c.rounds
        ),
        full_only=True,
    ),
    "delay": Scenario(
        "Lifecycles a second, by Astakos' delay in ms",
        lambda c: curves.by_delay(c, c.of((5,), curves.DELAYS), c.of(10, 300), c.rounds),
        full_only=True,
    ),
    "concurrency": Scenario(
        "Lifecycles a second, by threads and carriers of two processes, Astakos at 20 ms",
        lambda c: curves.by_concurrency(c, c.of((2,), curves.CONCURRENCY), c.of(10, 300), c.rounds),
        full_only=True,
    ),
    "backlog": Scenario(
        "Lifecycles a second, by how many are asked for at once, Astakos waiting",
        lambda c: curves.by_backlog(c, c.of((10,), curves.BACKLOGS), c.rounds),
        full_only=True,
    ),
    "memory": Scenario(
        "A worker's memory",
        lambda c: sizes.memory(c.stage, c.ours, c.of((10, 20), (1_000, 10_000, 100_000))),
        full_only=True,
    ),
}
