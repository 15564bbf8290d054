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
from astakos_worker.service.outcome import Outcome

__version__ = "0.1.0"

__all__ = [
    "AsyncCommission",
    "AsyncCommissions",
    "Commission",
    "CommissionError",
    "CommissionFailed",
    "Commissions",
    "DecisionConflict",
    "KeyConflict",
    "KeyReused",
    "LedgerFull",
    "Lookups",
    "NewCommission",
    "NewerRecord",
    "NotDead",
    "Outcome",
    "OutcomeTimeout",
    "Settings",
    "Unavailable",
    "UnknownKey",
]
