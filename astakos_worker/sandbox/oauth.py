"""OAuth 2 clients, codes and access tokens: the rows, and the few rules about them.

A code is used up by the first client that presents it, right or wrong. An expired token is deleted
by the next look-up. No HTTP here (the protocol, section 3.15).
"""

import secrets
from dataclasses import dataclass, field
from datetime import (
    datetime,  # rows are read back by the types of their fields
    timedelta,
)
from typing import Final
from urllib.parse import urlsplit

from astakos_worker.sandbox.errors import NameTakenError

TOKEN_SECONDS: Final = 20
CODE_SECONDS: Final = 600

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(slots=True)
class OAuthClient:
    """An application that asks for users' tokens; one with a secret must show it."""

    id: str
    redirect_uris: tuple[str, ...]
    secret: str | None = field(default=None, repr=False)
    # Whether its users are sent on without a question.
    is_trusted: bool = False


@dataclass(slots=True)
class OAuthCode:
    """A code that the browser takes to the application, which exchanges it for a token."""

    code: str = field(repr=False)
    client: str
    user: str
    redirect_uri: str
    scope: str
    expires: datetime


@dataclass(slots=True)
class OAuthToken:
    """An access token: the proof that a user let an application in."""

    token: str = field(repr=False)
    client: str
    user: str
    scope: str
    expires: datetime


class OAuthBook:
    """All clients, codes and tokens."""

    def __init__(self) -> None:
        self.clients: dict[str, OAuthClient] = {}
        self.codes: dict[str, OAuthCode] = {}
        self.tokens: dict[str, OAuthToken] = {}

    def add_client(self, client: OAuthClient) -> None:
        """Register an application; raises `NameTakenError`."""
        if client.id in self.clients:
            raise NameTakenError(f"there is an OAuth client {client.id!r} already")
        self.clients[client.id] = client

    def add_code(
        self, client: str, user: str, redirect_uri: str, scope: str, now: datetime
    ) -> OAuthCode:
        """Make a code for a user that an application sent."""
        expires = now + timedelta(seconds=CODE_SECONDS)
        code = OAuthCode(secrets.token_urlsafe(24), client, user, redirect_uri, scope, expires)
        self.codes[code.code] = code
        return code

    def take_code(self, code: str, now: datetime) -> OAuthCode | None:
        """Use a code up and return it, or None if there is none or it has expired."""
        found = self.codes.pop(code, None)
        return found if found is not None and found.expires > now else None

    def add_token(
        self, client: str, user: str, scope: str, expires: datetime, token: str = ""
    ) -> OAuthToken:
        """Make an access token: a random one, unless it is given."""
        if token in self.tokens:
            raise NameTakenError("another user has that OAuth token; give each their own")
        row = OAuthToken(token or secrets.token_urlsafe(24), client, user, scope, expires)
        self.tokens[row.token] = row
        return row

    def find_token(self, token: str, now: datetime) -> OAuthToken | None:
        """Return a token that has not expired, or None; an expired one is deleted."""
        found = self.tokens.get(token)
        if found is not None and found.expires <= now:
            del self.tokens[token]
            return None
        return found


def normalized(url: str) -> str:
    """Return a URL in the spelling in which redirections are compared; raises `ValueError`."""
    parts = urlsplit(url)
    host, port = (parts.hostname or "").lower(), parts.port
    if not parts.scheme or not host:
        raise ValueError(f"{url!r} is no absolute URL")
    if ":" in host:
        host = f"[{host}]"
    if port is not None and port != _DEFAULT_PORTS.get(parts.scheme):
        host += f":{port}"
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{host}{parts.path or '/'}{query}"


def is_below(url: str, registered: str) -> bool:
    """Return whether a URL is a registered one or a path below; raises `ValueError`."""
    wanted, base = normalized(url), normalized(registered)
    if wanted == base:
        return True
    # A browser would leave the path again with `..`.
    climbs = ".." in urlsplit(wanted).path.split("/")
    return not climbs and wanted.startswith(base.rstrip("/") + "/")
