"""Requests, replies and the limits of calls, as the transport knows them. Only data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from astakosclient.errors import AstakosClientException, Outcome

OverLimit = Callable[[str, str, Mapping[str, Any] | None, Outcome], AstakosClientException]


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request, with what the transport must know about it."""

    method: str
    path: str = field(repr=False)
    expects: type[dict[str, Any] | list[Any]] | None = None
    body: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    safe: bool = False
    """Whether it may be sent again, whatever happened to the first one."""
    fresh: bool = False
    """Whether it needs a connection that is new or was used a moment ago (F74)."""
    bare_404: bool = False
    """Whether Astakos answers a 404 without a body (the protocol, section 3.1)."""
    oauth: bool = False
    """Whether a 400 has the body of OAuth 2 (the protocol, section 3.15)."""
    flaw: Callable[[Any], str | None] | None = field(default=None, repr=False)
    """Returns what is wrong with a decoded answer, or None."""
    over_limit: OverLimit | None = field(default=None, repr=False)
    """Returns the error for a 413."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """Texts, beside the token, that must not appear in an error or a log."""


@dataclass(frozen=True, slots=True)
class HttpReply:
    """An answer that arrived whole. `ended`: its length was announced, and all of it came."""

    status: int
    reason: str
    body: bytes = field(repr=False)
    ended: bool = True


@dataclass(frozen=True, slots=True)
class CallLimits:
    """The limits of each call: times in seconds, attempts and connections in numbers."""

    connect_timeout: float = 3.0
    total_timeout: float = 15.0
    fresh_within: float = 1.0
    retry: int = 0
    use_pool: bool = False
    pool_size: int = 8
