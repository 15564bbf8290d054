"""A commission on its way is never taken for drift, whenever its steps fall between the reads.

All orders of both are tried: what a service and a worker do, and what a look reads.
"""

from itertools import combinations_with_replacement, permutations

import pytest

from astakos_worker.engine.drift.compare import (
    Agreement,
    Figure,
    Holding,
    UsageSnapshot,
    compare_holding,
)

HOLDING = Holding("ada", "p", "cyclades.vm")
READS = ("before", "own", "awaited", "after")

#: What happens to a commission whose service commits before it decides: the ledger comes first,
#: Astakos may have it before or after the commit, and the decision is last.
LIVES = {
    "accepted": [
        ("queued", "posted", "committed", "settled"),
        ("queued", "committed", "posted", "settled"),
    ],
    "rejected": [("queued", "posted", "dropped")],
    "cancelled": [("queued", "dropped")],
}


def seen(read, happened, quantity):
    """What a read finds when so much has happened; before it all the usage is 5 on both sides."""
    settled, posted = "settled" in happened, "posted" in happened
    pending = abs(quantity) if posted and not {"settled", "dropped"} & happened else 0
    if read == "own":
        return {HOLDING: 5 + (quantity if "committed" in happened else 0)}
    if read == "awaited":
        waits = "queued" in happened and not {"posted", "dropped"} & happened
        return frozenset({HOLDING} if waits else ())
    usage = 5 + (quantity if settled else max(quantity, 0) if pending else 0)
    return {HOLDING: Figure(usage, pending, 10)}


def looks(life, quantity, reads):
    """Every look at a life: how many of its steps have happened by each of the reads."""
    for counts in combinations_with_replacement(range(len(life) + 1), len(reads)):
        found = {
            read: seen(read, set(life[:count]), quantity)
            for read, count in zip(reads, counts, strict=True)
        }
        yield UsageSnapshot(**found, resources=frozenset({HOLDING.resource}))


def taken_for_drift(reads, lives, quantity):
    return sum(
        compare_holding(HOLDING, look).agreement is Agreement.DIFFERS
        for life in lives
        for look in looks(life, quantity, reads)
    )


@pytest.mark.parametrize("quantity", [1, -1, 3, -5])
@pytest.mark.parametrize("end", LIVES)
def test_what_is_on_its_way_is_never_drift(end, quantity):
    assert taken_for_drift(READS, LIVES[end], quantity) == 0


def test_no_other_order_of_the_reads_would_do():
    """Of those that have Astakos before and after the service: what is tried here does bite."""
    good = {
        reads
        for reads in permutations(READS)
        if reads.index("before") < reads.index("own") < reads.index("after")
        and not any(
            taken_for_drift(reads, lives, quantity)
            for lives in LIVES.values()
            for quantity in (1, -1)
        )
    }
    assert good == {READS}
