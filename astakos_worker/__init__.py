"""Exactly-once quota commissions for the services of a Synnefo cloud."""

# What a service's code needs; workers and operators have `astakos_worker.app` and the command.
from astakos_worker.configuration.settings import Settings
from astakos_worker.service.async_commissions import AsyncCommission, AsyncCommissions
from astakos_worker.service.commissions import Commission, Commissions
from astakos_worker.service.errors import (
    CommissionError,
    CommissionFailed,
    DecisionConflict,
    KeyConflict,
    KeyReused,
    LedgerFull,
    NewerRecord,
    NotDead,
    OutcomeTimeout,
    Unavailable,
    UnknownKey,
)
from astakos_worker.service.lookups import Lookups
from astakos_worker.service.new_commission import NewCommission
from astakos_worker.service.outcome import CommissionState, Outcome
from astakosclient.errors import AstakosClientException, BadValue, NotFound, QuotaLimit

__version__ = "0.1.0"

__all__ = [
    "AstakosClientException",
    "AsyncCommission",
    "AsyncCommissions",
    "BadValue",
    "Commission",
    "CommissionError",
    "CommissionFailed",
    "CommissionState",
    "Commissions",
    "DecisionConflict",
    "KeyConflict",
    "KeyReused",
    "LedgerFull",
    "Lookups",
    "NewCommission",
    "NewerRecord",
    "NotDead",
    "NotFound",
    "Outcome",
    "OutcomeTimeout",
    "QuotaLimit",
    "Settings",
    "Unavailable",
    "UnknownKey",
]
