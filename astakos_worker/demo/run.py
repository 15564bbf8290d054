"""The phases of a demonstration: start, fire, settle, sweep, prove. Prints nothing itself.

The caller's thread runs all phases, so Ctrl-C ends all of them. Messages go to the run's state,
and a view shows them.
"""

import time
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from astakos_worker.configuration.settings import Settings
from astakos_worker.demo.direct_commissions import DirectCommissions
from astakos_worker.demo.fault_schedule import FaultSchedule
from astakos_worker.demo.observer import Observer, accounts
from astakos_worker.demo.plan import Accounts, plan
from astakos_worker.demo.pretend_service import PretendService
from astakos_worker.demo.proof import Discrepancy, Evidence, prove
from astakos_worker.demo.run_state import RunState
from astakos_worker.local import LocalStack
from astakos_worker.sandbox.control_client import ControlClient
from astakos_worker.service.commissions import Commissions
from astakos_worker.service.connect import ledger_of
from astakos_worker.service.lookups import Lookups
from astakosclient import AstakosClient

PHASES = ("start", "fire", "settle", "sweep", "prove")

#: The sandbox is as slow as a real Astakos. Without this cost the run would be over in a moment.
_SANDBOX = ("--cost", "real")
_TICK = 0.1
#: Seconds within which all calls must be made.
_FIRED = 90.0
#: Seconds after the last call until the service must know the end of every commission.
_SETTLED = 75.0
#: Seconds after that until nothing of ours may be pending: the quarantine and some sweeps.
_QUIET = 60.0
#: Seconds between two messages about the rejected orphans.
_BREATH = 2.0
#: This many sweeps must find nothing to do before Astakos' figures are read.
_SWEEPS = 2


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """The options of a demonstration."""

    directory: Path
    commissions: int = 1200
    threads: int = 16
    seed: int = 1
    flower: bool = True
    #: The process of the stack that is killed with `kill -9`; None: no process is killed.
    kill: str | None = "commissions-1"
    #: Seconds from the first call to the kill; None: it comes when half of the calls are made.
    kill_at: float | None = None


@dataclass(frozen=True, slots=True)
class ProofResult:
    """The result of a run: the evidence, and the discrepancies in it."""

    evidence: Evidence
    accounts: Accounts
    discrepancies: list[Discrepancy]
    seconds: float
    killed: list[str]

    @property
    def proven(self) -> bool:
        """Return whether there are no discrepancies."""
        return not self.discrepancies


class Demonstration:
    """One run on a stack of its own. The stack runs inside `with ... .running()`."""

    def __init__(self, options: DemoOptions, state: RunState) -> None:
        self._options = options
        self._state = state
        self.stack = LocalStack(
            options.directory,
            flower=options.flower,
            env={"ASTAKOS_TIMES": "demo"},
            sandbox_args=_SANDBOX,
        )

    @contextmanager
    def running(self) -> Iterator["Demonstration"]:
        """Start the stack, and stop it at the end of the block."""
        self._state.say(
            "starting broker, sandbox, workers, beat" + ", Flower" * self._options.flower
        )
        with self.stack as stack:
            self._state.enter("start", flower=stack.flower_url)
            self._state.say(f"the stack is up, in {stack.directory}")
            yield self

    def run(self) -> ProofResult:
        """Run all phases; return the result of the proof."""
        stack, options, state = self.stack, self._options, self._state
        settings = Settings(times="demo", broker_url=stack.broker_url, ledger_url=stack.ledger_url)
        commissions = Commissions(settings=settings)
        control = ControlClient(str(stack.sandbox_url))
        observer = Observer(control, ledger_of(settings), settings.service)
        where = accounts(Lookups(settings=settings), control)
        state.say(f"{len(where.users)} users found by name, through the workers")
        before = observer.holdings()
        token = stack.token_file.read_text(encoding="utf-8").strip()
        namespace = f"{settings.namespace}.{settings.service}"
        direct = DirectCommissions(
            AstakosClient(token, stack.auth_url), commissions, namespace, where, options.seed
        )
        victim = stack.processes[options.kill] if options.kill else None
        schedule = FaultSchedule(state, direct, victim, options.kill_at, options.seed)
        service = PretendService(commissions, state)
        run = _Phases(stack, state, service, observer, direct, schedule)
        try:
            service.start(plan(options.commissions, options.seed, where), options.threads)
            with schedule.kill_later():
                run.fire()
                run.settle()
                run.sweep()
                state.enter("prove")
                astakos = observer.astakos_state(before)
        finally:
            service.stop()
        evidence = Evidence(
            state.caller_views(), direct.foreign, direct.orphans, astakos, namespace
        )
        return ProofResult(evidence, where, prove(evidence), state.seconds, schedule.killed)


@dataclass(slots=True)
class _Phases:
    """The phases. Each waits for a condition, up to a limit in seconds."""

    stack: LocalStack
    state: RunState
    service: PretendService
    observer: Observer
    direct: DirectCommissions
    schedule: FaultSchedule
    _restarts: dict[str, int] = field(default_factory=dict)
    _orphans: int = 0
    _said: float = 0.0

    def fire(self) -> None:
        """Wait until all calls are made, and make the faults that are due meanwhile."""
        self.state.enter("fire")
        end = time.monotonic() + _FIRED
        while self.service.firing or self.schedule.coming:
            if time.monotonic() > end:
                self.state.say(f"not all calls are made after {_FIRED:g} s", "red")
                self.service.stop()
                return
            self.schedule.look(self.state.snapshot(), firing=self.service.firing)
            self._tick()

    def settle(self) -> None:
        """Wait until the service was told the end of each commission."""
        self.state.enter("settle")
        self.state.say("all calls are made; the service waits for the end of each commission")
        end = time.monotonic() + _SETTLED
        while self.state.waiting and self.service.asking and time.monotonic() < end:
            self._tick()

    def sweep(self) -> None:
        """Wait until nothing of ours was pending during two sweeps."""
        self.state.enter("sweep")
        self.state.say("all ends are known; the sweep rejects the orphans that are left")
        foreign = {made.serial for made in self.direct.foreign}
        quiet_since: int | None = None
        end = time.monotonic() + _QUIET
        while time.monotonic() < end:
            pending, lists = self._tick(), self.observer.lists()
            if not pending <= foreign:
                quiet_since = None
            elif quiet_since is None:
                quiet_since = lists
            elif lists >= quiet_since + _SWEEPS:
                self.state.say(f"{_SWEEPS} more sweeps found nothing to do")
                return
        self.state.say(f"commissions of ours are still pending after {_QUIET:g} s", "red")

    def _tick(self) -> AbstractSet[int]:
        """Wait a little, update the counts, report news; return the pending serials."""
        time.sleep(_TICK)
        self.state.set_counts(self.observer.counts())
        for name, process in self.stack.processes.items():
            if process.restarts != self._restarts.get(name, 0):
                self._restarts[name] = process.restarts
                self.state.say(f"{name} is started again (process {process.pid})", "green")
        pending = self.observer.pending().keys()
        orphans = {made.serial for made in self.direct.orphans}
        rejected = len(orphans - pending)
        soon = time.monotonic() < self._said + _BREATH and rejected < len(orphans)
        if rejected != self._orphans and not soon:
            self._orphans, self._said = rejected, time.monotonic()
            self.state.say(f"{rejected} of {len(orphans)} orphans are rejected", "cyan")
        return pending
