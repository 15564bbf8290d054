"""The format of our log lines: an event's stable name, then its fields, as `key=value`."""

import logging

import structlog


def configure_logs() -> None:
    """Send our events through the standard library, so that Celery's options govern them."""
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
