"""What a service's call can raise besides the client's own errors. One tree.

Bad arguments raise `astakosclient.BadValue`, and a refused commission raises what the client
would have raised (`QuotaLimit`, `NotFound`, ...): a caller handles them in one place.
"""

from typing import Any


class CommissionError(Exception):
    """Base of the errors below. `key` names the commission."""

    def __init__(self, key: str, message: str) -> None:
        self.key = key
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.key, str(self))


class KeyConflict(CommissionError):  # noqa: N818  # the names of the protocol's promises
    """Raised when a key is in use for other contents. Nothing was changed (F3)."""


class DecisionConflict(CommissionError):  # noqa: N818
    """Raised when the other decision was made first. It stands (F23)."""


class UnknownKey(CommissionError):  # noqa: N818
    """Raised when the ledger has no commission under the key."""


class Unavailable(CommissionError):  # noqa: N818
    """Raised when the ledger does not answer, or cannot write; calling again is safe (F56)."""


class NewerRecord(Unavailable):
    """Raised when a newer version wrote the commission: this one leaves it alone (F78)."""


class LedgerFull(CommissionError):  # noqa: N818
    """Raised when the ledger takes no new commissions: its memory is nearly full (F79)."""


class NotDead(CommissionError):  # noqa: N818
    """Raised when a commission that is to be sent again, or given up, is not dead."""


class OutcomeTimeout(CommissionError):  # noqa: N818
    """Raised when a commission is not through in the time that its caller gave it."""


class CommissionFailed(CommissionError):  # noqa: N818
    """Raised when a commission ended in a state that a person has to look at."""
