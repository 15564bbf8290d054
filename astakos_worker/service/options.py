"""What a caller may say of a commission besides its provisions: one list for all issuing calls."""

from collections.abc import Iterable
from typing import TypedDict

from astakos_worker.ledger.record import Moment


class How(TypedDict, total=False):
    """How a commission is to be carried out; see `Commissions.issue`."""

    accept: bool
    deadline: float | None
    callback: str | None
    callback_on: Iterable[Moment]
    reuse: bool


class Options(How, total=False):
    """All that `Commissions.issue` takes besides user, project, provisions and key."""

    name: str
    force: bool
