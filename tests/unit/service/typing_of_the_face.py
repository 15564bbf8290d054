"""What a type checker says about the calls of a service; `test_typing.py` runs mypy on it."""

from typing import assert_type

from astakos_worker import (
    Commission,
    Commissions,
    CommissionState,
    Lookups,
    Outcome,
    QuotaLimit,
    Unavailable,
)
from astakosclient.answer_types import Commission as PendingCommission
from astakosclient.answer_types import Figures, ProjectFigures, Resource


def about_commissions(commissions: Commissions) -> None:
    one = commissions.issue(user="u", project="p", provisions={"cyclades.vm": 1})
    assert_type(one, Commission)
    assert_type(one.state, CommissionState)
    assert_type(one.ignored, tuple[str, ...])
    assert_type(one.serial, int | None)
    outcome = one.outcome(timeout=5)
    assert_type(outcome, Outcome)
    assert_type(outcome.state, CommissionState)
    misspelt = outcome.state == "acepted"  # type: ignore[comparison-overlap]  # misspelt: an error
    assert_type(misspelt, bool)
    with commissions.hold(user="u", project="p", provisions={}) as held:
        assert_type(held, Commission)


def about_look_ups(lookups: Lookups) -> None:
    assert_type(lookups.quotas(), dict[str, dict[str, dict[str, Figures]]])
    assert_type(lookups.project_quotas(), dict[str, dict[str, ProjectFigures]])
    assert_type(lookups.resources(), dict[str, Resource])
    assert_type(lookups.commission_info(1), PendingCommission)
    assert_type(lookups.quotas()["u"]["p"]["cyclades.vm"]["usage"], int)


def about_errors(error: QuotaLimit, away: Unavailable) -> None:
    assert_type(error.limit, int | None)
    assert_type(away.token, str | None)
