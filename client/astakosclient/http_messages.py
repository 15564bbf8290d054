"""What the transport is given and what it gets: requests, replies, limits. Only data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from astakosclient.errors import AstakosClientException, Outcome

OverLimit = Callable[[str, str, Mapping[str, Any] | None, Outcome], AstakosClientException]


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One call of the API, by what the transport must know of it."""

    method: str
    path: str = field(repr=False)
    expects: type[dict[str, Any] | list[Any]] | None = None
    body: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    safe: bool = False
    """Whether it may be sent again whatever became of it."""
    fresh: bool = False
    """Whether it needs a connection that is new or was used just now (F74)."""
    bare_404: bool = False
    """Whether a 404 without a body is Astakos' own (the protocol, section 3.1)."""
    oauth: bool = False
    """Whether a 400 is told as OAuth 2 tells it (the protocol, section 3.15)."""
    flaw: Callable[[Any], str | None] | None = field(default=None, repr=False)
    """Says what is wrong with a decoded answer, if anything is."""
    over_limit: OverLimit | None = field(default=None, repr=False)
    """Makes the error of a 413."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """What must be in no error or log, beside the token."""


@dataclass(frozen=True, slots=True)
class HttpReply:
    """An answer that arrived whole; `ended` says that its length was announced and came."""

    status: int
    reason: str
    body: bytes = field(repr=False)
    ended: bool = True


@dataclass(frozen=True, slots=True)
class CallLimits:
    """Seconds and counts that bound each call."""

    connect_timeout: float = 3.0
    total_timeout: float = 15.0
    fresh_within: float = 1.0
    retry: int = 0
    use_pool: bool = False
    pool_size: int = 8
