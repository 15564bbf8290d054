"""`Commissions` without broker and server, for the unit tests of services.

The workers' engine runs on the ledger in memory, against the sandbox's quota arithmetic. Queue,
wire and clock are left out. Only `Commissions.in_memory()` and tests load it.
"""

from astakos_worker.testing.in_memory.astakos import InMemoryAstakos
from astakos_worker.testing.in_memory.service import InMemoryCommissions

__all__ = ["InMemoryAstakos", "InMemoryCommissions"]
