"""The sandbox's errors: one tree, so that whoever embeds it can catch all of it.

Three branches: what a person did wrong when starting or steering the sandbox, what the quota
arithmetic refuses, and what an HTTP request is answered instead of a result.
"""

from collections.abc import Mapping


class SandboxError(Exception):
    """Base of everything that the sandbox raises on purpose."""


class SeedError(SandboxError):
    """Raised when a seed cannot be turned into a world; says where and what to do."""


class FaultRuleError(SandboxError):
    """Raised when a fault rule or a cost model makes no sense."""


class StateFileError(SandboxError):
    """Raised when a state file cannot be read, or another sandbox is using it."""


class CannotListenError(SandboxError):
    """Raised when the address asked for cannot be listened on."""


class ControlError(SandboxError):
    """Raised by the control client when the sandbox refuses, or cannot be reached."""


class UnknownNameError(SandboxError):
    """Raised when a user, component, holding or snapshot is named that is not there."""


class NameTakenError(SandboxError):
    """Raised when a name, uuid or token is to be given that somebody else has."""


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
    """Raised where the real server fails with an unexplained 500; nothing has changed then."""

    def __init__(self) -> None:
        super().__init__(500, "Unexpected error")


class NoCommissionError(ApiFaultError):
    """Raised when a serial is not pending for the component that asks: a 404 without a body."""

    def __init__(self) -> None:
        super().__init__(404, None)


class QuotaRefusalError(ApiFaultError):
    """Raised when the arithmetic refuses an issue; nothing has changed then.

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
    """Raised to answer an OAuth 2 request with its only kind of error."""
