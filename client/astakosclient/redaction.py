"""Keeps tokens and passwords out of errors and logs."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING

from astakosclient.exchange import current_exchange

if TYPE_CHECKING:
    from collections.abc import Sequence


def redacted(text: str, secrets: Sequence[str]) -> str:
    """Return `text` with `***` in place of each secret.

    A secret of fewer than 8 characters is left: it would be found within ordinary words.
    """
    for secret in secrets:
        if len(secret) >= 8 and secret in text:
            text = text.replace(secret, "***")
    return text


class _HideSecrets(logging.Filter):
    """Redacts the log lines of urllib3.

    urllib3 logs paths at level DEBUG, and one path of the protocol holds a token. It also logs
    answers with broken headers, and a peer may have put what it was sent into such an answer.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        exchange = current_exchange()
        if exchange is not None and exchange.secrets:
            text = record.getMessage()
            clean = redacted(text, exchange.secrets)
            if clean != text:
                record.msg, record.args = clean, ()
            if record.exc_info:
                trace = "".join(traceback.format_exception(*record.exc_info))
                if redacted(trace, exchange.secrets) != trace:
                    # A record factory or a handler may have written the traceback already.
                    record.exc_info = record.exc_text = None
        return True


_hide_secrets = _HideSecrets()


def hide_secrets_of_urllib3() -> None:
    """Keep secrets out of the logs of urllib3. A second call changes nothing."""
    for name in ("urllib3.connectionpool", "urllib3.connection"):
        logging.getLogger(name).addFilter(_hide_secrets)
