"""For callers inside this package that hold a `Commissions`: the calls its users do not see.

Used by the workers' by-name tasks, the command line and the demo. The calls of `Issuer` and
`Decider` are coroutines that never suspend here: run them by `at_once`.
"""

from astakos_worker.ledger.awaited import at_once
from astakos_worker.ledger.record import Record
from astakos_worker.service.calls import Calls
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
    return _calls(commissions).issuer


def decider_of(commissions: Commissions) -> Decider:
    """Return the `Decider`, whose calls return records instead of handles."""
    return _calls(commissions).decider


def history(commissions: Commissions, which: str | int) -> tuple[Record, int]:
    """Return the whole record of a commission, and its version.

    Raises `UnknownKey`, `NewerRecord`, `Unavailable`, `BadValue`.
    """
    calls = _calls(commissions)
    key = at_once(calls.decider.key(which))
    entry = at_once(read(calls.connections, commissions.service, key))
    return entry.record, entry.version


def _calls(commissions: Commissions) -> Calls:
    return commissions._calls  # noqa: SLF001
