"""`Commissions` without broker and server, for the unit tests of services.

The shipped engine works on the shipped ledger in memory, against the sandbox's own quota
arithmetic; only the queue, the wire and the clock are left out. Loaded by nobody but who calls
`Commissions.in_memory()`.
"""

from astakos_worker.testing.in_memory.astakos import InMemoryAstakos
from astakos_worker.testing.in_memory.service import InMemoryCommissions

__all__ = ["InMemoryAstakos", "InMemoryCommissions"]
