"""The sweep's passes over the ledger's own records: those past their deadline, and those gone.

The ledger issued these commissions, so their names need not be read. A commission that Astakos does
not list any more is believed to be gone only after two lists, a look at the commission itself, and
a proof that the token is the right component's.
"""

from collections.abc import Iterable, Iterator

from astakos_worker.engine.listed import CHUNK, chunks, lists_ours
from astakos_worker.engine.sweep.findings import SweepFinding
from astakos_worker.engine.sweep.owner import Unsettled
from astakos_worker.engine.sweep.serials import Serials
from astakos_worker.engine.sweep.sweep_run import SweepRun, SweepStopped
from astakos_worker.ledger.contract import Entry
from astakos_worker.ledger.events import Vanished
from astakos_worker.ledger.record import OPEN, State, Verb, shown
from astakos_worker.ledger.request import Request

#: The oldest undecided record is looked for among this many records, those of the lowest serials.
_OLDEST = 100

_LATE = "undecided past its deadline"


def expire_undecided(sweep: SweepRun) -> Iterator[SweepFinding]:
    """Settle commissions that nobody decided until their deadline (F37, F80).

    Nothing expires while the ledger has lost writes: an accept may be among them (F101). And
    nothing expires if too many would expire at once, for example because a server's clock stepped
    an hour forward (F89). Where there is an owner, the owner decides, and the brake is not needed.
    """
    held_back = ""
    if sweep.is_distrusted():
        held_back = "the ledger has lost writes, so nothing expires"
    elif sweep.ask is None and sweep.limits.undecided == "reject":
        late = _how_many_late(sweep)
        if sweep.is_too_many(late, sweep.open):
            sweep.braked = late
            held_back = "too many would expire at once"
    for entries, now in _late(sweep):
        if held_back:
            yield from (_left(entry, now, f"{_LATE}; {held_back}") for entry in entries)
        else:
            yield from _past_deadline(sweep, entries, now)
        sweep.go_on(0)


def _late(sweep: SweepRun) -> Iterator[tuple[list[Entry], float]]:
    """Yield pages of undecided records past their deadline, and the time of each page."""
    skip = 0
    while keys := sweep.ledger.expired(sweep.lane, CHUNK, skip):
        skip += len(keys)
        now = sweep.clock.now()
        entries = sweep.ledger.get(sweep.lane, keys).values()
        yield [entry for entry in entries if _is_late(sweep, entry, now)], now


def _is_late(sweep: SweepRun, entry: Entry, now: float) -> bool:
    record = entry.record
    meant = sweep.only.takes(record.key, (record.serial,), now - record.created)
    return _undecided(entry) and record.state in OPEN and meant


def _how_many_late(sweep: SweepRun) -> int:
    """Return how many would expire: an exact number only if it is above the brake."""
    keys = sweep.ledger.expired(sweep.lane, CHUNK)
    if not sweep.is_too_many(len(keys), sweep.open) and len(keys) < CHUNK:
        return len(keys)
    return sum(len(entries) for entries, _ in _late(sweep))


def _past_deadline(sweep: SweepRun, late: list[Entry], now: float) -> Iterator[SweepFinding]:
    """Decide these records as the owner says, or reject them by the policy."""
    reason, whys = "expired", [_LATE] * len(late)
    wanted: list[Verb | None] = [None] * len(late)
    if sweep.ask is not None:
        reason = "owner"
        answers = list(sweep.answers([_question(sweep.lane, entry, now) for entry in late]))
        wanted = [None if answer == "leave" else answer for answer, _ in answers]
        whys = [f"{_LATE}; {why}" for _, why in answers]
    elif sweep.limits.undecided == "reject":
        wanted = ["reject"] * len(late)
    verbs = {e.record.key: (v, reason) for e, v in zip(late, wanted, strict=True) if v is not None}
    done = sweep.decide(verbs) if sweep.fix else {}
    for entry, verb, why in zip(late, wanted, whys, strict=True):
        record = entry.record
        age, is_done = now - record.created, done.get(record.key, False)
        if verb is None:
            yield _left(entry, now, why)
        elif verb == "accept":
            yield SweepFinding("accept", record.serial, record.key, why, age, done=is_done)
        else:
            sweep.rejected += is_done
            yield SweepFinding("expired", record.serial, record.key, why, age, reason, is_done)


def _left(entry: Entry, now: float, why: str) -> SweepFinding:
    record = entry.record
    return SweepFinding("leave", record.serial, record.key, why, now - record.created)


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
    """Report commissions that we hold as undecided and that somebody else has settled (F69)."""
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
    if "list" not in sweep.allow and not lists_ours(sweep.ledger, sweep.lane, listed, gone):
        yield from _unproven(sweep, gone)
        return
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


def _unproven(sweep: SweepRun, gone: Serials) -> Iterator[SweepFinding]:
    """Leave commissions alone that Astakos does not list, because it lists none of ours (F25)."""
    why = "Astakos lists no commission that the ledger holds: is the token another component's?"
    for chunk in chunks(gone, CHUNK):
        entries = [entry for entry in _entries(sweep, chunk).values() if _meant(sweep, entry)]
        for entry in entries:
            sweep.alarm("unproven", f"{shown(entry.record.key)!r} is not listed. {why}")
            yield _left(entry, sweep.clock.now(), why)


def _meant(sweep: SweepRun, entry: Entry) -> bool:
    record = entry.record
    return sweep.only.takes(record.key, (record.serial,), sweep.clock.now() - record.created)


def _still_undecided(sweep: SweepRun, serials: Iterable[int]) -> Iterator[int]:
    for chunk in chunks(serials, CHUNK):
        yield from _entries(sweep, chunk)


def _entries(sweep: SweepRun, serials: list[int]) -> dict[int, Entry]:
    """Return the records that hold these serials now, undecided and claimed by no worker."""
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
