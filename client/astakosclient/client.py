"""The client: one method for each call of the API, of one token at one Astakos."""

from __future__ import annotations

from astakosclient.accounts import AccountCalls
from astakosclient.commission_calls import CommissionCalls
from astakosclient.projects import ProjectCalls


class AstakosClient(AccountCalls, CommissionCalls, ProjectCalls):
    """A client of Astakos, for one token; see `Caller.__init__` for its settings.

    Safe to be used from many threads at once and after a fork.
    """
