"""`Commissions` and `Lookups` without broker and server, for the unit tests of services.

The workers' engine runs on the ledger in memory, against the sandbox's quota arithmetic. There is
no queue, no HTTP and no waiting. Runs in the process of a service's tests. Only
`in_memory()` of the two, `ASTAKOS_LEDGER_URL=memory://` and tests import it. It must never open a
connection.
"""

from astakos_worker.testing.in_memory.astakos import InMemoryAstakos
from astakos_worker.testing.in_memory.cloud import InMemoryCloud, the_cloud
from astakos_worker.testing.in_memory.lookups import InMemoryLookups
from astakos_worker.testing.in_memory.service import InMemoryCommissions

__all__ = [
    "InMemoryAstakos",
    "InMemoryCloud",
    "InMemoryCommissions",
    "InMemoryLookups",
    "the_cloud",
]
