"""The format of our log lines: the name of an event, then its fields, as `key=value`."""

import logging
import re
from collections.abc import Mapping
from typing import Any, Final

#: Characters of a task's result in a log line. Flower has the whole result.
_RESULT = 300


#: Control characters. A terminal, or a program that reads the log, would obey them.
_CONTROLS: Final = re.compile(r"[^\t\x20-\x7e\xa1-\uffff\U00010000-\U0010ffff]|[\u2028-\u202e]")


class _OneLine(logging.LogRecord):
    """A log record in which a text from outside begins no line, and moves no cursor.

    A task's id may have a line break in it, and the text after the break would look like another
    record. Tracebacks keep their lines, and each of them is indented.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if isinstance(self.args, Mapping):
            self.args = {name: _shown(value, name) for name, value in self.args.items()}
        elif self.args:
            self.args = tuple(_shown(value) for value in self.args)
        if self.exc_info:
            text = logging.Formatter().formatException(self.exc_info)
            self.exc_text = _indented(text)


def _shown(value: object, name: object = None) -> object:
    if not isinstance(value, str):
        return value
    return _indented(value) if name == "traceback" else escaped(value)


def _indented(text: str) -> str:
    return "\n".join(f"    {escaped(line)}" for line in text.split("\n"))


def escaped(text: str) -> str:
    """Return a text in which control characters are shown, as Python writes them."""
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def configure_logs() -> None:
    """Let our events be logged from INFO on, one line each."""
    logging.setLogRecordFactory(_OneLine)
    logging.getLogger("astakos_worker").setLevel(logging.INFO)
    logging.getLogger("celery.app.trace").addFilter(shorten_result)


def shorten_result(line: logging.LogRecord) -> bool:
    """Cut the result in Celery's line about a task: it may name fifty commissions."""
    if isinstance(line.args, Mapping):
        shown = line.args.get("return_value")
        if isinstance(shown, str) and len(shown) > _RESULT:
            line.args = {**line.args, "return_value": f"{shown[:_RESULT]} ..."}
    return True
