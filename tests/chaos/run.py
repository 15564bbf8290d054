"""The phases of a run: start, fire into the storm, calm, settle, sweep, prove.

The proof is that of the demonstration: it compares the outcomes that the callers got with
Astakos' own figures, to the last counter. The caller's thread runs all phases, so Ctrl-C ends them.
"""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from astakos_worker.configuration.settings import Settings
from astakos_worker.demo.direct_commissions import DirectCommissions
from astakos_worker.demo.observer import Observer, accounts
from astakos_worker.demo.plan import plan
from astakos_worker.demo.proof import Check, Discrepancy, Evidence, prove
from astakos_worker.demo.run import ProofResult
from astakos_worker.demo.run_state import RunState, Snapshot
from astakos_worker.ledger.contract import Ledger
from astakos_worker.sandbox.control_client import ControlClient
from astakos_worker.sandbox.errors import ControlError
from astakos_worker.service.commissions import Commissions
from astakos_worker.service.connect import ledger_of
from astakos_worker.service.lookups import Lookups
from astakosclient import AstakosClient
from tests.chaos import fault_timetable, figures
from tests.chaos.fault_runner import FaultRunner
from tests.chaos.moving_name import FailoverStack
from tests.chaos.other_callers import ByName, OwnClient
from tests.chaos.producers import Orders, Producers

_TICK = 0.2
#: Seconds after the last call and fault until every caller must know its end, and then until
#: nothing of ours may be pending: a quarantine, a grace, some sweeps.
_SETTLED, _QUIET = 120.0, 90.0
#: Seconds beyond the plan within which all calls must be made: a call waits out an outage.
_LATE = 120.0
#: So many sweeps must find nothing to do before Astakos' figures are read.
_SWEEPS = 2
#: Of so many commissions one is asked for by name.
_BY_NAME = 40
_TWINS = 4

#: Demo times. A quota synchronisation is not to outlast the window in which it is believed to be
#: one, though faults follow each other more closely here than in years of a real Astakos.
_ENVIRONMENT = {"ASTAKOS_TIMES": "demo", "ASTAKOS_REFUSAL_WINDOW": "60"}


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a run."""

    directory: Path
    seconds: float = 60.0  # over which calls and faults are spread
    commissions: int = 500
    seed: int = 1
    producers: int = 2
    threads: int = 12


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a run: the demonstration's proof, and the figures."""

    result: ProofResult
    figures: figures.Figures


class CombinedState(RunState):
    """The state of several processes: the sums of their reports."""

    def __init__(self) -> None:
        super().__init__()
        self.producers: Producers | None = None

    def snapshot(self) -> Snapshot:
        """Return a copy of the present state."""
        here = super().snapshot()
        theirs = self.producers.snapshots if self.producers else []
        if not theirs:
            return here
        return replace(
            here,
            wanted=sum(one.wanted for one in theirs),
            enqueued=sum(one.enqueued for one in theirs),
            keys=sum(one.keys for one in theirs),
            rate=sum(one.rate for one in theirs),
            retried=sum(one.retried for one in theirs),
            ends=sum((one.ends for one in theirs), Counter()),
        )


class Chaos:
    """One run on a stack of its own. The stack runs inside `with ... .running()`."""

    def __init__(self, options: Options, state: CombinedState) -> None:
        self._options = options
        self._state = state
        self.stack = FailoverStack(
            options.directory, flower=False, env=_ENVIRONMENT, sandbox_args=("--cost", "real")
        )

    @contextmanager
    def running(self) -> Iterator["Chaos"]:
        """Start the stack, and stop it at the end of the block."""
        self._state.say("starting broker, sandbox, workers, beat")
        with self.stack as stack:
            self._state.say(f"the stack is up, in {stack.directory}")
            yield self

    def run(self) -> Outcome:
        """Run all phases; return the result of the proof."""
        stack, options, state = self.stack, self._options, self._state
        settings = Settings(times="demo", broker_url=stack.broker_url, ledger_url=stack.ledger_url)
        commissions = Commissions(settings=settings)
        control = ControlClient(str(stack.sandbox_url))
        ledger = ledger_of(settings)
        observer = Observer(control, ledger, settings.service)
        where = accounts(Lookups(settings=settings), control)
        before = observer.holdings()
        token = stack.token_file.read_text(encoding="utf-8").strip()
        namespace = f"{settings.namespace}.{settings.service}"
        astakos = AstakosClient(token, stack.auth_url)
        direct = DirectCommissions(astakos, commissions, namespace, where, options.seed)
        direct.make_foreign()
        own = OwnClient(astakos, commissions, where)
        by_name = ByName(settings, where, options.commissions // _BY_NAME, options.seconds)
        share = plan(options.commissions, options.seed, where)
        orders = [
            Orders(
                settings,
                share[n :: options.producers],
                options.threads,
                options.seconds,
                options.directory / f"producer-{n + 1}.log",
            )
            for n in range(options.producers)
        ]
        producers = Producers(orders, lambda text: state.say(text, "red"))
        state.producers = producers
        run = _Phases(stack, state, producers, by_name, observer, direct, control, ledger)
        try:
            run.fire(options, own)
            run.settle()
            run.sweep()
            state.enter("prove")
            views = [*producers.end(), *by_name.views(_SETTLED), *own.views(_SETTLED)]
        finally:
            by_name.stop()
            producers.kill()
        astakos_state = observer.astakos_state(before)
        evidence = Evidence(views, direct.foreign, direct.orphans, astakos_state, namespace)
        discrepancies = [*prove(evidence), *_left_open(ledger, settings.service)]
        snapshot = state.snapshot()
        result = ProofResult(evidence, where, discrepancies, state.seconds, [])
        faults = dict(snapshot.faults)
        counts = figures.logged(options.directory)
        counts |= figures.recorded(ledger, settings.service, (one.key for one in views))
        counts |= figures.issued(evidence)
        counts |= {"calls made again": snapshot.retried, "sent again by name": by_name.again}
        restarts = Counter({name: one.restarts for name, one in stack.processes.items()})
        restarts["broker"] += restarts.pop("standby")  # whichever did the broker's work
        restarts = +restarts
        counts["ended by themselves"] = sum(figures.died(restarts, faults).values())
        return Outcome(
            result,
            figures.Figures(faults, restarts, counts, dict(run.peaks.most), run.quiescence),
        )


def _left_open(ledger: Ledger, lane: str) -> list[Discrepancy]:
    """Return what the ledger has not closed: every commission is to have ended."""
    counts = ledger.lane(lane)
    if not counts.open:
        return []
    return [Discrepancy(Check.PENDING, f"{counts.open} records of the ledger are still open")]


@dataclass(slots=True)
class _Phases:
    """The phases. Each waits for a condition, up to a limit in seconds."""

    stack: FailoverStack
    state: CombinedState
    producers: Producers
    by_name: ByName
    observer: Observer
    direct: DirectCommissions
    control: ControlClient
    ledger: Ledger
    peaks: figures.Peaks = field(default_factory=figures.Peaks)
    quiescence: float = 0.0
    _stopped_at: float = 0.0
    _last_ghost_at: float = 0.0
    _restarts: dict[str, int] = field(default_factory=dict)

    def fire(self, options: Options, own: OwnClient) -> None:
        """Make all calls, into a storm that ends when they are made."""
        while not self.producers.ready:
            self._tick()
        self.state.enter("fire")
        scheduled = FaultRunner(
            self.stack,
            self.state,
            lambda what: self._behind(what, own),
            machine=fault_timetable.machine(options.seed, options.seconds),
            astakos=fault_timetable.astakos(options.seed, options.seconds),
            seed=options.seed,
        )
        end = time.monotonic() + options.seconds + _LATE
        self.by_name.start()
        scheduled.start()
        try:
            while self.producers.firing or self.by_name.firing or not scheduled.finished:
                if time.monotonic() > end:
                    self.state.say("the calls are not through in time", "red")
                    break
                self._tick()
        finally:
            scheduled.stop()
        self._stopped_at, self._last_ghost_at = time.monotonic(), scheduled.last_ghost_at
        self.stack.wait_ready()
        self.control.clear_faults()

    def settle(self) -> None:
        """Wait until every caller knows the end of each commission."""
        self.state.enter("settle")
        self.state.say("no more faults; the callers wait for the end of each commission")
        end = time.monotonic() + _SETTLED
        while self.producers.waiting and time.monotonic() < end:
            self._tick()

    def sweep(self) -> None:
        """Wait until nothing of ours was pending or open during some sweeps."""
        self.state.enter("sweep")
        foreign = {made.serial for made in self.direct.foreign}
        quiet_since: int | None = None
        end = time.monotonic() + _QUIET
        while time.monotonic() < end:
            self._tick()
            lists = self.observer.lists()
            if not self.observer.pending().keys() <= foreign or self.state.snapshot().counts.open:
                quiet_since = None
            elif time.monotonic() < self._last_ghost_at:
                continue  # Astakos may still execute a request that its sender has given up
            elif quiet_since is None:
                quiet_since, self.quiescence = lists, time.monotonic() - self._stopped_at
            elif lists >= quiet_since + _SWEEPS:
                return
        self.state.say(f"it is not quiet after {_QUIET:g} s", "red")

    def _behind(self, what: str, own: OwnClient) -> int:
        """Make commissions directly in Astakos."""
        if what == "serials":
            return own.hand_over()
        if what == "orphans":
            return self.direct.make_orphans(3)
        keys = self.producers.doubles[-_TWINS:]
        return self.direct.make_twins(keys) + self.direct.make_late_requests(keys)

    def _tick(self) -> None:
        time.sleep(_TICK)
        self.state.set_counts(self.observer.counts())
        with suppress(ControlError):
            self.peaks.look(self.control.audit())
        for name, process in self.stack.processes.items():
            if process.restarts != self._restarts.get(name, 0):
                self._restarts[name] = process.restarts
                self.state.say(f"{name} is started again (process {process.pid})", "green")
