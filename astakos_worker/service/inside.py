"""For callers inside this package that hold a `Commissions`: the calls its users do not see.

Used by the workers' by-name tasks, the command line and the demo.
"""

from astakos_worker.ledger.record import Record
from astakos_worker.service.commissions import Commissions
from astakos_worker.service.connections import Connections
from astakos_worker.service.deciding import Decider
from astakos_worker.service.issuing import Issuer
from astakos_worker.service.ledger_calls import read


def connections_of(commissions: Commissions) -> Connections:
    """Return ledger, wake-ups and watcher of this process."""
    return commissions._connections  # noqa: SLF001  # this module is its inside


def issuer_of(commissions: Commissions) -> Issuer:
    """Return the `Issuer`, whose calls return records instead of handles."""
    return commissions._issuer  # noqa: SLF001


def decider_of(commissions: Commissions) -> Decider:
    """Return the `Decider`, whose calls return records instead of handles."""
    return commissions._decider  # noqa: SLF001


def history(commissions: Commissions, which: str | int) -> tuple[Record, int]:
    """Return the whole record of a commission, and its version.

    Raises `UnknownKey`, `NewerRecord`, `Unavailable`, `BadValue`.
    """
    key = decider_of(commissions).key(which)
    entry = read(connections_of(commissions), commissions.service, key)
    return entry.record, entry.version
