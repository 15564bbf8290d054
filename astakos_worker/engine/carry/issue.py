"""One commission, exactly one serial: runs of POSTs, and the probe for lost answers.

Nothing is sent unmarked, which the claim sees to, or after the mark's `send_until` (F73). What may
have been done is looked for by its tag before it is done again (F5 to F9), and done again only when
a list that was started after the quiet horizon does not hold it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from astakos_worker.engine.breaker import CircuitBreaker
from astakos_worker.engine.journal import EventWrite, Journal
from astakos_worker.engine.listed import InfoReader, plausible, unrecorded_serials
from astakos_worker.engine.ports import Astakos, Draw, Limits
from astakos_worker.engine.replies import issue_failed
from astakos_worker.ledger.contract import Clock, Entry, Ledger
from astakos_worker.ledger.events import Absent, Event, Issued, Postponed, Unsent
from astakos_worker.ledger.record import Record
from astakos_worker.ledger.request import wire_name
from astakosclient.errors import AstakosClientException

log = structlog.get_logger(__name__)


class _LateError(Exception):
    """Raised when a look at many unknown commissions has taken a carrier's time."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """Issues what is queued and finds what is ambiguous."""

    astakos: Astakos
    ledger: Ledger
    journal: Journal
    clock: Clock
    limits: Limits
    draw: Draw

    def run(self, entries: Sequence[Entry], breaker: CircuitBreaker, out: list[EventWrite]) -> None:
        """Send a short run, and append what is to be recorded to `out`.

        `out` grows as answers come, so that a crash of this code loses none of them.
        """
        for entry in entries:
            record = entry.record
            if breaker.open or self.clock.now() >= (record.send_until or 0.0):
                out.append(EventWrite(entry, Unsent(record.marks, self.clock.now())))
                continue
            out.append(EventWrite(entry, self._post(record, breaker)))

    def _post(self, record: Record, breaker: CircuitBreaker) -> Event:
        request = record.request
        if request is None:
            raise ValueError(f"{record.key!r} has no request to issue")
        tag = record.tag(self.limits.tag_namespace(record.service))
        try:
            serial = self.astakos.issue_provisions(
                [provision.wire() for provision in request.provisions],
                wire_name(request.name, tag),
                request.force,
                fresh=True,
            )
        except AstakosClientException as error:
            breaker.failed(error)
            return issue_failed(error, record, self.clock.now(), self.limits, self.draw)
        breaker.answered()
        return Issued(serial)

    def probe(
        self, lane: str, entries: Sequence[Entry], breaker: CircuitBreaker, out: list[EventWrite]
    ) -> None:
        """Look for all ambiguous commissions of a lane at once; append what was found."""
        started = self.clock.now()
        try:
            found, trusted = self._look(lane, entries)
        except AstakosClientException as error:
            breaker.failed(error)
            out.extend(EventWrite(entry, self._later(entry.record, started)) for entry in entries)
            return
        except _LateError:  # what was seen is remembered: the next look goes on from there (F66)
            log.info("probe_unfinished", lane=lane, wanted=len(entries))
            out.extend(EventWrite(entry, None) for entry in entries)
            return
        breaker.answered()
        log.info("probe", lane=lane, wanted=len(entries), found=len(found))
        for entry in entries:
            record = entry.record
            serials = found.get(record.key, [])
            out.extend(EventWrite(entry, Issued(serial, "adopted")) for serial in serials[:1])
            if serials:
                continue  # a second one is the sweep's: it is seen again, and is a twin then
            quiet = record.quiet_at is not None and started >= record.quiet_at
            if quiet and trusted:
                out.append(EventWrite(entry, Absent(record.marks, started, self.clock.now())))
            else:
                out.append(EventWrite(entry, self._later(record, started)))

    def _look(self, lane: str, entries: Sequence[Entry]) -> tuple[dict[str, list[int]], bool]:
        wanted = {(e.record.key, e.record.incarnation) for e in entries}
        namespace = self.limits.tag_namespace(lane)
        held = self.ledger.lane(lane).held
        listed = self.astakos.get_pending_commissions()
        found: dict[str, list[int]] = {}
        until = self.clock.now() + self.limits.carry_seconds

        def turn() -> None:
            if self.clock.now() >= until:
                raise _LateError

        infos = InfoReader(self.astakos, turn=turn)
        for one in unrecorded_serials(infos, self.ledger, lane, listed, namespace):
            if one.tag is None or (one.tag.key, one.tag.incarnation) not in wanted:
                continue
            # A remembered name may be another commission's by now (F44).
            if one.fresh or infos.tags([one.serial]).get(one.serial) == one.tag:
                found.setdefault(one.tag.key, []).append(one.serial)
        return found, plausible(len(listed), held, self.limits)

    def _later(self, record: Record, now: float) -> Postponed:
        """Look again a few times soon, and then when the answer is final."""
        wait = self.limits.backoff(record.attempts + 1, self.draw)
        if record.quiet_at is not None and now < record.quiet_at:
            return Postponed(min(now + wait, record.quiet_at))
        return Postponed(now + wait)
