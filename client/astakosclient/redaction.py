"""Tokens and passwords kept out of whatever a person or a log may see."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING

from astakosclient.connections import current_exchange

if TYPE_CHECKING:
    from collections.abc import Sequence


def redacted(text: str, secrets: Sequence[str]) -> str:
    """Return `text` without the secrets. Shorter ones than 8 characters are words, not secrets."""
    for secret in secrets:
        if len(secret) >= 8 and secret in text:
            text = text.replace(secret, "***")
    return text


class _HideSecrets(logging.Filter):
    """urllib3 logs paths when it debugs, and one path of the protocol holds a token.

    It also logs answers whose headers make no sense, and a peer may repeat what it was sent.
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
                    record.exc_info = None
        return True


_hide_secrets = _HideSecrets()


def hide_secrets_of_urllib3() -> None:
    """Keep secrets out of urllib3's own logs. Doing it twice does no harm."""
    for name in ("urllib3.connectionpool", "urllib3.connection"):
        logging.getLogger(name).addFilter(_hide_secrets)
