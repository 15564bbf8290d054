"""For owners: what a function that `ASTAKOS_OWNER` names is given, and what it answers.

    def owner(commissions: Sequence[Unsettled]) -> Sequence[Answer]:
        return ["leave" for _ in commissions]

`docs/owners.md` tells more.
"""

from typing import Final

from astakos_worker.engine.sweep.owner import Answer, Owner, Unsettled

__all__: Final = ["Answer", "Owner", "Unsettled"]
