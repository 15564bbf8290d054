"""One wake-up's work: claim what is due, settle, issue, record; again until nothing is due.

Each round claims one short run, so that a carrier that dies leaves few records waiting for its
lease (F72), decided ones come first without being asked for, and what one round learnt is
recorded in the round trip that claims the next.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import structlog

from astakos_worker.engine.breaker import CircuitBreaker
from astakos_worker.engine.carry.bare_serials import BareSerialChecker
from astakos_worker.engine.carry.batch_size import BatchSize
from astakos_worker.engine.carry.callbacks import SendCallback, send_next_callback
from astakos_worker.engine.carry.issue import Issuer
from astakos_worker.engine.carry.settle import Settler
from astakos_worker.engine.journal import EventWrite, Journal
from astakos_worker.engine.ports import Astakos, Draw, Limits, Ring
from astakos_worker.engine.replies import plain_fault
from astakos_worker.ledger.contract import Asked, Claim, Clock, Entry, Ledger
from astakos_worker.ledger.events import Died, Postponed, Released
from astakos_worker.ledger.record import Record, State

log = structlog.get_logger(__name__)

Work = Literal["issue", "probe", "settle", "tell", "die", "release"]


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
    return "tell" if record.callbacks_due else "release"


@dataclass(slots=True)
class CarryResult:
    """What became of the records that a carrier had in hand, in order."""

    records: dict[str, Record] = field(default_factory=dict)
    why: str = ""  # how it ended: idle, full, resting, enough


@dataclass(slots=True)
class Carrier:
    """Works on one lane at a time. One object serves many threads; a call keeps its own state."""

    astakos: Astakos
    ledger: Ledger
    clock: Clock
    limits: Limits
    draw: Draw
    ring: Ring
    send_callback: SendCallback
    size: BatchSize = field(default_factory=BatchSize)

    def carry(
        self, lane: str, name: str, *, own: str | None = None, wake: str | None = None
    ) -> CarryResult:
        """Work until nothing is due, or so many records or seconds are reached."""
        journal = Journal(self.ledger)
        breaker = CircuitBreaker(self.ledger, lane, self.limits, self.draw)
        issuer = Issuer(self.astakos, self.ledger, journal, self.clock, self.limits, self.draw)
        checker = BareSerialChecker(
            self.astakos, self.ledger, journal, self.clock, self.limits, self.draw
        )
        settler = Settler(
            self.astakos, journal, checker, self.clock, self.limits, self.draw, self.size
        )
        until = self.clock.now() + self.limits.carry_seconds
        done = CarryResult()
        out: list[EventWrite] = []
        try:
            while True:
                if len(done.records) >= self.limits.carry_records or self.clock.now() >= until:
                    self._seen(done, journal.write(out))
                    out = []
                    done.why = "enough"
                    if self.ledger.sign_off(lane, name):
                        self.ring(lane)
                    return done
                asked = self._asked(lane, name, own, wake)
                claim, written = journal.claim(asked, out)
                out, wake = [], None
                self._seen(done, written)
                if claim.wakeup:
                    self.ring(lane)
                if not claim.entries:
                    done.why = claim.why
                    return done
                breaker.on_trial(claim.trial)
                self._seen(done, claim.entries)
                self._work(lane, claim, issuer=issuer, settler=settler, breaker=breaker, out=out)
        except BaseException:
            # What Astakos answered must reach the ledger even when this code is at its end.
            journal.write(out)
            self.ledger.sign_off(lane, name)
            raise

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

    def _work(
        self,
        lane: str,
        claim: Claim,
        *,
        issuer: Issuer,
        settler: Settler,
        breaker: CircuitBreaker,
        out: list[EventWrite],
    ) -> None:
        piles: dict[Work, list[Entry]] = {}
        for entry in claim.entries:
            piles.setdefault(work_due(entry), []).append(entry)
        if decided := piles.get("settle"):
            waits = any(entry.record.callbacks_due for entry in decided)
            told = self._call_back(decided, settler.journal)
            settler.run(told, breaker, out, fresh=not waits)
        if ambiguous := piles.get("probe"):
            issuer.probe(lane, ambiguous, breaker, out)
        if fresh := piles.get("issue"):
            issuer.run(fresh, breaker, out)
        for entry in piles.get("tell", ()):
            wait = self.limits.backoff(entry.record.attempts, self.draw)
            later = Postponed(self.clock.now() + wait)
            out.append(EventWrite(entry, send_next_callback(entry, self.send_callback) or later))
        for entry in piles.get("die", ()):
            why = "nobody issued it: a decision came by name, and its request never did"
            out.append(EventWrite(entry, Died(plain_fault("NeverIssued", why))))
        out.extend(EventWrite(entry, Released()) for entry in piles.get("release", ()))

    def _call_back(self, entries: Sequence[Entry], journal: Journal) -> list[Entry]:
        """Send the due call-backs of records that are to be settled; the others pass as they are.

        A broker that is away keeps nothing from being settled: it is told later.
        """
        going = [entry for entry in entries if not entry.record.callbacks_due]
        for entry in entries:
            if entry.record.callbacks_due:
                step = EventWrite(
                    entry, send_next_callback(entry, self.send_callback), lease=self.limits.lease
                )
                written = [after for after in journal.write([step]) if after is not None]
                going += [replace(after, marked=entry.marked) for after in written]
        return going

    @staticmethod
    def _seen(done: CarryResult, entries: Sequence[Entry | None]) -> None:
        for entry in entries:
            if entry is not None:
                done.records[entry.record.key] = entry.record
