"""OAuth 2: conformance check 12 of the protocol, and sections 3.4 and 3.15."""

from __future__ import annotations

from urllib.parse import parse_qs, quote, urlsplit

import pytest

from astakos_worker.sandbox.seed import user_uuid

USER = user_uuid("user01@example.org")
TOKEN = "sandbox-token-of-user01"
CLIENT = ("sandbox-client", "sandbox-secret-of-the-client")
BACK = "https://client.example.org/back"
FORM = "application/x-www-form-urlencoded"


def cookie(uuid=USER, token=TOKEN):
    return {"_pithos2_a": quote(f"{uuid}|{token}")}


def authorize(call, method="GET", cookies=None, **query):
    params = {"response_type": "code", "client_id": CLIENT[0], **query}
    cookies = cookie() if cookies is None else cookies
    return call.session.request(
        method,
        f"{call.server.url}/oauth2/auth",
        params=params,
        cookies=cookies,
        allow_redirects=False,
        timeout=10,
    )


def code(call, **query):
    reply = authorize(call, **query)
    assert reply.status_code == 302, reply.text
    return parse_qs(urlsplit(reply.headers["Location"]).query)["code"][0]


def exchange(call, auth=CLIENT, content_type=FORM, **form):
    given = {"grant_type": "authorization_code", **form}
    headers = {"Content-Type": content_type}
    return call("POST", "/oauth2/token", None, data=given, auth=auth, headers=headers)


def validate(call, token, query=""):
    return call("GET", f"/identity/v2.0/tokens/{token}{query}", None)


def is_generic_error(reply):
    return reply.status_code == 400 and reply.json()["error"] == "generic_error"


def test_s12_a_code_becomes_a_token_that_tells_its_user(call):
    reply = exchange(call, code=code(call, scope="https://a.example.org/x rest"))
    assert reply.status_code == 200
    assert set(reply.json()) == {"access_token", "token_type", "expires_in"}
    assert (reply.json()["token_type"], reply.json()["expires_in"]) == ("Bearer", 20)
    token = reply.json()["access_token"]
    for _ in range(2):
        access = validate(call, token).json()["access"]
        assert set(access) == {"token", "user"}
        assert access["token"]["id"] == token
        assert access["token"]["tenant"] == {"id": USER, "name": "Sandbox User 01"}
        assert set(access["user"]) == {"id", "name", "roles", "roles_links"}
        assert access["user"]["id"] == USER


def test_s12_belongs_to_must_start_with_the_scope(call):
    token = call.control.add_oauth_token("user01@example.org", scope="https://a.example.org/x")
    assert validate(call, token, "?belongsTo=https://a.example.org/x/file").status_code == 200
    assert validate(call, token, "?belongsTo=https://a.example.org/").status_code == 404


def test_s12_without_a_scope_it_is_the_redirect_uri(call):
    token = exchange(call, code=code(call)).json()["access_token"]
    assert validate(call, token, f"?belongsTo={BACK}/file").status_code == 200
    assert validate(call, token, "?belongsTo=https://other.example.org").status_code == 404


def test_s12_a_token_expires_and_others_are_none(call):
    token = call.control.add_oauth_token(USER, seconds=20)
    assert validate(call, token).status_code == 200
    call.control.advance_clock(21)
    assert validate(call, token).status_code == 404
    assert token not in call.server.sandbox.astakos.database.oauth.tokens
    for other in ("unknown", TOKEN, "sandbox-token-of-cyclades"):
        reply = validate(call, other)
        assert (reply.status_code, *reply.json()) == (404, "itemNotFound")
    assert call("DELETE", f"/identity/v2.0/tokens/{token}", None).status_code == 405


def test_s12_an_oauth_token_is_no_user_s_token(call):
    token = call.control.add_oauth_token(USER)
    assert call.log_in(token).status_code == 401
    assert call.account("GET", "quotas", token).status_code == 401


def test_a_scope_less_token_and_belongs_to_are_a_failure_with_the_quirk_only(call):
    token = call.control.add_oauth_token(USER)
    assert validate(call, token, "?belongsTo=x").status_code == 200
    call.control.set_quirks(["uncaught-500"])
    assert validate(call, token, "?belongsTo=x").status_code == 500
    assert validate(call, token).status_code == 200


def test_a_code_is_used_up_at_once(call):
    used = code(call)
    assert exchange(call, code=used).status_code == 200
    assert is_generic_error(exchange(call, code=used))


def test_a_code_does_not_last(call):
    late = code(call)
    call.control.advance_clock(601)
    assert is_generic_error(exchange(call, code=late))


def test_a_redirect_uri_must_be_the_one_of_the_authorization_in_any_spelling(call):
    below = f"{BACK}/here"
    assert exchange(call, code=code(call, redirect_uri=below), redirect_uri=below).ok
    spelled = "HTTPS://Client.Example.ORG:443/back"
    assert exchange(call, code=code(call), redirect_uri=spelled).ok
    assert is_generic_error(exchange(call, code=code(call, redirect_uri=below)))
    assert is_generic_error(exchange(call, code=code(call), redirect_uri=below))


@pytest.mark.parametrize(
    "auth", [None, ("sandbox-client", "wrong"), ("unknown", "x"), ("sandbox-client", "")]
)
def test_a_client_with_a_secret_has_to_show_it(call, auth):
    unused = code(call)
    assert is_generic_error(exchange(call, auth=auth, code=unused))
    if auth is None:
        assert is_generic_error(exchange(call, auth=None, code=unused, client_id=CLIENT[0]))
    assert exchange(call, code=unused, client_id=CLIENT[0]).ok


def test_a_client_without_a_secret_says_its_name(call):
    given = code_of_asking(call)
    assert is_generic_error(exchange(call, code=code(call), auth=None, client_id="asking"))
    assert exchange(call, code=given, auth=None, client_id="asking").ok


def code_of_asking(call):
    reply = authorize(call, "POST", client_id="asking")
    assert reply.status_code == 302
    return parse_qs(urlsplit(reply.headers["Location"]).query)["code"][0]


@pytest.mark.parametrize(
    "form", [{}, {"code": ""}, {"code": "unknown"}, {"grant_type": "password", "code": "x"}]
)
def test_every_mistake_in_a_token_request_is_the_same_error(call, form):
    assert is_generic_error(exchange(call, **form))


@pytest.mark.parametrize("content_type", [f"{FORM}; charset=utf-8", "application/json"])
def test_the_content_type_of_a_token_request_is_exact(call, content_type):
    assert is_generic_error(exchange(call, code=code(call), content_type=content_type))


@pytest.mark.parametrize("value", ["Basic !", "Basic bm9jb2xvbg==", "Bearer x", "Basic /w=="])
def test_a_credential_that_cannot_be_read_is_a_mistake(call, value):
    headers = {"Content-Type": FORM, "Authorization": value}
    body = b"grant_type=authorization_code&code=x"
    assert is_generic_error(call("POST", "/oauth2/token", None, data=body, headers=headers))


def test_only_post_is_allowed_on_the_token_endpoint(call):
    reply = call("GET", "/oauth2/token", None)
    assert (reply.status_code, reply.headers["Allow"]) == (405, "POST")
    assert call("GET", "/oauth2/nothing", None).status_code == 404


def test_who_is_not_logged_in_is_sent_to_the_login(call):
    for cookies in ({}, cookie(token="unknown"), cookie(uuid="other"), {"_pithos2_a": "x"}):
        reply = authorize(call, cookies=cookies)
        assert reply.status_code == 302
        assert reply.headers["Location"].startswith(f"{call.server.url}/ui/login?next=")


def test_a_trusted_client_gets_its_code_and_its_state_back(call):
    reply = authorize(call, state="s=1&2", redirect_uri=f"{BACK}/here?a=b")
    where = urlsplit(reply.headers["Location"])
    assert f"{where.scheme}://{where.netloc}{where.path}" == f"{BACK}/here"
    query = parse_qs(where.query)
    assert (query["a"], query["state"], list(query)) == (["b"], ["s=1&2"], ["a", "code", "state"])


def test_the_user_of_another_client_is_asked_first(call):
    reply = authorize(call, client_id="asking", scope="x y", state="s")
    assert reply.status_code == 200
    assert reply.json() == {
        "client_id": "asking",
        "redirect_uri": "https://asking.example.org/back",
        "scope": "x",
        "state": "s",
    }


@pytest.mark.parametrize(
    "query",
    [
        {"response_type": "token"},
        {"client_id": "unknown"},
        {"redirect_uri": "https://evil.example.org/back"},
        {"redirect_uri": f"{BACK}ward"},
        {"redirect_uri": f"{BACK}/../evil"},
        {"redirect_uri": "https://[x"},
        {"redirect_uri": "no URL"},
    ],
)
def test_nobody_is_sent_on_to_an_address_that_is_not_registered(call, query):
    reply = authorize(call, **query)
    assert is_generic_error(reply)
    assert "Location" not in reply.headers


def test_a_redirection_cannot_carry_headers_of_its_own(call):
    reply = authorize(call, redirect_uri=f"{BACK}/x\r\nSet-Cookie: y\x01ἀ")
    assert reply.status_code == 302
    assert "Set-Cookie" not in reply.headers
    assert reply.headers["Location"].isascii()


@pytest.mark.parametrize(
    ("quirk", "label"),
    [
        (None, "application/json; charset=UTF-8"),
        ("oauth-html", "text/html; charset=UTF-8"),
        ("oauth-octet-stream", "application/octet-stream"),
    ],
)
def test_oauth_replies_are_labelled_oddly_with_the_quirks_only(call, quirk, label):
    call.control.set_quirks([quirk] if quirk else [])
    good = exchange(call, code=code(call))
    bad = exchange(call, code="unknown")
    for reply in (good, bad):
        assert reply.headers["Content-Type"] == label
        assert reply.json()
    assert good.ok and is_generic_error(bad)


def test_clients_can_be_added(call):
    call.control.add_oauth_client("mine", "https://mine.example.org", secret="s", trusted=True)
    given = code(call, client_id="mine")
    assert exchange(call, auth=("mine", "s"), code=given).ok


def test_s12_an_oauth_token_of_the_seed_can_be_validated(call):
    reply = call("GET", "/identity/v2.0/tokens/sandbox-oauth-token?belongsTo=read", None)
    access = reply.json()["access"]
    assert access["user"]["id"] == call.user
    assert access["token"]["expires"] == "2099-12-31T00:00:00+00:00"
    other = call("GET", "/identity/v2.0/tokens/sandbox-oauth-token?belongsTo=write", None)
    assert other.status_code == 404
