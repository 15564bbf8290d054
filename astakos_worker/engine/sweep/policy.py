"""What to do about a commission that Astakos holds and that no record of the ledger explains. Pure.

The tag in its name says which ledger issued it. The ledger says what became of its key. The
operator's policies decide the rest. Its age is counted from when a sweep first saw it, because
Astakos' `issue_time` is local time with a false offset (F33).
"""

from typing import Literal, NamedTuple

from astakos_worker.engine.listed import UnrecordedSerial
from astakos_worker.engine.ports import Limits
from astakos_worker.ledger.contract import Entry
from astakos_worker.ledger.record import Record, State

Action = Literal["foreign", "wait", "leave", "adopt", "twin", "reject", "ask"]


class Classification(NamedTuple):
    """What is to be done, why, and a stable word for a rejection."""

    action: Action
    why: str
    reason: str = ""


_YOUNG = Classification("wait", "the ledger does not know its key; within the grace")


def classify(
    unrecorded: UnrecordedSerial,
    entry: Entry | None,
    now: float,
    limits: Limits,
    *,
    owner: bool,
    distrusted: bool = False,
) -> Classification:
    """Return what to do about a pending serial that no record has.

    `entry` is the record of the key in its tag, if there is one. `owner`: there is an owner who
    can be asked. `distrusted`: the ledger has lost writes, so what it does not know proves
    nothing, and nothing is rejected for that (F101).
    """
    found = _by_the_rules(unrecorded, entry, now, limits, owner=owner)
    if distrusted and found.action == "reject":
        why = f"{found.why}; the ledger has lost writes, so nothing is rejected"
        return Classification("wait", why)
    return found


def _by_the_rules(  # noqa: PLR0911  # one return a rule
    unrecorded: UnrecordedSerial, entry: Entry | None, now: float, limits: Limits, *, owner: bool
) -> Classification:
    age = now - unrecorded.sighting.first_seen
    if unrecorded.tag is None:
        return _foreign(unrecorded, age, limits, owner=owner)
    if entry is None:
        return _unknown(unrecorded, age, limits, owner=owner)
    record = entry.record
    if record.incarnation != unrecorded.tag.incarnation:
        if age < limits.grace:
            return Classification("wait", "an earlier use of its key; within the grace")
        if limits.orphans == "report":
            return Classification("leave", "an earlier use of its key; the policy says report")
        return Classification("reject", "a late ghost of an earlier use of its key", "ghost")
    if entry.leased > now:
        return Classification("leave", "a worker has claimed its record")
    if unrecorded.serial in _own_serials(record):
        return Classification("leave", "recorded while the list was read")
    if record.serial is None and record.state in {State.QUEUED, State.ISSUING}:
        return Classification("adopt", "its answer was lost")
    has = "no serial" if record.serial is None else f"serial {record.serial}"
    return Classification("twin", f"its key is {record.state} with {has}", "twin")


def _own_serials(record: Record) -> set[int | None]:
    """Return the serials that a record knows as its own."""
    return {record.serial, *(twin.serial for twin in record.twins)}


def _foreign(
    unrecorded: UnrecordedSerial, age: float, limits: Limits, *, owner: bool
) -> Classification:
    if unrecorded.elsewhere:  # under every policy: another ledger looks after it
        return Classification("foreign", "its tag is another ledger's or another service's")
    if limits.foreign == "owner" and owner and age >= limits.grace:
        return Classification("ask", "it carries no tag; the owner is asked", "owner")
    if limits.foreign == "reject" and age >= limits.quarantine:
        return Classification("reject", "it carries no tag, and the policy says reject", "foreign")
    return Classification("foreign", "it carries no tag")


def _unknown(
    unrecorded: UnrecordedSerial, age: float, limits: Limits, *, owner: bool
) -> Classification:
    if unrecorded.bare:
        return Classification("leave", "it is being settled by its serial")
    if age < limits.grace:
        return _YOUNG
    if owner:
        return Classification(
            "ask", "the ledger does not know its key; the owner is asked", "owner"
        )
    if age < limits.quarantine:
        return Classification("wait", "the ledger does not know its key; in quarantine")
    if limits.orphans == "report":
        return Classification("leave", "the ledger does not know its key; the policy says report")
    return Classification("reject", "the ledger does not know its key", "orphan")
