"""OAuth 2: letting an application in, changing a code into a token, validating the token.

The browser's side is small: a browser with the cookie of a user's token is logged in (the
protocol, sections 3.4 and 3.15).
"""

import binascii
from base64 import b64decode
from datetime import timedelta
from hmac import compare_digest
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import quote, unquote, urlencode

from astakos_worker.sandbox.api.endpoint import ApiCall, ApiWork, replies, valid_user
from astakos_worker.sandbox.api.identity_endpoints import describe_token, describe_user
from astakos_worker.sandbox.api_messages import URLENCODED, Reply, reply_json, reply_oauth
from astakos_worker.sandbox.database_rows import User
from astakos_worker.sandbox.errors import ApiFaultError, OAuthFaultError
from astakos_worker.sandbox.oauth import TOKEN_SECONDS, OAuthClient, is_below, normalized
from astakos_worker.sandbox.quirks import Quirk

# Synnefo's own name for it; the value is `<uuid>|<token>`, quoted.
COOKIE: Final = "_pithos2_a"
# The characters that stay as they are in a URL.
_URL: Final = ":/?#[]@!$&'()*+,;=%~"


@replies
def validate_token(call: ApiCall[None]) -> Reply:
    """`GET tokens/<id>`: an OAuth access token and its user, without catalog or projects."""
    astakos, belongs_to = call.astakos, call.request.query.get("belongsTo")
    token = call.database.oauth.find_token(call.request.argument, astakos.clock.now())
    if token is None:
        raise ApiFaultError(404, "There is no such token")
    if belongs_to is not None:
        if not token.scope and Quirk.UNCAUGHT_500 in astakos.quirks:
            raise ApiFaultError(500, "Unexpected error")
        if not belongs_to.startswith(token.scope):
            raise ApiFaultError(404, "The token is not for that")
    user = call.database.users[token.user]
    access = {
        "token": describe_token(token.token, astakos.time(token.expires), user),
        "user": describe_user(call.database, user),
    }
    return reply_json({"access": access})


@replies
def authorize(call: ApiCall[None]) -> Reply:
    """`GET` or `POST auth`: a user lets an application in.

    On to the log-in, or back to the application with a code, or the question itself. A mistake is
    never sent on to a URL.
    """
    request, oauth = call.request, call.database.oauth
    is_confirmed = request.method == "POST"
    given = {**request.query, **(request.form() if is_confirmed else {})}
    if given.get("response_type") != "code":
        raise OAuthFaultError("response_type must be code")
    client = _client(call, given.get("client_id"))
    redirect_uri = _redirect_uri(client, given.get("redirect_uri"))
    scope, state = next(iter(given.get("scope", "").split()), redirect_uri), given.get("state")
    user = _session_user(call)
    if user is None:
        here = request.base_url + request.path
        target = f"{here}?{request.query_string.decode('latin-1')}"
        return Reply(302, location=f"{request.base_url}/ui/login?{urlencode({'next': target})}")
    if not (client.is_trusted or is_confirmed):
        asked = {"client_id": client.id, "redirect_uri": redirect_uri}
        return reply_json({**asked, "scope": scope, "state": state})
    code = oauth.add_code(client.id, user.uuid, redirect_uri, scope, call.astakos.clock.now())
    call.astakos.changed()
    answer = {"code": code.code, **({} if state is None else {"state": state})}
    joint = "&" if "?" in redirect_uri else "?"
    return Reply(302, location=redirect_uri + joint + urlencode(answer, errors="replace"))


def exchange_code(call: ApiCall[None]) -> ApiWork:
    """`POST token`: exchange a code for an access token; a refused code is used up too."""
    if call.request.content_type != URLENCODED:
        raise OAuthFaultError(f"Content-Type must be {URLENCODED}")
    form = call.request.form()
    if form.get("grant_type") != "authorization_code":
        raise OAuthFaultError("grant_type must be authorization_code")
    client = _authenticated(call, form.get("client_id"))
    presented = form.get("code")
    if not presented:
        raise OAuthFaultError("code is missing")
    redirect_uri = _redirect_uri(client, form.get("redirect_uri"))

    def perform() -> Reply:
        now, oauth = call.astakos.clock.now(), call.database.oauth
        code = oauth.take_code(presented, now)
        if code is None or (code.client, code.redirect_uri) != (client.id, redirect_uri):
            call.astakos.changed()
            raise OAuthFaultError("There is no such code for this client and redirect_uri")
        expires = now + timedelta(seconds=TOKEN_SECONDS)
        token = oauth.add_token(code.client, code.user, code.scope, expires)
        call.astakos.changed()
        content = {"access_token": token.token, "token_type": "Bearer", "expires_in": TOKEN_SECONDS}
        return reply_oauth(content, call.astakos.quirks)

    return ApiWork(perform)


def _client(call: ApiCall[None], identifier: str | None) -> OAuthClient:
    client = call.database.oauth.clients.get(identifier or "")
    if client is None:
        raise OAuthFaultError("There is no such client")
    return client


def _authenticated(call: ApiCall[None], client_id: str | None) -> OAuthClient:
    """Return the client that asks; one with a secret has to show it."""
    secret = None
    header = call.request.headers.get(b"authorization")
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
    client = _client(call, client_id)
    if client.secret is not None and (
        secret is None or not compare_digest(secret.encode(), client.secret.encode())
    ):
        raise OAuthFaultError("The client's credential is wrong")
    return client


def _redirect_uri(client: OAuthClient, given: str | None) -> str:
    """Return where the user goes, in its normal spelling; by default the client's first URL."""
    if given is None:
        return client.redirect_uris[0]
    try:
        if any(is_below(given, registered) for registered in client.redirect_uris):
            return quote(normalized(given), safe=_URL, errors="replace")
    except ValueError as cause:
        raise OAuthFaultError("redirect_uri is no URL") from cause
    raise OAuthFaultError("redirect_uri is not registered")


def _session_user(call: ApiCall[None]) -> User | None:
    """Return the user who is logged in by a cookie, if any."""
    try:
        cookies = SimpleCookie(call.request.headers.get(b"cookie", b"").decode("latin-1"))
    except CookieError:
        return None
    if COOKIE not in cookies:
        return None
    uuid, _, token = unquote(cookies[COOKIE].value).partition("|")
    try:
        user = valid_user(call.database.user_by_token(token), call.astakos.clock.now())
    except ApiFaultError:
        return None
    return user if user.uuid == uuid else None
