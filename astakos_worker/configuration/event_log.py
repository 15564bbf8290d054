"""The logger of our events: the standard library's `logging`, in services and workers alike.

A line is the name of an event and then its fields: `event='no_answer' server='ledger'`.
"""

import logging
from typing import Any

#: Fields that come first, if an event has them.
_FIRST = ("lane", "key")


class EventLog:
    """A logger of one module: `log.warning("no_answer", server="ledger")`."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

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
        self._log(logging.ERROR, event, fields, traceback=True)

    def _log(
        self, level: int, event: str, fields: dict[str, Any], *, traceback: bool = False
    ) -> None:
        if not self._logger.isEnabledFor(level):
            return
        first = {name: fields[name] for name in _FIRST if name in fields}
        shown = {"event": event, **first, **fields}
        text = " ".join(f"{name}={value!r}" for name, value in shown.items())
        # The third: the caller of `warning` and the like.
        self._logger.log(level, "%s", text, exc_info=traceback, stacklevel=3)
