"""Reads a user's token from the cookie that Astakos sets in a browser. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Mapping


class _WithCookies(Protocol):
    """The part of a Django request that is read here."""

    @property
    def COOKIES(self) -> Mapping[str, str]: ...  # noqa: N802 - Django's name


def get_token_from_cookie(request: _WithCookies, cookie_name: str) -> str | None:
    """Return the token in the cookie `cookie_name` of a Django request, or None.

    The value of the cookie is `<uuid>|<token>`, URL-quoted. The token may contain bars itself.
    Raises nothing.
    """
    get = getattr(getattr(request, "COOKIES", None), "get", None)
    value = get(cookie_name) if get is not None else None
    if not isinstance(value, str):
        return None
    _, bar, token = unquote(value).partition("|")
    return token if bar and token else None
