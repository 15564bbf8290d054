"""The errors of a service's calls, besides those of the client. One tree.

A wrong argument raises `astakosclient.BadValue`. A refused commission raises the error that the
client would have raised (`QuotaLimit`, `NotFound`, ...).
"""

from typing import Any


class CommissionError(Exception):
    """Base of the errors below. `key` names the commission."""

    def __init__(self, key: str, message: str) -> None:
        self.key = key
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.key, str(self))


class KeyConflict(CommissionError):  # noqa: N818  # these names are promised to services
    """Raised when a key is in use for other contents. Nothing was changed."""


class DecisionConflict(CommissionError):  # noqa: N818
    """Raised when the other decision was recorded first. That decision stands."""


class UnknownKey(CommissionError):  # noqa: N818
    """Raised when the ledger has no commission under this key."""


class Unavailable(CommissionError):  # noqa: N818
    """Raised when the ledger does not answer or cannot write. The same call again is safe."""


class NewerRecord(Unavailable):
    """Raised when a newer version of this package wrote the commission: upgrade this service."""


class LedgerFull(CommissionError):  # noqa: N818
    """Raised when the ledger takes no new commissions because its memory is nearly full."""


class NotDead(CommissionError):  # noqa: N818
    """Raised when a commission that is to be resent or discarded is not dead."""


class OutcomeTimeout(CommissionError):  # noqa: N818
    """Raised when a commission is neither pending nor ended after the time that the caller gave."""


class CommissionFailed(CommissionError):  # noqa: N818
    """Raised when a commission ended in a state that a person must look at."""
