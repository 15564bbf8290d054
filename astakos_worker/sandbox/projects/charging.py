"""What applications cost: one `astakos.pending_app` each, from submission to verdict.

The real server charges by commissions of its own, as the component `astakos`; so does this.
A world without that resource charges nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from astakos_worker.sandbox.errors import ApiFaultError, QuotaRefusalError
from astakos_worker.sandbox.quota import Provision
from astakos_worker.sandbox.world import member_holding, project_holding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astakos_worker.sandbox.astakos import Astakos
    from astakos_worker.sandbox.quota import Commission, HoldingKey
    from astakos_worker.sandbox.records import Application, User
    from astakos_worker.sandbox.world import World

COMPONENT: Final = "astakos"
PENDING_APP: Final = "astakos.pending_app"


def charge_for(
    astakos: Astakos, applicant: User, replaced: Application | None = None
) -> tuple[Commission, ...]:
    """Charge the applicant for one more, and give back what one that is replaced has cost.

    Raises a 409 if that is too much; an admin is charged whatever the limit.
    """
    provisions = [Provision(*key, 1) for key in pending_app_holdings(astakos.world, applicant.uuid)]
    if replaced is not None:
        provisions += _releases(astakos.world, replaced)
    try:
        return _issue(astakos, provisions, force=applicant.is_admin)
    except QuotaRefusalError as refusal:
        raise ApiFaultError(409, "There are too many pending applications") from refusal


def refund_for(astakos: Astakos, application: Application) -> tuple[Commission, ...]:
    """Give back what an application has cost."""
    return _issue(astakos, _releases(astakos.world, application), force=False)


def _releases(world: World, application: Application) -> list[Provision]:
    """Only what is there to be given back: services may have charged these holdings too."""
    return [
        Provision(*key, -1)
        for key in pending_app_holdings(world, application.applicant)
        if world.book.holdings[key].usage_min > 0
    ]


def pending_app_holdings(world: World, user: str) -> list[HoldingKey]:
    """The holdings that one pending application of a user is charged to, if they exist."""
    keys = (member_holding(user, user, PENDING_APP), project_holding(user, PENDING_APP))
    return [key for key in keys if key in world.book.holdings]


def _issue(
    astakos: Astakos, provisions: Sequence[Provision], *, force: bool
) -> tuple[Commission, ...]:
    if not provisions:
        return ()
    commission = astakos.world.book.issue(
        COMPONENT, provisions, at=astakos.clock.now(), force=force, auto_accept=True
    )
    return (commission,)
