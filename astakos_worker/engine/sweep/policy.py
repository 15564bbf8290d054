"""What is to be done about a commission that Astakos holds and no record explains: pure.

The tag says whose it is, the ledger what became of its key, the policies the rest. Age is
counted from our own first sight; `issue_time` is not trusted (F33).
"""

from typing import Literal, NamedTuple

from astakos_worker.engine.listed import Stranger
from astakos_worker.engine.ports import Limits
from astakos_worker.ledger.contract import Entry
from astakos_worker.ledger.record import Record, State

Action = Literal["foreign", "wait", "leave", "adopt", "twin", "reject", "ask"]


class Judgement(NamedTuple):
    """What is to be done, why, and a stable word for a rejection."""

    action: Action
    why: str
    reason: str = ""


_YOUNG = Judgement("wait", "the ledger does not know its key; within the grace")


def judge(  # noqa: PLR0911  # one return a rule
    stranger: Stranger, entry: Entry | None, now: float, limits: Limits, *, owner: bool
) -> Judgement:
    """Return what to do about a pending serial that no record has.

    `entry` is the record of the key in its tag, if there is one; `owner`: there is somebody who
    can be asked.
    """
    age = now - stranger.sight.first
    if stranger.tag is None:
        return _foreign(stranger, age, limits, owner=owner)
    if entry is None:
        return _unknown(stranger, age, limits, owner=owner)
    record = entry.record
    if record.incarnation != stranger.tag.incarnation:
        if age < limits.grace:
            return Judgement("wait", "an earlier use of its key; within the grace")
        if limits.orphans == "report":
            return Judgement("leave", "an earlier use of its key; the policy says report")
        return Judgement("reject", "a late ghost of an earlier use of its key", "ghost")
    if entry.leased > now:
        return Judgement("leave", "a worker has it in hand")
    if stranger.serial in serials_of(record):
        return Judgement("leave", "recorded while the list was read")
    if record.serial is None and record.state in {State.QUEUED, State.ISSUING}:
        return Judgement("adopt", "its answer was lost")
    has = "no serial" if record.serial is None else f"serial {record.serial}"
    return Judgement("twin", f"its key is {record.state} with {has}", "twin")


def serials_of(record: Record) -> set[int | None]:
    """Return the serials that a record knows as its own."""
    return {record.serial, *(twin.serial for twin in record.twins)}


def _foreign(stranger: Stranger, age: float, limits: Limits, *, owner: bool) -> Judgement:
    if stranger.elsewhere:  # whatever the policy: somebody looks after it
        return Judgement("foreign", "its tag is another ledger's or another service's")
    if limits.foreign == "owner" and owner and age >= limits.grace:
        return Judgement("ask", "it carries no tag; the owner is asked", "owner")
    if limits.foreign == "reject" and age >= limits.quarantine:
        return Judgement("reject", "it carries no tag, and the policy says reject", "foreign")
    return Judgement("foreign", "it carries no tag")


def _unknown(stranger: Stranger, age: float, limits: Limits, *, owner: bool) -> Judgement:
    if stranger.bare:
        return Judgement("leave", "it is being settled by its serial")
    if age < limits.grace:
        return _YOUNG
    if owner:
        return Judgement("ask", "the ledger does not know its key; the owner is asked", "owner")
    if age < limits.quarantine:
        return Judgement("wait", "the ledger does not know its key; in quarantine")
    if limits.orphans == "report":
        return Judgement("leave", "the ledger does not know its key; the policy says report")
    return Judgement("reject", "the ledger does not know its key", "orphan")
