"""The format of our log lines: the name of an event, then its fields, as `key=value`."""

import logging
from collections.abc import Mapping

import structlog

#: Characters of a task's result in a log line. Flower has the whole result.
_RESULT = 300


def configure_logs() -> None:
    """Send our events through the standard library's logging, where Celery's options apply."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["event", "lane", "key"]),
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    logging.getLogger("astakos_worker").setLevel(logging.INFO)
    logging.getLogger("celery.app.trace").addFilter(shorten_result)


def shorten_result(line: logging.LogRecord) -> bool:
    """Cut the result in Celery's line about a task: it may name fifty commissions."""
    if isinstance(line.args, Mapping):
        shown = line.args.get("return_value")
        if isinstance(shown, str) and len(shown) > _RESULT:
            line.args = {**line.args, "return_value": f"{shown[:_RESULT]} ..."}
    return True
