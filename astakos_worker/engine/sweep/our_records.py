"""The sweep's passes over our own records: past their deadline, and gone from Astakos.

Nothing here needs a name to be looked at on suspicion: the record is ours, and it says what was
wanted. What is gone is believed only after two lists and a look at the commission itself.
"""

from collections.abc import Iterable, Iterator

from astakos_worker.engine.listed import CHUNK, chunks
from astakos_worker.engine.sweep.findings import SweepFinding
from astakos_worker.engine.sweep.owner import Unsettled
from astakos_worker.engine.sweep.serials import Serials
from astakos_worker.engine.sweep.sweep_run import SweepRun, SweepStopped
from astakos_worker.ledger.contract import Entry
from astakos_worker.ledger.events import Vanished
from astakos_worker.ledger.record import OPEN, State, Verb, shown
from astakos_worker.ledger.request import Request

#: Records of the lowest serials, among which the oldest undecided one is looked for.
_OLDEST = 100


def expire_undecided(sweep: SweepRun) -> Iterator[SweepFinding]:
    """Settle what nobody decided until its deadline (F37, F80)."""
    skip = 0
    while keys := sweep.ledger.expired(sweep.lane, CHUNK, skip):
        skip += len(keys)
        now = sweep.clock.now()
        late = [
            entry
            for entry in sweep.ledger.get(sweep.lane, keys).values()
            if _undecided(entry)
            and entry.record.state in OPEN
            and sweep.only.takes(
                entry.record.key, (entry.record.serial,), now - entry.record.created
            )
        ]
        yield from _past_deadline(sweep, late, now)
        sweep.go_on(0)


def _past_deadline(sweep: SweepRun, late: list[Entry], now: float) -> Iterator[SweepFinding]:
    reason, whys = "expired", ["undecided past its deadline"] * len(late)
    wanted: list[Verb | None] = ["reject" if sweep.limits.undecided == "reject" else None] * len(
        late
    )
    if sweep.ask is not None:
        reason = "owner"
        answers = list(sweep.answers([_question(sweep.lane, entry, now) for entry in late]))
        wanted = [None if answer == "leave" else answer for answer, _ in answers]
        whys = [f"undecided past its deadline; {why}" for _, why in answers]
    verbs = {e.record.key: (v, reason) for e, v in zip(late, wanted, strict=True) if v is not None}
    done = sweep.decide(verbs) if sweep.fix else {}
    for entry, verb, why in zip(late, wanted, whys, strict=True):
        record = entry.record
        age = now - record.created
        if verb is None:
            yield SweepFinding("leave", record.serial, record.key, why, age)
        elif verb == "accept":
            yield SweepFinding(
                "accept", record.serial, record.key, why, age, done=done.get(record.key, False)
            )
        else:
            yield SweepFinding(
                *("expired", record.serial, record.key, why, age, reason),
                done.get(record.key, False),
            )


def _question(lane: str, entry: Entry, now: float) -> Unsettled:
    record = entry.record
    request = record.request or Request(())
    age = now - record.created
    return Unsettled(lane, record.key, record.serial, request.name, request.provisions, age)


def held_serials(sweep: SweepRun) -> Serials:
    """Return the serials of our open records, and note how old the oldest undecided one is."""

    def pages() -> Iterable[int]:
        above = 0
        while page := sweep.ledger.held(sweep.lane, above):
            if not above:
                oldest(key for _, key in page[:_OLDEST])
            above = page[-1][0]
            yield from (serial for serial, _ in page)

    def oldest(keys: Iterable[str]) -> None:
        entries = sweep.ledger.get(sweep.lane, keys).values()
        since = [e.record.created for e in entries if _undecided(e)]
        if since:
            sweep.report.oldest_undecided = sweep.clock.now() - min(since)

    return Serials(pages())


def find_vanished(sweep: SweepRun, ours: Serials, listed: Serials) -> Iterator[SweepFinding]:
    """Say so where somebody else has settled what we hold as undecided (F69)."""
    gone = Serials(_still_undecided(sweep, ours.without(listed)))
    if not gone:
        return
    many = len(gone) > sweep.limits.brake_floor and len(gone) * 2 > len(ours)
    if many and "list" not in sweep.allow:
        raise SweepStopped(
            f"Astakos does not list {len(gone)} of the {len(ours)} pending commissions that the "
            "ledger holds: is the token another component's? Nothing was changed.",
            "list",
        )
    gone = gone.without(Serials(sweep.astakos.get_pending_commissions()))
    for chunk in chunks(gone, CHUNK):
        sweep.go_on(0)
        entries = _entries(sweep, chunk)
        infos, error = sweep.infos.read(list(entries))
        lost = [entries[n] for n, info in infos.items() if info is None]
        lost = [e for e in lost if _meant(sweep, e)]
        done = sweep.write([(e, Vanished()) for e in lost]) if sweep.fix else [False] * len(lost)
        for entry, is_done in zip(lost, done, strict=True):
            record = entry.record
            why = "settled by somebody else: we hold it as undecided"
            sweep.alarm("vanished", f"{shown(record.key)!r}: {why}")
            age = sweep.clock.now() - record.created
            yield SweepFinding("vanished", record.serial, record.key, why, age, done=is_done)
        if error is not None:
            raise error


def _meant(sweep: SweepRun, entry: Entry) -> bool:
    record = entry.record
    return sweep.only.takes(record.key, (record.serial,), sweep.clock.now() - record.created)


def _still_undecided(sweep: SweepRun, serials: Iterable[int]) -> Iterator[int]:
    for chunk in chunks(serials, CHUNK):
        yield from _entries(sweep, chunk)


def _entries(sweep: SweepRun, serials: list[int]) -> dict[int, Entry]:
    """Return the records that hold these serials, undecided and in nobody's hands, as of now."""
    keys = sweep.ledger.find(sweep.lane, serials)
    found = sweep.ledger.get(sweep.lane, set(keys.values()))
    now = sweep.clock.now()
    entries = {n: found[key] for n, key in keys.items() if key in found}
    return {
        n: entry
        for n, entry in entries.items()
        if entry.record.state is State.PENDING
        and entry.record.serial == n
        and _undecided(entry)
        and entry.leased <= now
    }


def _undecided(entry: Entry) -> bool:
    return entry.record.decision is None
