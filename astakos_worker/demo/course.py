"""The order of a demonstration: start, fire, settle, sweep, prove. Shows nothing itself.

Everything is run from the caller's thread, so that Ctrl-C ends all of it; what it has to tell
goes to the board.
"""

import time
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from astakos_worker.configuration.settings import Settings
from astakos_worker.demo.board import Board
from astakos_worker.demo.mischief import Mischief
from astakos_worker.demo.plan import Places, plan
from astakos_worker.demo.proof import Case, Finding, prove
from astakos_worker.demo.service import Service
from astakos_worker.demo.trouble import Trouble
from astakos_worker.demo.witness import Witness, places
from astakos_worker.local import LocalStack
from astakos_worker.sandbox.control_client import ControlClient
from astakos_worker.service.commissions import Commissions
from astakos_worker.service.connect import ledger_of
from astakos_worker.service.lookups import Lookups
from astakosclient import AstakosClient

PHASES = ("start", "fire", "settle", "sweep", "prove")

#: The sandbox works as slowly as a real Astakos; with no cost it would be over in a moment.
_SANDBOX = ("--cost", "real")
_TICK = 0.1
#: Seconds within which all calls must be made.
_FIRED = 90.0
#: Seconds after the last call until every commission must know its end.
_SETTLED = 75.0
#: Seconds after that until nothing of ours may be pending: a quarantine, a grace, some sweeps.
_QUIET = 60.0
#: Seconds between two lines about the same thing.
_BREATH = 2.0
#: So many sweeps must have found nothing to do before the books are read.
_SWEEPS = 2


@dataclass(frozen=True, slots=True)
class Options:
    """What a demonstration is to be like."""

    directory: Path
    commissions: int = 1200
    threads: int = 16
    seed: int = 1
    flower: bool = True
    #: `kill -9` of this process of the stack; None: of none.
    kill: str | None = "commissions-1"
    #: So many seconds after the first call; None: when half of the calls are made.
    kill_at: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of it."""

    case: Case
    places: Places
    findings: list[Finding]
    seconds: float
    killed: list[str]

    @property
    def proven(self) -> bool:
        """Return whether everything is as it must be."""
        return not self.findings


class Demonstration:
    """One run on a stack of its own, which is up inside `with`."""

    def __init__(self, options: Options, board: Board) -> None:
        self._options = options
        self._board = board
        self.stack = LocalStack(
            options.directory,
            flower=options.flower,
            env={"ASTAKOS_TIMES": "demo"},
            sandbox_args=_SANDBOX,
        )

    @contextmanager
    def running(self) -> Iterator["Demonstration"]:
        """Have the stack up."""
        self._board.say(
            "starting broker, sandbox, workers, beat" + ", Flower" * self._options.flower
        )
        with self.stack as stack:
            self._board.enter("start", flower=stack.flower_url)
            self._board.say(f"the stack is up, in {stack.directory}")
            yield self

    def run(self) -> Verdict:
        """Run it, and judge."""
        stack, options, board = self.stack, self._options, self._board
        settings = Settings(times="demo", broker_url=stack.broker_url, ledger_url=stack.ledger_url)
        commissions = Commissions(settings=settings)
        control = ControlClient(str(stack.sandbox_url))
        witness = Witness(control, ledger_of(settings), settings.service)
        where = places(Lookups(settings=settings), control)
        board.say(f"{len(where.users)} users found by name, through the workers")
        before = witness.holdings()
        token = stack.token_file.read_text(encoding="utf-8").strip()
        namespace = f"{settings.namespace}.{settings.service}"
        mischief = Mischief(
            AstakosClient(token, stack.auth_url), commissions, namespace, where, options.seed
        )
        victim = stack.processes[options.kill] if options.kill else None
        trouble = Trouble(board, mischief, victim, options.kill_at, options.seed)
        service = Service(commissions, board)
        run = _Run(stack, board, service, witness, mischief, trouble)
        try:
            service.start(plan(options.commissions, options.seed, where), options.threads)
            with trouble.killing_at():
                run.fire()
                run.settle()
                run.sweep()
                board.enter("prove")
                books = witness.books(before)
        finally:
            service.stop()
        case = Case(board.told(), mischief.foreign, mischief.orphans, books, namespace)
        return Verdict(case, where, prove(case), board.seconds, trouble.killed)


@dataclass(slots=True)
class _Run:
    """The phases, each of which waits for something, and no longer than it may take."""

    stack: LocalStack
    board: Board
    service: Service
    witness: Witness
    mischief: Mischief
    trouble: Trouble
    _restarts: dict[str, int] = field(default_factory=dict)
    _orphans: int = 0
    _said: float = 0.0

    def fire(self) -> None:
        """Wait until all calls are made, with trouble on the way."""
        self.board.enter("fire")
        end = time.monotonic() + _FIRED
        while self.service.firing or self.trouble.coming:
            if time.monotonic() > end:
                self.board.say(f"the calls are not through after {_FIRED:g} s", "red")
                self.service.stop()
                return
            self.trouble.look(self.board.scene(), firing=self.service.firing)
            self._tick()

    def settle(self) -> None:
        """Wait until the service was told the end of each commission."""
        self.board.enter("settle")
        self.board.say("every call is made; waiting to be told how each ended")
        end = time.monotonic() + _SETTLED
        while self.board.waiting and self.service.asking and time.monotonic() < end:
            self._tick()

    def sweep(self) -> None:
        """Wait until nothing of ours is pending, and has not been for some sweeps."""
        self.board.enter("sweep")
        self.board.say("all told; the sweep puts right what was left behind")
        foreign = {made.serial for made in self.mischief.foreign}
        quiet_since: int | None = None
        end = time.monotonic() + _QUIET
        while time.monotonic() < end:
            pending, lists = self._tick(), self.witness.lists()
            if not pending <= foreign:
                quiet_since = None
            elif quiet_since is None:
                quiet_since = lists
            elif lists >= quiet_since + _SWEEPS:
                self.board.say(f"{_SWEEPS} more sweeps found nothing to do")
                return
        self.board.say(f"it is not quiet after {_QUIET:g} s", "red")

    def _tick(self) -> AbstractSet[int]:
        """Look at everything, tell what is new, wait a little; return what is pending."""
        time.sleep(_TICK)
        self.board.stands(self.witness.standing())
        for name, process in self.stack.processes.items():
            if process.restarts != self._restarts.get(name, 0):
                self._restarts[name] = process.restarts
                self.board.say(f"{name} is started again (process {process.pid})", "green")
        pending = self.witness.pending().keys()
        orphans = {made.serial for made in self.mischief.orphans}
        rejected = len(orphans - pending)
        soon = time.monotonic() < self._said + _BREATH and rejected < len(orphans)
        if rejected != self._orphans and not soon:
            self._orphans, self._said = rejected, time.monotonic()
            self.board.say(f"the sweep: {rejected} of {len(orphans)} orphans are rejected", "cyan")
        return pending
