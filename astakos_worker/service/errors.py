"""The errors of a service's calls, besides those of the client. One tree.

A wrong argument raises `astakosclient.BadValue`. A refused commission raises the error that the
client would have raised (`QuotaLimit`, `NotFound`, ...).
"""

from collections.abc import Sequence
from typing import Any


class CommissionError(Exception):
    """Base of the errors below. `key` names the commission."""

    def __init__(self, key: str, message: str) -> None:
        self.key: str = key
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.key, str(self))


class KeyConflict(CommissionError):  # noqa: N818  # these names are promised to services
    """Raised when a key is in use for other contents. Nothing was changed."""


class DecisionConflict(CommissionError):  # noqa: N818
    """Raised when the other decision was recorded first. That decision stands."""


class UnknownKey(CommissionError):  # noqa: N818
    """Raised when the ledger has no commission under this key."""


class KeyReused(UnknownKey):
    """Raised when a call names a commission whose key has been used again since.

    A handle names its commission, and so does `incarnation=`. Nothing was changed.
    """


class Unavailable(CommissionError):  # noqa: N818
    """Raised when the ledger does not answer or cannot write. The same call again is safe.

    `token`: for a call that issues, what makes its repetition safe with `reuse` too:
    `issue(..., token=error.token)`. None for other calls. `tokens`: where `issue_many` raises, the
    token of each of its commissions, in order; None for one with a wrong argument.
    """

    def __init__(
        self,
        key: str,
        message: str,
        token: str | None = None,
        tokens: Sequence[str | None] = (),
    ) -> None:
        super().__init__(key, message)
        self.token: str | None = token
        self.tokens: tuple[str | None, ...] = tuple(tokens)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.key, str(self), self.token, self.tokens)


class NewerRecord(Unavailable):
    """Raised when this version cannot read the commission.

    A newer version of this package wrote it: upgrade this service. Or no version can read it: then
    an operator finds it with `astakos-worker ledger unreadable`.
    """


class LedgerFull(CommissionError):  # noqa: N818
    """Raised when the ledger takes no new commissions because its memory is nearly full."""


class NotDead(CommissionError):  # noqa: N818
    """Raised when a commission that is to be resent or discarded is not dead."""


class OutcomeTimeout(CommissionError):  # noqa: N818
    """Raised when a commission is neither pending nor ended after the time that the caller gave."""


class CommissionFailed(CommissionError):  # noqa: N818
    """Raised when a commission ended in a state that a person must look at."""
