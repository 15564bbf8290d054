"""The sweep's passes over what Astakos lists and no open record of the ledger holds.

- A commission that was settled before, and is pending again, is settled again.
- A commission whose answer was lost is adopted: the record of its key gets the serial.
- A commission that nothing explains is rejected. All of these are rejected together, at the end,
  and none if they are too many for one sweep.

A remembered name may be out of date. It is read again before anything is done about it (F43, F44).
"""

import json
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from astakos_worker.engine.listed import (
    CHUNK,
    UnrecordedSerial,
    chunks,
    description_of,
    identity_of,
    sighting_text,
    unrecorded_serials,
)
from astakos_worker.engine.replies import plain_fault
from astakos_worker.engine.sweep.findings import SweepFinding
from astakos_worker.engine.sweep.owner import Unsettled
from astakos_worker.engine.sweep.policy import Classification, classify
from astakos_worker.engine.sweep.serials import Serials
from astakos_worker.engine.sweep.sweep_run import SweepRun, SweepStopped
from astakos_worker.ledger.contract import Entry
from astakos_worker.ledger.events import (
    Conflicted,
    Event,
    Issued,
    Resurfaced,
    TwinResurfaced,
)
from astakos_worker.ledger.record import Record, State, Twin, shown
from astakos_worker.ledger.request import Provision, read_tag
from astakosclient.errors import AstakosClientException

#: Serials to be rejected, by the reason; eight bytes each, because there can be 100,000.
Rejections = defaultdict[str, "array[int]"]


class _Classified(NamedTuple):
    """An unrecorded serial, the record of its key if there is one, and what is to be done."""

    unrecorded: UnrecordedSerial
    entry: Entry | None
    classification: Classification
    age: float

    @property
    def key(self) -> str | None:
        """Return the key in its tag."""
        return self.unrecorded.tag.key if self.unrecorded.tag else None

    @property
    def unexplained(self) -> bool:
        """Return whether its name has our tag, and no record of the ledger explains it."""
        tag, entry = self.unrecorded.tag, self.entry
        if tag is None or self.unrecorded.bare or self.classification.action == "leave":
            return False
        return entry is None or entry.record.incarnation != tag.incarnation

    def finding(self, *, done: bool = False) -> SweepFinding:
        """Return the finding of it."""
        action, why, reason = self.classification
        what = "leave" if action == "ask" else action
        return SweepFinding(what, self.unrecorded.serial, self.key, why, self.age, reason, done)


def check_unrecorded(
    sweep: SweepRun, listed: Serials, rest: Serials, begun: float
) -> Iterator[SweepFinding]:
    """Check the serials in `rest`: listed, and not held. `begun` is when the list was started."""
    rejections: Rejections = defaultdict(lambda: array("q"))
    sweep.go_on(len(listed) - len(rest))
    for chunk in chunks(rest, CHUNK):
        yield from _settled_before(sweep, chunk, begun)
        yield from _without_record(sweep, chunk, rejections)
        sweep.go_on(len(chunk))
    yield from _rejected(sweep, rejections)


# --- Pending in Astakos, closed in the ledger -------------------------------------------------


def _settled_before(sweep: SweepRun, chunk: list[int], begun: float) -> Iterator[SweepFinding]:
    """Settle again what was settled before Astakos was restored from a backup (F43)."""
    keys = sweep.ledger.find(sweep.lane, chunk)
    entries = sweep.ledger.get(sweep.lane, set(keys.values()))
    again = {
        n: entry
        for n, key in keys.items()
        if (entry := entries.get(key)) is not None
        and _closed_before(entry.record, n, begun)
        and sweep.only.takes(key, (n,), begun - (entry.record.closed or begun))
    }
    if not again:
        return
    infos, error = sweep.infos.read(list(again))
    if error is not None:
        raise error
    namespace = sweep.limits.tag_namespace(sweep.lane)
    events: list[tuple[Entry, Event]] = []
    findings = []
    for n, entry in again.items():
        if (info := infos.get(n)) is None:
            continue  # settled since the list was read
        record = entry.record
        age = begun - (record.closed or begun)
        if _is_still(record, info, namespace):
            why = "pending again though it was settled"
            own = (
                Twin(n, done=True) not in record.twins
            )  # a discarded record's own serial is one of its twins
            events.append((entry, Resurfaced() if own else TwinResurfaced(n)))
            findings.append(SweepFinding("resettle", n, record.key, why, age))
            continue
        why = "its serial is another commission's now"
        sweep.alarm("conflict", f"serial {n} is not {shown(record.key)!r} any more")
        if record.serial == n:
            fault = plain_fault("Conflict", f"serial {n} is reused")
            events.append((entry, Conflicted(fault)))
            findings.append(SweepFinding("conflict", n, record.key, why, age))
        else:  # it was a twin's serial: the record itself is not concerned
            yield SweepFinding("leave", n, record.key, why, age)
    done = sweep.write(events) if sweep.fix else [False] * len(events)
    yield from (f._replace(done=d) for f, d in zip(findings, done, strict=True))


def _is_still(record: Record, info: Mapping[str, Any], namespace: str) -> bool:
    """Return whether a pending commission is the one that a record has settled (F44)."""
    if record.bare:
        return identity_of(info) == record.seen
    return read_tag(str(info["name"])) == record.tag(namespace)


def _closed_before(record: Record, serial: int, begun: float) -> bool:
    if Twin(serial, done=True) in record.twins:
        return True
    settled = record.state in {State.ACCEPTED, State.REJECTED, State.VANISHED}
    return settled and record.serial == serial and (record.closed or begun) < begun


# --- Pending in Astakos, without a record -----------------------------------------------------


def _without_record(
    sweep: SweepRun, chunk: list[int], rejections: Rejections
) -> Iterator[SweepFinding]:
    ours: list[_Classified] = []
    asks: list[_Classified] = []
    for found in _classified(sweep, chunk):
        action = found.classification.action
        if found.unexplained:
            oldest = max(sweep.report.oldest_unexplained, found.age)
            sweep.report.oldest_unexplained = oldest
        if not sweep.only.takes(found.key, (found.unrecorded.serial,), found.age):
            continue
        match action:
            case "adopt" | "twin":
                ours.append(found)
            case "ask":
                asks.append(found)
            case "reject":
                rejections[found.classification.reason].append(found.unrecorded.serial)
            case _:
                yield found.finding()
    yield from _recorded(sweep, ours)
    yield from _by_owner(sweep, asks, rejections)


def _classified(sweep: SweepRun, serials: Iterable[int]) -> Iterator[_Classified]:
    """Yield each serial that no record has, with what is to be done about it now."""
    namespace = sweep.limits.tag_namespace(sweep.lane)
    serials_found = list(
        unrecorded_serials(sweep.infos, sweep.ledger, sweep.lane, serials, namespace)
    )
    keys = {one.tag.key for one in serials_found if one.tag}
    records = sweep.ledger.get(sweep.lane, keys)
    missing = keys - records.keys()
    newer = sweep.ledger.newer(sweep.lane, missing) if missing else set()
    now = sweep.clock.now()
    distrusted = sweep.is_distrusted()
    for one in serials_found:
        entry = records.get(one.tag.key) if one.tag else None
        classification = classify(
            one, entry, now, sweep.limits, owner=sweep.ask is not None, distrusted=distrusted
        )
        if (
            one.tag is not None and one.tag.key in newer
        ):  # of a newer version, or rubbish (F78, F86)
            classification = Classification("leave", "this version cannot read its record")
        yield _Classified(one, entry, classification, now - one.sighting.first_seen)


def _recorded(sweep: SweepRun, ours: list[_Classified]) -> Iterator[SweepFinding]:
    """Write serials into the records of their keys: as the serial if it is lost, else as a twin."""
    remembered = [one.unrecorded.serial for one in ours if not one.unrecorded.fresh]
    tags = sweep.infos.tags(remembered) if remembered and sweep.fix else {}
    true = [
        (found, found.entry)
        for found in ours
        if found.entry is not None
        and (
            not sweep.fix
            or found.unrecorded.fresh
            or tags.get(found.unrecorded.serial) == found.unrecorded.tag
        )
    ]
    done = [False] * len(true)
    if sweep.fix:
        done = sweep.write(
            [
                (
                    entry,
                    Issued(found.unrecorded.serial, _HOW[found.classification.action]),
                )
                for found, entry in true
            ]
        )
    for (found, _), is_done in zip(true, done, strict=True):
        yield found.finding(done=is_done)


_HOW = {"adopt": "adopted", "twin": "found"}


def _by_owner(
    sweep: SweepRun, asks: list[_Classified], rejections: Rejections
) -> Iterator[SweepFinding]:
    """Ask the owner about commissions that the ledger does not know (F35)."""
    if not asks:
        return
    described, error = _descriptions(sweep, asks)
    known = [found for found in asks if found.unrecorded.serial in described]
    questions = [_question(sweep.lane, one, described[one.unrecorded.serial]) for one in known]
    accepted = []
    for found, (answer, why) in zip(known, sweep.answers(questions), strict=True):
        said = found._replace(classification=found.classification._replace(why=why))
        match answer:
            case "accept":
                accepted.append(said)
            case "reject":
                rejections["owner"].append(found.unrecorded.serial)
            case "leave":
                yield said.finding()._replace(reason="")
    seen = {found.unrecorded.serial: found.unrecorded.identity for found in accepted}
    done = sweep.settle_bare(seen, "accept", "owner") if sweep.fix else [False] * len(seen)
    for said, is_done in zip(accepted, done, strict=True):
        yield said.finding(done=is_done)._replace(action="accept", reason="")
    if error is not None:
        raise error


def _descriptions(
    sweep: SweepRun, asks: list[_Classified]
) -> tuple[dict[int, str], AstakosClientException | None]:
    """Return the descriptions for the owner; Astakos is asked about each serial only once."""
    remembered = {
        found.unrecorded.serial: found.unrecorded.description
        for found in asks
        if found.unrecorded.description
    }
    new = {
        one.unrecorded.serial: one.unrecorded.identity
        for one in asks
        if not one.unrecorded.description
    }
    infos, error = sweep.infos.read(list(new))
    # A serial that is gone, or is another commission's by now, is left out.
    same = {n: info for n, info in infos.items() if info and identity_of(info) == new[n]}
    read = {n: description_of(info) for n, info in same.items()}
    sweep.ledger.remember_descriptions(
        sweep.lane, {n: sighting_text(info, read[n]) for n, info in same.items()}
    )
    return remembered | read, error


def _question(lane: str, found: _Classified, description: str) -> Unsettled:
    name, rows = json.loads(description)
    provisions = tuple(Provision(*row) for row in rows)
    return Unsettled(lane, found.key, found.unrecorded.serial, name, provisions, found.age)


# --- Rejecting --------------------------------------------------------------------------------


def _rejected(sweep: SweepRun, rejections: Rejections) -> Iterator[SweepFinding]:
    """Reject all that nothing explains; reject none if they are more than the brake allows."""
    many = sum(map(len, rejections.values()))
    braked = many > 0 and sweep.is_too_many(many + sweep.rejected, sweep.report.listed)
    for reason, serials in rejections.items():
        for chunk in chunks(serials, sweep.limits.settle_batch):
            yield from _reject(sweep, chunk, reason, fix=sweep.fix and not braked)
            sweep.go_on(0)
    if braked:
        most = sweep.brake(sweep.report.listed)
        expired = f", {sweep.rejected} have expired" if sweep.rejected else ""
        raise SweepStopped(
            f"{many} commissions would be rejected{expired}, and one sweep may reject {most}: look "
            "at them with `astakos-worker reconcile`. None of them was touched.",
            "brake",
        )


def _reject(sweep: SweepRun, chunk: list[int], reason: str, *, fix: bool) -> Iterator[SweepFinding]:
    """Classify again what is to be rejected, by the ledger and the names as they are now."""
    still = [found for found in _classified(sweep, chunk) if found.classification.reason == reason]
    if reason == "owner":
        owners = Classification("reject", "the owner says reject", reason)
        still = [found._replace(classification=owners) for found in still]
    if not fix:
        yield from (found.finding() for found in still)
        return
    # The worker that sends the request reads each name again, at the last moment (F44).
    seen = {found.unrecorded.serial: found.unrecorded.identity for found in still}
    done = sweep.settle_bare(seen, "reject", reason)
    yield from (found.finding(done=d) for found, d in zip(still, done, strict=True))
