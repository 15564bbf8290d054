"""What `Lookups` asks: the workers, through the broker."""

from typing import Any, Protocol


class Asks(Protocol):
    """Asks the workers."""

    def ask(self, what: str, kwargs: dict[str, Any], timeout: float) -> Any:
        """Return the task's result; `TimeoutError` if there is none in time."""


class BrokerAwayError(Exception):
    """Raised when the broker does not answer: neither the message nor the result."""


class TaskFailedError(Exception):
    """Raised when the task of a worker failed: asked again, it would fail again."""
