"""The user's token out of the cookie that Astakos leaves with a browser. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Mapping


class _WithCookies(Protocol):
    """A Django request, as far as it matters here."""

    @property
    def COOKIES(self) -> Mapping[str, str]: ...  # noqa: N802 - Django's name


def get_token_from_cookie(request: _WithCookies, cookie_name: str) -> str | None:
    """Return the token in the cookie of that name, or None where there is none to be had.

    The value is the URL-quoted `<uuid>|<token>`; the token may hold further bars.
    """
    get = getattr(getattr(request, "COOKIES", None), "get", None)
    value = get(cookie_name) if get is not None else None
    if not isinstance(value, str):
        return None
    _, bar, token = unquote(value).partition("|")
    return token if bar and token else None
