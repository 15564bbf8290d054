"""OAuth 2: letting an application in, changing a code into a token, validating the token.

The browser's side is as small as it can be: whoever has the cookie of a user's token is logged in
(the protocol, sections 3.4 and 3.15).
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from dataclasses import dataclass, field
from datetime import timedelta
from hmac import compare_digest
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, ClassVar, Final, Self
from urllib.parse import quote, unquote, urlencode

from astakos_worker.sandbox.api.identity import describe_token, describe_user
from astakos_worker.sandbox.errors import ApiFaultError, OAuthFaultError
from astakos_worker.sandbox.forms import URLENCODED, form_of, urlencoded
from astakos_worker.sandbox.oauth import TOKEN_SECONDS, is_below, normalized
from astakos_worker.sandbox.operation import PublicOperation, valid_user
from astakos_worker.sandbox.quirks import Quirk
from astakos_worker.sandbox.wire import Reply, Request, reply_json, reply_oauth

if TYPE_CHECKING:
    from astakos_worker.sandbox.astakos import Astakos
    from astakos_worker.sandbox.oauth import OAuthClient
    from astakos_worker.sandbox.records import User

# Synnefo's own name for it; the value is `<uuid>|<token>`, quoted.
COOKIE: Final = "_pithos2_a"
# What may stand in a URL as it is.
_URL: Final = ":/?#[]@!$&'()*+,;=%~"


@dataclass(frozen=True, slots=True)
class ValidateToken(PublicOperation):
    """`GET tokens/<id>`: whose OAuth access token it is."""

    name: ClassVar[str] = "tokens.info"
    token: str = field(repr=False)
    belongs_to: str | None
    minds_no_scope: bool

    @classmethod
    def parse(cls, astakos: Astakos, request: Request) -> Self:  # noqa: ARG003 # is public
        """The path names the token; who asks needs no credential."""
        minds_no_scope = Quirk.UNCAUGHT_500 in request.quirks
        return cls(request.argument, request.parameter("belongsTo"), minds_no_scope)

    def perform(self, astakos: Astakos) -> Reply:
        """The token and its user, without catalog or projects."""
        found = astakos.world.oauth.find_token(self.token, astakos.clock.now())
        if found is None:
            raise ApiFaultError(404, "There is no such token")
        if self.belongs_to is not None:
            if not found.scope and self.minds_no_scope:
                raise ApiFaultError(500, "Unexpected error")
            if not self.belongs_to.startswith(found.scope):
                raise ApiFaultError(404, "The token is not for that")
        user = astakos.world.users[found.user]
        token = describe_token(found.token, astakos.time(found.expires), user)
        return reply_json({"access": {"token": token, "user": describe_user(astakos.world, user)}})


@dataclass(frozen=True, slots=True)
class Authorize(PublicOperation):
    """`GET` or `POST auth`: a user lets an application in."""

    name: ClassVar[str] = "oauth.auth"
    client: OAuthClient
    user: User | None
    redirect_uri: str
    scope: str
    state: str | None
    is_confirmed: bool
    login_url: str

    @classmethod
    def parse(cls, astakos: Astakos, request: Request) -> Self:
        """Who asks and where to go from here; a mistake is never sent on to a URL."""
        given = {name: values[-1] for name, values in request.query.items()}
        if request.method == "POST":
            given |= form_of(request)
        if given.get("response_type") != "code":
            raise OAuthFaultError("response_type must be code")
        client = _client(astakos, given.get("client_id"))
        redirect_uri = _redirect_uri(client, given.get("redirect_uri"))
        words = given.get("scope", "").split()
        here = request.base_url + request.path
        query = request.query_string.decode("latin-1")
        return cls(
            client=client,
            user=_session_user(astakos, request),
            redirect_uri=redirect_uri,
            scope=words[0] if words else redirect_uri,
            state=given.get("state"),
            is_confirmed=request.method == "POST",
            login_url=f"{request.base_url}/ui/login?{urlencode({'next': f'{here}?{query}'})}",
        )

    def perform(self, astakos: Astakos) -> Reply:
        """On to the log-in, or back to the application with a code, or the question itself."""
        if self.user is None:
            return Reply(302, location=self.login_url)
        if not (self.client.is_trusted or self.is_confirmed):
            asked = {
                "client_id": self.client.id,
                "redirect_uri": self.redirect_uri,
                "scope": self.scope,
                "state": self.state,
            }
            return reply_json(asked)
        code = astakos.world.oauth.add_code(
            self.client.id, self.user.uuid, self.redirect_uri, self.scope, astakos.clock.now()
        )
        astakos.changed()
        answer = {"code": code.code, **({} if self.state is None else {"state": self.state})}
        joint = "&" if "?" in self.redirect_uri else "?"
        return Reply(302, location=self.redirect_uri + joint + urlencode(answer, errors="replace"))


@dataclass(frozen=True, slots=True)
class ExchangeCode(PublicOperation):
    """`POST token`: a code becomes an access token."""

    name: ClassVar[str] = "oauth.token"
    client: OAuthClient
    code: str = field(repr=False)
    redirect_uri: str
    quirks: frozenset[Quirk]

    @classmethod
    def parse(cls, astakos: Astakos, request: Request) -> Self:
        """The application's own credential, then what it wants."""
        if request.content_type != URLENCODED:
            raise OAuthFaultError(f"Content-Type must be {URLENCODED}")
        form = urlencoded(request)
        if form.get("grant_type") != "authorization_code":
            raise OAuthFaultError("grant_type must be authorization_code")
        client = _authenticated(astakos, request, form.get("client_id"))
        code = form.get("code")
        if not code:
            raise OAuthFaultError("code is missing")
        redirect_uri = _redirect_uri(client, form.get("redirect_uri"))
        return cls(client, code, redirect_uri, request.quirks)

    def perform(self, astakos: Astakos) -> Reply:
        """The token; the code is used up whatever comes of it."""
        now = astakos.clock.now()
        oauth = astakos.world.oauth
        code = oauth.take_code(self.code, now)
        if code is None or code.client != self.client.id or code.redirect_uri != self.redirect_uri:
            astakos.changed()
            raise OAuthFaultError("There is no such code for this client and redirect_uri")
        expires = now + timedelta(seconds=TOKEN_SECONDS)
        token = oauth.add_token(code.client, code.user, code.scope, expires)
        astakos.changed()
        content = {
            "access_token": token.token,
            "token_type": "Bearer",
            "expires_in": TOKEN_SECONDS,
        }
        return reply_oauth(content, self.quirks)


def _client(astakos: Astakos, identifier: str | None) -> OAuthClient:
    client = astakos.world.oauth.clients.get(identifier or "")
    if client is None:
        raise OAuthFaultError("There is no such client")
    return client


def _authenticated(astakos: Astakos, request: Request, client_id: str | None) -> OAuthClient:
    """The client that asks: one with a secret has to show it."""
    secret = None
    header = request.headers.get(b"authorization")
    if header is not None:
        scheme, _, encoded = header.partition(b" ")
        try:
            text = b64decode(encoded.strip(), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as cause:
            raise OAuthFaultError("The Authorization header makes no sense") from cause
        name, colon, secret = text.partition(":")
        if scheme.lower() != b"basic" or not colon or client_id not in {None, name}:
            raise OAuthFaultError("The Authorization header makes no sense")
        client_id = name
    client = _client(astakos, client_id)
    if client.secret is not None and (
        secret is None or not compare_digest(secret.encode(), client.secret.encode())
    ):
        raise OAuthFaultError("The client's credential is wrong")
    return client


def _redirect_uri(client: OAuthClient, given: str | None) -> str:
    """Where the user goes, in its normal spelling; the client's usual place if none is given."""
    if given is None:
        return client.redirect_uris[0]
    try:
        if any(is_below(given, registered) for registered in client.redirect_uris):
            return quote(normalized(given), safe=_URL, errors="replace")
    except ValueError as cause:
        raise OAuthFaultError("redirect_uri is no URL") from cause
    raise OAuthFaultError("redirect_uri is not registered")


def _session_user(astakos: Astakos, request: Request) -> User | None:
    """The user whose browser it is, if somebody is logged in."""
    try:
        cookies = SimpleCookie(request.headers.get(b"cookie", b"").decode("latin-1"))
    except CookieError:
        return None
    if COOKIE not in cookies:
        return None
    uuid, _, token = unquote(cookies[COOKIE].value).partition("|")
    try:
        user = valid_user(astakos.world.user_by_token(token), astakos.clock.now())
    except ApiFaultError:
        return None
    return user if user.uuid == uuid else None
