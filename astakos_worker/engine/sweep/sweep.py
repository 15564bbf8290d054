"""The sweep: compares what Astakos holds as pending with the ledger, and puts right what differs.

It may be wrong about the age of a commission. It must never take another program's commission for
one of ours (rule 9 of the design):

- It reads Astakos' list first and the ledger afterwards.
- It leaves records alone that a worker has claimed.
- It reads a remembered name again before it acts on it.
- It stops when the list cannot be right (F33 to F46, F69 to F71).

A sweep keeps no position. The ledger remembers what the sweep has seen, and what it has done needs
no second time. So the next sweep skips both, and goes on where an interrupted one stopped.
"""

import json
import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from astakos_worker.configuration.event_log import EventLog
from astakos_worker.engine.breaker import end_outage_alarms
from astakos_worker.engine.listed import Each, Info, InfoReader, lists_ours, plausible
from astakos_worker.engine.ports import Astakos, Limits, WakeLane
from astakos_worker.engine.sweep.findings import (
    OnProgress,
    Report,
    Selection,
    StopReason,
    SweepFinding,
)
from astakos_worker.engine.sweep.our_records import expire_undecided, find_vanished, held_serials
from astakos_worker.engine.sweep.owner import Ask
from astakos_worker.engine.sweep.serials import Serials
from astakos_worker.engine.sweep.sweep_run import SweepRun, SweepStopped
from astakos_worker.engine.sweep.unrecorded import check_unrecorded
from astakos_worker.ledger.contract import Clock, Ledger
from astakos_worker.ledger.record import shown
from astakosclient.errors import AstakosClientException

log = EventLog(__name__)

#: Names of notes: the last report, and what an operator allows the next sweep to pass.
_LAST, _ALLOW = "sweep", "allow:"

#: The alarm that a sweep raises when it stops, by the reason.
_ALARMS: dict[StopReason, str] = {"list": "sweep", "brake": "brake"}


@dataclass(slots=True)
class Sweep:
    """Sweeps one lane at a time.

    `ask` asks the owner, if there is one. `each` runs requests about single commissions, perhaps
    several at a time.
    """

    astakos: Astakos
    ledger: Ledger
    clock: Clock
    limits: Limits
    wake_lane: WakeLane
    ask: Ask | None = None
    each: Each[Info | AstakosClientException] = map

    def sweep(
        self,
        lane: str,
        holder: str,
        *,
        fix: bool = True,
        only: Selection = Selection(),  # noqa: B008  # frozen
        allow: frozenset[StopReason] = frozenset(),
    ) -> Report:
        """Sweep a lane, and with `fix` put things right; `holder` names this sweep."""
        report = Report(lane, fix=fix)
        for _ in self.findings(report, holder, only=only, allow=allow):
            pass
        return report

    def findings(
        self,
        report: Report,
        holder: str,
        *,
        only: Selection = Selection(),  # noqa: B008  # frozen
        allow: frozenset[StopReason] = frozenset(),
        progress: OnProgress = lambda _looked, _listed: None,
    ) -> Generator[SweepFinding]:
        """Yield each finding after it was acted on, and fill in the report.

        `report.fix` False: nothing is changed but what is remembered as seen. `only` narrows the
        sweep. `allow` holds the reasons that do not stop this sweep: "list" (Astakos' list seems
        wrong) and "brake" (it would reject too many). `progress` is called with the numbers of
        commissions looked at and listed. Raises the errors of Astakos and of the ledger; what was
        yielded until then is done.
        """
        lane, lease = report.service, f"sweep:{report.service}"
        report.started = self.clock.now()
        if report.fix and not self.ledger.take_lease(lease, holder, self.limits.sweep_lease):
            report.stopped = "another sweep is at work"
            report.ended = report.started
            log.info("sweep", lane=lane, stopped=report.stopped)
            return
        infos = InfoReader(self.astakos, self.each, self.limits.failures_to_rest - 1)
        sweep = SweepRun(
            holder=holder,
            astakos=self.astakos,
            ledger=self.ledger,
            clock=self.clock,
            limits=self.limits,
            wake_lane=self.wake_lane,
            ask=self.ask,
            infos=infos,
            report=report,
            only=only,
            allow=allow,
            progress=progress,
        )
        infos.turn = lambda: sweep.go_on(0)
        if self.limits.sweep_seconds < math.inf:
            infos.late = lambda: sweep.is_over
        try:
            yield from self._reported(sweep)
        finally:
            if report.fix:
                self.ledger.release_lease(lease, holder)

    def _reported(self, sweep: SweepRun) -> Iterator[SweepFinding]:
        """Sweep, count the findings, and write the report at the end."""
        report, lane = sweep.report, sweep.lane
        recorded = report.fix and not sweep.only
        noted = report.started
        allowed = self._allowances(lane) if recorded else frozenset()
        sweep.allow |= allowed
        try:
            for finding in self._passes(sweep):
                report.add(finding, None if finding.key is None else shown(finding.key))
                yield finding
                if recorded and self.clock.now() - noted >= _NOTED_EVERY:
                    noted = self.clock.now()
                    self._note(report)
        except SweepStopped as stop:
            report.stopped = str(stop)
            if stop.alarm is not None:
                sweep.alarm(_ALARMS[stop.alarm], report.stopped)
        except AstakosClientException as error:
            report.stopped = f"Astakos: {error}"
            self._end(sweep, recorded=recorded)
            raise
        else:
            if recorded:
                for name in allowed:
                    self.ledger.note(lane, _ALLOW + name, None)
                self.ledger.alarm(lane, _ALARMS["brake"], None)
        self._end(sweep, recorded=recorded)

    def _end(self, sweep: SweepRun, *, recorded: bool) -> None:
        report = sweep.report
        report.ended = self.clock.now()
        if sweep.fix and sweep.answered and "owner" not in report.alarms:
            self.ledger.alarm(sweep.lane, "owner", None)
        if recorded:
            self._note(report)
        logged = report.to_dict()
        del logged["service"], logged["rows"]
        log.info("sweep", lane=sweep.lane, **logged)

    def _passes(self, sweep: SweepRun) -> Iterator[SweepFinding]:
        lane = self.ledger.lane(sweep.lane)
        sweep.open = lane.open
        yield from expire_undecided(sweep)
        ours = held_serials(sweep)
        begun = self.clock.now()
        listed = Serials(self.astakos.get_pending_commissions())
        sweep.report.listed = len(listed)
        expected = min(len(ours), self.ledger.lane(sweep.lane).held)
        if not plausible(len(listed), expected, self.limits) and "list" not in sweep.allow:
            raise SweepStopped(
                f"Astakos lists {len(listed)} pending commissions, the ledger holds {expected}: "
                "is the token another component's? Nothing was changed.",
                "list",
            )
        if sweep.fix:
            end_outage_alarms(self.ledger, sweep.lane)
            if "unproven" in lane.alarms and lists_ours(self.ledger, sweep.lane, listed):
                self.ledger.alarm(sweep.lane, "unproven", None)
        yield from find_vanished(sweep, ours, listed)
        if sweep.fix:
            self.ledger.alarm(sweep.lane, _ALARMS["list"], None)
        rest = listed.without(ours)
        if sweep.only.serials and not sweep.only.keys:
            rest = Serials(n for n in rest if n in sweep.only.serials)
        yield from check_unrecorded(sweep, listed, rest, begun)
        if sweep.braked:
            raise SweepStopped(
                f"{sweep.braked} commissions are past their deadline, and one sweep may reject "
                f"{sweep.brake(sweep.open)}: did the clock of the ledger's server step? Look at "
                "them with `astakos-worker reconcile`. None of them has expired.",
                "brake",
            )
        if sweep.fix and not sweep.only:
            self.ledger.forget_sightings(sweep.lane, listed)

    def _note(self, report: Report) -> None:
        self.ledger.note(report.service, _LAST, json.dumps(report.to_dict()))

    def _allowances(self, lane: str) -> frozenset[StopReason]:
        notes = self.ledger.notes(lane)
        return frozenset(name for name in _ALARMS if _ALLOW + name in notes)


#: Seconds between two notes of a running sweep's report.
_NOTED_EVERY = 2.0


def last_report(ledger: Ledger, lane: str) -> Report | None:
    """Return the report of the last sweep of a lane; None if there was none."""
    text = ledger.notes(lane).get(_LAST)
    return None if text is None else Report.from_dict(json.loads(text))


def allow_once(ledger: Ledger, lane: str, what: StopReason) -> None:
    """Let the next sweep go on where it would stop. The first sweep that ends uses this up."""
    ledger.note(lane, _ALLOW + what, "allowed by an operator")
