"""The errors of the sandbox: one tree, so that a test can catch all of them.

Two kinds: mistakes of a person who starts or steers the sandbox, and faults, which answer an HTTP
request instead of a result. What the quota arithmetic refuses is such a fault.
"""

from collections.abc import Mapping


class SandboxError(Exception):
    """Base of all errors that the sandbox raises on purpose."""


class SeedError(SandboxError):
    """Raised when a seed cannot be read; names the place and the remedy."""


class FaultRuleError(SandboxError):
    """Raised when a fault rule or a cost model makes no sense."""


class StateFileError(SandboxError):
    """Raised when a state file cannot be read, or another sandbox is using it."""


class CannotListenError(SandboxError):
    """Raised when the server cannot listen on the address."""


class ControlError(SandboxError):
    """Raised when a control is refused, or the sandbox cannot be reached."""


class UnknownNameError(SandboxError):
    """Raised when a user, component, holding or snapshot is not there."""


class NameTakenError(SandboxError):
    """Raised when a name, uuid or token is already used."""


class ApiFaultError(SandboxError):
    """Raised to answer a request with a fault instead of a result.

    `message` None means an empty body, as the single-commission calls answer a 404. `uncaught` says
    that the real server fails to catch it: with the quirk for that it becomes a 500.
    """

    def __init__(
        self,
        status: int,
        message: str | None,
        *,
        data: Mapping[str, object] | None = None,
        allow: tuple[str, ...] | None = None,
        uncaught: bool = False,
    ) -> None:
        super().__init__(f"{status} {message}")
        self.status = status
        self.message = message
        self.data = data
        self.allow = allow
        self.uncaught = uncaught


class InternalFailureError(ApiFaultError):
    """Raised where the real server fails with an unexplained 500; nothing has changed."""

    def __init__(self) -> None:
        super().__init__(500, "Unexpected error")


class NoCommissionError(ApiFaultError):
    """Raised when a serial is not pending for the component that asks: a 404 without a body."""

    def __init__(self) -> None:
        super().__init__(404, None)


class QuotaRefusalError(ApiFaultError):
    """Raised when the arithmetic refuses an issue; nothing has changed.

    `data` is what Astakos reports beside its message (the protocol, section 3.10).
    """

    name: str
    code = 413
    reason: str
    message: str
    data: Mapping[str, object]

    def __init__(self, data: Mapping[str, object]) -> None:
        super().__init__(self.code, self.reason, data={"name": self.name, **data})


class NoHoldingError(QuotaRefusalError):
    """Raised when a provision names a holding that does not exist."""

    name = "NoHoldingError"
    code = 404
    reason = "There is no such holding"


class NoCapacityError(QuotaRefusalError):
    """Raised when an import would exceed its limit."""

    name = "NoCapacityError"
    reason = "There is not enough capacity"


class NoQuantityError(QuotaRefusalError):
    """Raised when a release asks for more than is confirmed as used."""

    name = "NoQuantityError"
    reason = "There is not enough quantity"


class OAuthFaultError(SandboxError):
    """Raised to answer an OAuth 2 request with the one kind of error that OAuth 2 has here."""
