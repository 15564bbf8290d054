"""Whether the token is the one of the component that issued this ledger's commissions (F25, F87).

Astakos answers "not found" for a serial that was settled, and also for a serial of another
component. So a worker that was given another component's token, by mistake, gets "not found" for
every commission. To believe a "not found", it needs one sign that its token is the right one:
Astakos' list of pending commissions holds a serial that a record of the ledger holds as well.
"""

from collections.abc import Collection, Iterable

from astakos_worker.engine.carry.context import CarryContext
from astakos_worker.engine.listed import lists_ours
from astakos_worker.engine.replies import plain_fault
from astakos_worker.ledger.record import Record

#: The error of a record whose "not found" was not believed.
UNPROVEN = plain_fault("Unproven", "Astakos does not know it, nor any serial of ours")


def is_token_proven(context: CarryContext, suspects: Collection[int]) -> bool:
    """Return whether Astakos lists a commission of ours; raise the alarm if it does not.

    `suspects` are the serials that were not found: they prove nothing. Raises the error of
    the request for the list.
    """
    listed = set(context.astakos.get_pending_commissions())
    if lists_ours(context.ledger, context.lane, listed, suspects):
        context.ledger.alarm(context.lane, "unproven", None)
        return True
    some = ", ".join(map(str, sorted(suspects)[:3]))
    text = (
        f"Astakos does not know {len(suspects)} of our serials ({some}, ...), and it "
        "lists no commission that the ledger holds: is the token another component's? These "
        "commissions stay open until Astakos lists one that the ledger holds."
    )
    context.ledger.alarm(context.lane, "unproven", text)
    return False


def settled_ours(context: CarryContext, records: Iterable[Record]) -> None:
    """End the alarm if Astakos has settled commissions that it did not know before."""
    if any(record.error == UNPROVEN for record in records):
        context.ledger.alarm(context.lane, "unproven", None)
