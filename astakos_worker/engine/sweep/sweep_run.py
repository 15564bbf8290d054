"""One run of a sweep: what it was asked, what it works with, and how far it got.

A sweep has several passes. Each is a generator of findings over one `SweepRun`. Between two
chunks of work a pass calls `go_on`, which renews the sweep's lease, ends a sweep that has used up
its time, and reports progress.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from astakos_worker.configuration.event_log import EventLog
from astakos_worker.engine.journal import EventWrite, Journal
from astakos_worker.engine.listed import InfoReader, chunks
from astakos_worker.engine.ports import Astakos, Limits, WakeLane
from astakos_worker.engine.sweep.findings import OnProgress, Report, Selection, StopReason
from astakos_worker.engine.sweep.owner import Answer, Ask, OwnerError, Unsettled, checked
from astakos_worker.ledger.contract import Clock, Entry, Ledger, Write
from astakos_worker.ledger.events import Event
from astakos_worker.ledger.record import Decision, Verb, bare_key
from astakos_worker.ledger.states import bare

log = EventLog(__name__)

#: The log event of each alarm; `docs/sweep.md` says what to do about each alarm.
_EVENTS = {
    "sweep": "sweep_stopped",
    "brake": "sweep_stopped",
    "owner": "owner_failed",
    "unproven": "token_unproven",
    "vanished": "commission_vanished",
    "conflict": "commission_conflict",
}


class SweepStopped(Exception):  # noqa: N818  # an operator says whether that is an error
    """Raised when a sweep must not or cannot go on. `alarm`: an operator has to look."""

    def __init__(self, why: str, alarm: StopReason | None = None) -> None:
        super().__init__(why)
        self.alarm = alarm


@dataclass(slots=True)
class SweepRun:
    """What the passes of one sweep share. Times are of the ledger's clock, in seconds."""

    holder: str
    astakos: Astakos
    ledger: Ledger
    clock: Clock
    limits: Limits
    wake_lane: WakeLane
    ask: Ask | None
    infos: InfoReader
    report: Report
    only: Selection
    allow: frozenset[StopReason]
    progress: OnProgress
    open: int = 0  # open records of the lane when the sweep began
    answered: bool = field(default=False)  # the owner has answered, at least once
    rejected: int = 0  # how many expired in this sweep: they count for the brake
    braked: int = 0  # how many would have expired, if more than the brake allows

    @property
    def lane(self) -> str:
        """Return the lane that is swept."""
        return self.report.service

    @property
    def fix(self) -> bool:
        """Return whether the sweep puts things right, or only reports."""
        return self.report.fix

    @property
    def is_over(self) -> bool:
        """Return whether the sweep has used up its time."""
        return self.clock.now() - self.report.started >= self.limits.sweep_seconds

    def brake(self, among: int) -> int:
        """Return how many of `among` commissions one sweep may reject or let expire."""
        return max(self.limits.brake_floor, int(among * self.limits.brake_share))

    def is_too_many(self, count: int, among: int) -> bool:
        """Return whether `count` is above the brake, and no operator has allowed that."""
        return count > self.brake(among) and "brake" not in self.allow

    def is_distrusted(self) -> bool:
        """Return whether the ledger has lost writes; note it in the report (F101)."""
        if self.ledger.distrusted(self.lane):
            self.report.distrusted = True
            return True
        return False

    def go_on(self, looked: int) -> None:
        """Add to the number of serials looked at; raise `SweepStopped` if the sweep must end."""
        report = self.report
        if self.is_over:  # some of these may not have been looked at
            raise SweepStopped(
                f"its time was over after {report.looked} of {report.listed} commissions; "
                "the next sweep goes on"
            )
        if self.fix and not self.ledger.take_lease(
            f"sweep:{self.lane}", self.holder, self.limits.sweep_lease
        ):
            raise SweepStopped("another sweep has taken over")
        report.looked += looked
        self.progress(report.looked, report.listed)

    def alarm(self, name: str, text: str) -> None:
        """Raise an alarm: an operator has to look. In a dry run it is only reported."""
        self.report.alarms[name] = text
        if self.fix:
            log.error(_EVENTS[name], lane=self.lane, alarm=name, reason=text)
            self.ledger.alarm(self.lane, name, text)

    # --- The owner ----------------------------------------------------------------------------

    def answers(self, commissions: Sequence[Unsettled]) -> Iterator[tuple[Answer, str]]:
        """Ask the owner in batches; yield an answer and its reason for each commission."""
        if self.ask is None:
            raise ValueError("there is no owner to be asked")
        for batch in chunks(commissions, self.limits.owner_batch):
            self.go_on(0)
            try:
                answers = checked(self.ask(batch), len(batch))
            except OwnerError as error:
                self.alarm("owner", str(error))
                for _ in batch:
                    yield "leave", f"the owner did not answer: {error}"
                continue
            self.answered = True
            for answer in answers:
                yield answer, f"the owner says {answer}"

    # --- Writing ------------------------------------------------------------------------------

    def write(self, steps: Sequence[tuple[Entry, Event]]) -> list[bool]:
        """Write events in one round trip and wake a worker; return which were written."""
        if not steps:
            return []
        written = Journal(self.ledger).write(
            [EventWrite(e, event, holder=False) for e, event in steps]
        )
        self.wake_lane(self.lane)
        return [entry is not None for entry in written]

    def decide(self, keys: Mapping[str, tuple[Verb, str]]) -> dict[str, bool]:
        """Decide undecided records; return which of them are decided so now.

        `keys` is `{key: (verb, reason)}`.
        """
        if not keys:
            return {}
        now = self.clock.now()
        wanted = {key: Decision(verb, reason, now) for key, (verb, reason) in keys.items()}
        answers = self.ledger.decide(self.lane, wanted)
        for answer in answers.values():
            if answer.wakeup:
                self.wake_lane(self.lane)
        cells = {key: one.entry.cell for key, one in answers.items() if one.entry is not None}
        return {
            key: (cell := cells.get(key)) is not None and cell.verb == decision.verb
            for key, decision in wanted.items()
        }

    def settle_bare(self, seen: Mapping[int, str], verb: Verb, reason: str) -> list[bool]:
        """Settle commissions that have no record: make a record of each serial, with a decision.

        `seen` is `{serial: identity}`. A commission whose identity has changed when its decision
        is sent is left alone. Return which records were made.
        """
        now = self.clock.now()
        decision = Decision(verb, reason, now)
        writes = [
            Write(
                replace(
                    bare(bare_key(n), self.lane, "0" * 8, serial=n, decision=decision, now=now),
                    seen=look,
                ),
                0,
                cell=decision,
                wakeup=True,
            )
            for n, look in seen.items()
        ]
        answers = self.ledger.cas(writes)
        for answer in answers:
            if answer.wakeup:
                self.wake_lane(self.lane)
        return [answer.done for answer in answers]
