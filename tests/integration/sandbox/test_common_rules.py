"""Rules common to all calls: conformance checks 14 to 18 of the protocol."""

from __future__ import annotations

import http.client

import pytest


@pytest.mark.parametrize(
    "path",
    [
        "/account/v1.0/nothing",
        "/account/v1.0/",
        "/account/v1.0/commissions/abc",
        "/account/v1.0/commissions/-1",
        "/account/v1.0/commissions/1/nothing",
        "/account/v1.0/commissions//",
        "/account",
        "/identity/v3",
        "/identity/v2.0/nothing",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_s14_an_unknown_path_of_the_api_is_a_bad_request(call, method, path):
    reply = call(method, path, None)
    assert reply.status_code == 400
    assert reply.json()["badRequest"]["code"] == 400


def test_a_path_that_is_not_the_api_s_gets_a_page(call):
    reply = call("GET", "/nothing", None)
    assert reply.status_code == 404
    assert reply.headers["Content-Type"].startswith("text/html")


def test_a_trailing_slash_changes_nothing(call):
    assert call.account("GET", "commissions/").json() == []
    serial = call.serial()
    assert call.account("GET", f"commissions/{serial}/").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "commissions", "GET,POST"),
        ("POST", "quotas", "GET"),
        ("GET", "commissions/action", "POST"),
        ("PUT", "commissions/1/action", "POST"),
        ("POST", "commissions/1", "GET"),
        ("OPTIONS", "resources", "GET"),
    ],
)
def test_s15_a_wrong_method_is_refused_before_a_missing_token(call, method, path, allow):
    reply = call.account(method, path, None)
    assert reply.status_code == 405
    assert reply.headers["Allow"] == allow


@pytest.mark.parametrize("path", ["quotas", "commissions", "resources"])
def test_s15_head_is_no_get(call, path):
    assert call.account("HEAD", path, None).status_code == 405


def test_s16_a_bad_token_is_refused_before_a_bad_body(call):
    reply = call.account("POST", "commissions", "unknown", data=b"not JSON")
    assert reply.status_code == 401
    assert call.account("POST", "commissions", None, data=b"not JSON").status_code == 401
    assert call.account("POST", "commissions", data=b"not JSON").status_code == 400


def test_s16_users_and_components_have_tokens_of_their_own_kind(call):
    assert call.account("GET", "commissions", "sandbox-token-of-user01").status_code == 401
    assert call.account("GET", "quotas", "sandbox-token-of-cyclades").status_code == 401


def test_s17_a_token_in_the_query_is_accepted_and_wins(call):
    path = "commissions?X-Auth-Token="
    assert call.account("GET", path + "sandbox-token-of-cyclades", None).status_code == 200
    assert call.account("GET", path + "sandbox-token-of-cyclades", "unknown").status_code == 200
    assert call.account("GET", path + "unknown").status_code == 401
    assert call.account("GET", path).status_code == 200


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json; charset=utf-8", 201),
        ("application/jsonx", 201),
        ("Application/JSON", 400),
        ("text/plain", 400),
        (None, 400),
    ],
)
def test_s18_the_content_type_is_compared_by_its_beginning(call, content_type, status):
    headers = {"Content-Type": content_type} if content_type else {}
    reply = call.account("POST", "commissions", data=b'{"provisions": []}', headers=headers)
    assert reply.status_code == status


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"provisions": [' + b"9" * 5000 + b"]}",
    ],
    ids=["empty", "open", "list", "string", "null", "bytes", "deep", "long"],
)
@pytest.mark.parametrize("path", ["commissions", "commissions/action", "commissions/1/action"])
def test_a_body_that_is_no_object_is_a_bad_request(call, path, body):
    headers = {"Content-Type": "application/json"}
    reply = call.account("POST", path, data=body, headers=headers)
    assert reply.status_code == 400


def test_answers_carry_the_headers_of_astakos_even_when_they_are_empty(call):
    for reply in (call.account("GET", "commissions"), call.accept(call.serial()), call.accept(99)):
        assert reply.headers["Content-Type"] == "application/json; charset=UTF-8"
        assert reply.headers["Content-Length"] == str(len(reply.content))
        assert "X-Auth-Token" in reply.headers["Vary"]
        assert reply.headers["Cache-Control"] == "no-cache, no-store, must-revalidate, max-age=0"
        assert "Date" in reply.headers


def test_a_connection_is_kept_for_the_next_request_whatever_the_answer_was(call):
    connection = http.client.HTTPConnection("127.0.0.1", call.server.port, timeout=10)
    try:
        for path, status in (("resources", 200), ("quotas", 401), ("nothing", 400)):
            connection.request("GET", f"/account/v1.0/{path}")
            reply = connection.getresponse()
            reply.read()
            assert reply.status == status
            assert not reply.will_close
    finally:
        connection.close()
