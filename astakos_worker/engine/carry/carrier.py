"""The carrier: one wake-up's work on a lane. It claims what is due, works on it, and records it.

A carrier works in rounds until nothing is due, or until it has done its share of records or
seconds. Each round claims one short run, so that a carrier that dies leaves few records that wait
for its lease to end (F72). Decided records come first. The results of one round are written in the
round trip that claims the next one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from astakos_worker.configuration.event_log import EventLog
from astakos_worker.engine.breaker import CircuitBreaker
from astakos_worker.engine.carry.bare_serials import BareSerialChecker
from astakos_worker.engine.carry.callbacks import SendCallback, send_next_callback
from astakos_worker.engine.carry.context import CarryContext
from astakos_worker.engine.carry.issue import PostSender
from astakos_worker.engine.carry.settle import Settler
from astakos_worker.engine.journal import EventWrite, Journal
from astakos_worker.engine.lane_memory import LaneMemory
from astakos_worker.engine.ports import Astakos, Draw, Explain, Limits, WakeLane
from astakos_worker.engine.replies import plain_fault
from astakos_worker.ledger.contract import Asked, Claim, Clock, Entry, Ledger
from astakos_worker.ledger.events import Died, Postponed, Released
from astakos_worker.ledger.record import Record, State, shown

log = EventLog(__name__)

Work = Literal["issue", "probe", "settle", "call back", "die", "release"]


def work_due(entry: Entry) -> Work:
    """Return what is to be done for a record that is due."""
    record = entry.record
    match record.state:
        case State.QUEUED:
            return "issue"
        case State.ISSUING:
            return "issue" if entry.marked else "probe"
        case State.PENDING | State.SETTLING:
            if record.decision or record.twins_due:
                return "settle"
        case State.AWAITED:
            return "die"
    if record.twins_due:
        return "settle"
    return "call back" if record.callbacks_due else "release"


@dataclass(slots=True)
class CarryResult:
    """What became of the records that a carrier has claimed, in order.

    `why` is how the carry ended: "idle" (nothing was due), "full" (enough carriers are at work),
    "resting" (the lane rests) or "enough" (it has done its share of records or seconds).
    """

    records: dict[str, Record] = field(default_factory=dict)
    why: str = ""


@dataclass(slots=True)
class Carrier:
    """Works on one lane at a time. Many threads may use one: each carry keeps its own state.

    `memory` is what this process remembers of the lane; give the same one to all its carriers.
    """

    astakos: Astakos
    ledger: Ledger
    clock: Clock
    limits: Limits
    draw: Draw
    wake_lane: WakeLane
    send_callback: SendCallback
    memory: LaneMemory = field(default_factory=LaneMemory)
    explain: Explain = lambda *_: ""

    def carry(
        self, lane: str, name: str, *, own: str | None = None, wake: str | None = None
    ) -> CarryResult:
        """Work until nothing is due, or until the limit of records or seconds is reached.

        `name` names this carrier among all of the lane. `own` is the key of the commission that
        the wake-up was for: it is claimed first if it is due. `wake` is the id of the wake-up.
        """
        context = self._context(lane)
        until = self.clock.now() + self.limits.carry_seconds
        result = CarryResult()
        try:
            while True:
                if len(result.records) >= self.limits.carry_records or self.clock.now() >= until:
                    self._recorded(context, result, context.journal.write(context.events))
                    context.events = []
                    result.why = "enough"
                    context.breaker.finish()
                    if self.ledger.sign_off(lane, name):
                        self.wake_lane(lane)
                    return result
                asked = self._asked(lane, name, own, wake)
                claim, written = context.journal.claim(asked, context.events)
                context.events, wake = [], None
                self._recorded(context, result, written)
                if claim.wakeup:
                    self.wake_lane(lane)
                if not claim.entries:
                    context.breaker.finish()
                    result.why = claim.why
                    return result
                self._recorded(context, result, claim.entries)
                context.breaker.claimed(claim.trial, claim.failures)
                self._work(context, claim)
        except BaseException:
            # What Astakos answered must reach the ledger, even when this code fails.
            context.journal.write(context.events)
            self.ledger.sign_off(lane, name)
            raise

    def _context(self, lane: str) -> CarryContext:
        breaker = CircuitBreaker(
            self.astakos,
            self.ledger,
            lane,
            limits=self.limits,
            draw=self.draw,
            memory=self.memory,
        )
        return CarryContext(
            lane,
            self.astakos,
            self.ledger,
            self.clock,
            self.limits,
            self.draw,
            self.memory,
            Journal(self.ledger),
            breaker,
            self.explain,
        )

    def _asked(self, lane: str, name: str, own: str | None, wake: str | None) -> Asked:
        limits = self.limits
        return Asked(
            lane,
            name,
            limits.lease,
            issues=limits.run,
            settles=limits.settle_batch,
            settle_wait=limits.settle_wait,
            send_for=limits.carry_seconds,
            quiet_for=limits.carry_seconds + limits.quiet_horizon,
            own=own,
            wakeup_id=wake,
        )

    def _work(self, context: CarryContext, claim: Claim) -> None:
        """Do what is due for each claimed record; the events are recorded with the next claim."""
        due: dict[Work, list[Entry]] = {}
        for entry in claim.entries:
            due.setdefault(work_due(entry), []).append(entry)
        if decided := due.get("settle"):
            waits = any(entry.record.callbacks_due for entry in decided)
            entries = self._call_back(context, decided)
            Settler(context, BareSerialChecker(context)).run(entries, fresh=not waits)
        if ambiguous := due.get("probe"):
            PostSender(context).probe(ambiguous)
        if queued := due.get("issue"):
            PostSender(context).run(queued)
        for entry in due.get("call back", ()):
            later = Postponed(context.retry_at(entry.record))
            context.record(entry, send_next_callback(entry, self.send_callback) or later)
        for entry in due.get("die", ()):
            why = "nobody issued it: a decision came by name, and its request never came"
            context.record(entry, Died(plain_fault("NeverIssued", why)))
        for entry in due.get("release", ()):
            context.record(entry, Released())

    def _call_back(self, context: CarryContext, entries: Sequence[Entry]) -> list[Entry]:
        """Send due call-backs of records that are to be settled; return all records, up to date.

        If the broker does not answer, the records are settled and the call-back is sent later.
        """
        going = [entry for entry in entries if not entry.record.callbacks_due]
        for entry in entries:
            if entry.record.callbacks_due:
                sent = send_next_callback(entry, self.send_callback)
                write = EventWrite(entry, sent, lease=self.limits.lease)
                written = [after for after in context.journal.write([write]) if after is not None]
                going += [replace(after, marked=entry.marked) for after in written]
        return going

    @staticmethod
    def _recorded(
        context: CarryContext, result: CarryResult, entries: Sequence[Entry | None]
    ) -> None:
        """Note records as they are now; raise an alarm for each that somebody else settled."""
        for entry in entries:
            if entry is None:
                continue
            record = entry.record
            result.records[record.key] = record
            if record.state is State.VANISHED:
                verb = record.decision.verb if record.decision else "nothing"
                text = (
                    f"{shown(record.key)!r}: {verb} was decided, and Astakos does not know serial "
                    f"{record.serial} any more: somebody else has settled it"
                )
                log.error("commission_vanished", lane=context.lane, key=shown(record.key))
                context.ledger.alarm(context.lane, "vanished", text)
