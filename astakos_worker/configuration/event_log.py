"""The logger of our events: through structlog where a process has configured it, as workers do.

In another process, such as a service's, events go to the standard library's `logging`. There
structlog, and rich with it, is not loaded. Unconfigured, it would print to the standard output.
"""

import logging
import sys
from typing import Any


class EventLog:
    """A logger of one module: `log.warning("no_answer", server="ledger")`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def info(self, event: str, **fields: Any) -> None:
        """Log what is as it should be."""
        self._log(logging.INFO, event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Log trouble that this process goes on with."""
        self._log(logging.WARNING, event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """Log trouble that a person has to look at."""
        self._log(logging.ERROR, event, fields)

    def exception(self, event: str, **fields: Any) -> None:
        """Log the error that is being handled, with its traceback."""
        self._log(logging.ERROR, event, {**fields, "exc_info": True})

    def _log(self, level: int, event: str, fields: dict[str, Any]) -> None:
        structlog = sys.modules.get("structlog")
        if structlog is not None and structlog.is_configured():
            structlog.get_logger(self._name).log(level, event, **fields)
            return
        shown = {"event": event, **fields}
        exc_info = shown.pop("exc_info", None)
        text = " ".join(f"{name}={value!r}" for name, value in shown.items())
        logging.getLogger(self._name).log(level, "%s", text, exc_info=exc_info)
