"""Issuing: one commission, exactly one serial.

A claim marks each record before its POST is sent, and nothing is sent after the mark's
`send_until` (F73). A POST whose answer was lost may have been executed. Then the commission is
looked for first, by the tag in its name, in Astakos' list of pending commissions. It is sent
again only when a list that was started after the quiet horizon does not hold it (F5 to F9).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from astakos_worker.configuration.event_log import EventLog
from astakos_worker.engine.carry.context import CarryContext
from astakos_worker.engine.listed import InfoReader, plausible, unrecorded_serials
from astakos_worker.engine.replies import issue_absent, issue_failed
from astakos_worker.ledger.contract import Entry
from astakos_worker.ledger.events import (
    Declined,
    Died,
    Event,
    Issued,
    Postponed,
    Refused,
    Unsent,
)
from astakos_worker.ledger.record import Record
from astakos_worker.ledger.request import wire_name
from astakosclient.errors import AstakosClientException, NotFound

log = EventLog(__name__)

#: Seconds between two questions of one process about the names of a lane's commissions.
_EXPLAIN_EVERY = 1.0


class _LateError(Exception):
    """Raised when reading many unknown commissions has used up a carrier's time."""


@dataclass(frozen=True, slots=True)
class PostSender:
    """Issues queued commissions, and looks for the ambiguous ones."""

    context: CarryContext

    def run(self, entries: Sequence[Entry]) -> None:
        """Send a short run of POSTs, one after the other."""
        context = self.context
        for entry in entries:
            record, now = entry.record, context.clock.now()
            if context.breaker.open or now >= (record.send_until or 0.0):
                context.record(entry, Unsent(record.marks, context.clock.now()))
                continue
            context.record(entry, self._post(record))

    def _post(self, record: Record) -> Event:
        context, request = self.context, record.request
        if request is None:
            raise ValueError(f"{record.key!r} has no request to issue")
        tag = record.tag(context.limits.tag_namespace(record.service))
        try:
            serial = context.astakos.issue_provisions(
                [provision.wire() for provision in request.provisions],
                wire_name(request.name, tag),
                request.force,
                fresh=True,
            )
        except AstakosClientException as error:
            context.breaker.failed(error, record, "issue")
            since = record.failing_since
            others = since is not None and context.memory.succeeded_since("issue", since)
            now = context.clock.now()
            event = issue_failed(error, record, now, context.limits, context.draw, others=others)
            return self._explained(record, event) if isinstance(error, NotFound) else event
        context.breaker.succeeded("issue", [record])
        return Issued(serial)

    def _explained(self, record: Record, event: Event) -> Event:
        """Say in the error of a 404 which name Astakos does not know.

        The commission is tried again for a while (F14), and its caller reads the text meanwhile.
        The text of the first 404 is kept for the next ones.
        """
        if not isinstance(event, Declined | Refused) or record.request is None:
            return event
        context, fault, before = self.context, event.fault, record.error or {}
        text, now = "", context.clock.now()
        if before.get("class") == fault["class"] and before["message"] != fault["message"]:
            text = before["message"]
        elif now - context.memory.explained >= _EXPLAIN_EVERY:
            context.memory.explained = now
            text = context.explain(context.lane, record.request.provisions)
            log.warning("declined", lane=context.lane, key=record.key, reason=text)
        return replace(event, fault={**fault, "message": text}) if text else event

    def probe(self, entries: Sequence[Entry]) -> None:
        """Look for all ambiguous commissions of the lane at once."""
        context = self.context
        started = context.clock.now()
        if context.breaker.open:
            self._give_back(entries)
            return
        try:
            found, trusted = self._look(entries)
        except AstakosClientException as error:
            context.breaker.failed_to_list(error)
            for entry in entries:
                context.record(entry, self._later(entry.record, started))
        except _LateError:  # what was read is remembered: the next probe goes on from there (F66)
            log.info("probe_unfinished", lane=context.lane, wanted=len(entries))
            self._give_back(entries)
        else:
            log.info("probe", lane=context.lane, wanted=len(entries), found=len(found))
            for entry in entries:
                serials = found.get(entry.record.key, [])
                context.record(entry, self._probed(entry.record, serials, started, trusted=trusted))

    def _give_back(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self.context.record(entry, None)

    def _probed(
        self, record: Record, serials: Sequence[int], started: float, *, trusted: bool
    ) -> Event:
        """Return the event of one commission after a probe that was started at `started`."""
        if serials:  # if there is a second serial, the sweep records it as a twin
            return Issued(serials[0], "adopted")
        quiet = record.quiet_at is not None and started >= record.quiet_at
        if not (quiet and trusted):
            return self._later(record, started)
        now = self.context.clock.now()
        event = issue_absent(record, started, now, self.context.limits, self.context.draw)
        if isinstance(event, Died):
            self.context.breaker.end_request_alarms()
        return event

    def _look(self, entries: Sequence[Entry]) -> tuple[dict[str, list[int]], bool]:
        """Return the serials found for each key, and whether the list can be right (F42)."""
        context = self.context
        wanted = {(e.record.key, e.record.incarnation) for e in entries}
        namespace = context.limits.tag_namespace(context.lane)
        held = context.ledger.lane(context.lane).held
        listed = context.astakos.get_pending_commissions()
        found: dict[str, list[int]] = {}
        until = context.clock.now() + context.limits.carry_seconds

        def turn() -> None:
            if context.clock.now() >= until:
                raise _LateError

        infos = InfoReader(context.astakos, turn=turn)
        for one in unrecorded_serials(infos, context.ledger, context.lane, listed, namespace):
            if one.tag is None or (one.tag.key, one.tag.incarnation) not in wanted:
                continue
            # A remembered name may be another commission's by now (F44).
            if one.fresh or infos.tags([one.serial]).get(one.serial) == one.tag:
                found.setdefault(one.tag.key, []).append(one.serial)
        return found, plausible(len(listed), held, context.limits)

    def _later(self, record: Record, now: float) -> Postponed:
        """Probe again a few times soon, and then when the quiet horizon has passed."""
        context = self.context
        wait = context.limits.backoff(record.attempts + 1, context.draw)
        if record.quiet_at is not None and now < record.quiet_at:
            return Postponed(min(now + wait, record.quiet_at))
        return Postponed(now + wait)
