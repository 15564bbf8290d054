"""The logger of our events. It loads structlog, and with it rich, with the first event.

A service's process that never has trouble with a server never loads them.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger


class EventLog:
    """A logger of one module: `log.warning("no_answer", server="ledger")`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def info(self, event: str, **fields: Any) -> None:
        """Log what is as it should be."""
        self._logger.info(event, **fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Log trouble that this process goes on with."""
        self._logger.warning(event, **fields)

    def error(self, event: str, **fields: Any) -> None:
        """Log trouble that a person has to look at."""
        self._logger.error(event, **fields)

    def exception(self, event: str, **fields: Any) -> None:
        """Log an error that nobody expected, with its traceback."""
        self._logger.error(event, exc_info=True, **fields)  # noqa: LOG014  # called in `except`

    @property
    def _logger(self) -> "FilteringBoundLogger":
        import structlog  # noqa: PLC0415  # loads rich: a tenth of the time of this package's import

        logger: FilteringBoundLogger = structlog.get_logger(self._name)
        return logger
