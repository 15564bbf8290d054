"""Each call sends what the protocol says, and returns what it answers."""

import base64
import json
from urllib.parse import parse_qs

import pytest

from astakosclient import BadRequest, BadValue, NoUserName, NoUUID

A = "/some/account/v1.0"
FORM = "application/x-www-form-urlencoded"
ODD = "an id/with?odd#things"
QUOTED = "an%20id%2Fwith%3Fodd%23things"

CALLS = [
    ("get_resources", (), "GET", f"{A}/resources", None, {"r": {}}),
    ("get_quotas", (), "GET", f"{A}/quotas", None, {"p": {}}),
    ("service_get_quotas", (), "GET", f"{A}/service_quotas", None, {"u": {}}),
    ("service_get_quotas", ("u",), "GET", f"{A}/service_quotas?user=u", None, {"u": {}}),
    (
        "service_get_quotas",
        ("u", ["p", "q"]),
        "GET",
        f"{A}/service_quotas?user=u&project=p%2Cq",
        None,
        {"u": {}},
    ),
    ("service_get_project_quotas", (), "GET", f"{A}/service_project_quotas", None, {}),
    (
        "service_get_project_quotas",
        (("p", "q"),),
        "GET",
        f"{A}/service_project_quotas?project=p%2Cq",
        None,
        {},
    ),
    ("get_pending_commissions", (), "GET", f"{A}/commissions", None, [3, 1]),
    (
        "get_commission_info",
        (57,),
        "GET",
        f"{A}/commissions/57",
        None,
        {"serial": 57, "name": "n", "issue_time": "t", "provisions": []},
    ),
    ("get_projects", (), "GET", f"{A}/projects", None, [{}]),
    (
        "get_projects",
        ("a name", "active", "u", "member"),
        "GET",
        f"{A}/projects?name=a%20name&state=active&owner=u&mode=member",
        None,
        [],
    ),
    ("get_project", (ODD,), "GET", f"{A}/projects/{QUOTED}", None, {"id": ODD}),
    ("create_project", ({"name": "n.org"},), "POST", f"{A}/projects", {"name": "n.org"}, {}),
    ("modify_project", (ODD, {"a": 1}), "PUT", f"{A}/projects/{QUOTED}", {"a": 1}, {}),
    (
        "project_action",
        (ODD, "suspend", "why"),
        "POST",
        f"{A}/projects/{QUOTED}/action",
        {"suspend": {"reason": "why"}},
        None,
    ),
    (
        "application_action",
        ("p", 7, "approve", "why"),
        "POST",
        f"{A}/projects/p/action",
        {"approve": {"app_id": 7, "reason": "why"}},
        None,
    ),
    ("get_memberships", (), "GET", f"{A}/projects/memberships", None, []),
    ("get_memberships", ("p",), "GET", f"{A}/projects/memberships?project=p", None, []),
    ("get_membership", (7,), "GET", f"{A}/projects/memberships/7", None, {"id": 7}),
    (
        "membership_action",
        (7, "leave", "why"),
        "POST",
        f"{A}/projects/memberships/7/action",
        {"leave": "why"},
        None,
    ),
    (
        "join_project",
        ("p",),
        "POST",
        f"{A}/projects/memberships",
        {"join": {"project": "p"}},
        {"id": 7},
    ),
    (
        "enroll_member",
        ("p", "ada@example.org"),
        "POST",
        f"{A}/projects/memberships",
        {"enroll": {"project": "p", "user": "ada@example.org"}},
        {"id": 7},
    ),
    (
        "set_default_project",
        ("p",),
        "POST",
        f"{A}/myaccount/default_project",
        {"project_id": "p"},
        None,
    ),
]


@pytest.mark.parametrize(("call", "args", "method", "target", "body", "said"), CALLS)
def test_a_call_sends_its_request_and_returns_the_answer(  # noqa: PLR0917 # a row of the table
    peer, answer, client, token, call, args, method, target, body, said
):
    peer.answers(answer.plain(200) if said is None else answer.json(said))
    assert getattr(client, call)(*args) == said
    (request,) = peer.asked
    assert (request.method, request.target) == (method, target)
    assert request.headers["x-auth-token"] == token
    if body is None:
        assert request.body == b""
        assert "content-type" not in request.headers
    else:
        assert json.loads(request.body) == body
        assert request.headers["content-type"] == "application/json"


USER, SERVICE = "/user_catalogs", "/service/user_catalogs"
CATALOGS = [
    ("get_username", "get_usernames", "uuids", "uuid_catalog", USER),
    ("service_get_username", "service_get_usernames", "uuids", "uuid_catalog", SERVICE),
    ("get_uuid", "get_uuids", "displaynames", "displayname_catalog", USER),
    ("service_get_uuid", "service_get_uuids", "displaynames", "displayname_catalog", SERVICE),
]


@pytest.mark.parametrize(("one", "many", "asked", "catalog", "path"), CATALOGS)
def test_c19_a_catalog_call_asks_for_names_or_uuids(  # noqa: PLR0917 # a row of the table
    peer, answer, client, one, many, asked, catalog, path
):
    reply = {"uuid_catalog": {}, "displayname_catalog": {}, catalog: {"a": "1"}}
    peer.answers(answer.json(reply))
    assert getattr(client, many)(["a", "b"]) == {"a": "1"}
    assert getattr(client, many)(("a",)) == {"a": "1"}
    assert getattr(client, one)("a") == "1"
    assert [json.loads(request.body) for request in peer.asked] == [
        {asked: ["a", "b"]},
        {asked: ["a"]},
        {asked: ["a"]},
    ]
    assert {request.target for request in peer.asked} == {A + path}
    with pytest.raises(NoUserName if asked == "uuids" else NoUUID) as caught:
        getattr(client, one)("unknown")
    assert "unknown" in str(caught.value)


@pytest.mark.parametrize(("one", "many", "asked", "catalog", "path"), CATALOGS)
def test_a_catalog_call_refuses_what_is_no_name(  # noqa: PLR0917 # a row of the table
    peer, client, one, many, asked, catalog, path
):
    for call, argument in ((one, None), (one, 7), (many, "a string"), (many, [7]), (many, 7)):
        with pytest.raises(BadValue):
            getattr(client, call)(argument)
    assert peer.connections == 0


def test_a_service_may_ask_for_the_names_of_all_users(peer, answer, client):
    peer.answers(answer.json({"uuid_catalog": {"u": "n"}, "displayname_catalog": {}}))
    assert client.service_get_usernames(None) == {"u": "n"}
    assert json.loads(peer.asked[0].body) == {"uuids": None}


def test_c28_bug_10_a_list_and_a_tuple_make_the_same_query(peer, client):
    client.service_get_quotas(user=["a", "b"])
    client.service_get_quotas(user=("a", "b"))
    client.service_get_quotas(user=iter(["a", "b"]))
    assert {one.target for one in peer.asked} == {f"{A}/service_quotas?user=a%2Cb"}


def test_bug_10_the_quotas_of_nobody_are_empty_and_not_asked_for(peer, client):
    assert client.service_get_quotas(user=[]) == {}
    assert client.service_get_project_quotas(()) == {}
    assert peer.connections == 0


def test_the_old_name_of_project_id_still_works_and_gives_way(peer, answer, client):
    client.service_get_quotas(project="old")
    client.service_get_quotas(project_id="new", project="old")
    client.service_get_project_quotas(project="old")
    peer.answers(answer.json([]))
    client.get_memberships(project="old")
    assert [one.target.partition("?")[2] for one in peer.asked] == [
        "project=old",
        "project=new",
        "project=old",
        "project=old",
    ]


def test_the_names_that_a_service_asks_for_may_be_called_what_they_are(peer, answer, client):
    """The user's document calls them uuids, the later package display names."""
    peer.answers(answer.json({"uuid_catalog": {}, "displayname_catalog": {"n": "u"}}))
    for given in ({"uuids": ["n"]}, {"display_names": ["n"]}):
        assert client.service_get_uuids(**given) == {"n": "u"}
    for given in ({"uuid": "n"}, {"display_name": "n"}):
        assert client.service_get_uuid(**given) == "u"
    assert {request.body for request in peer.asked} == {b'{"displaynames":["n"]}'}
    with pytest.raises(BadValue):
        client.service_get_uuid()


def test_bug_11_ids_are_quoted_in_paths(peer, client):
    client.get_project("../commissions")
    assert peer.asked[0].target == f"{A}/projects/..%2Fcommissions"
    for nothing in (None, "", True, 1.5):
        with pytest.raises(BadValue):
            client.get_project(nothing)


def test_c64_bug_6_the_reason_of_an_application_action_is_called_reason(peer, answer, client):
    peer.answers(answer.plain(200))
    client.application_action("p", 7, "deny", reason="not now")
    assert json.loads(peer.asked[0].body)["deny"]["reason"] == "not now"


def test_c64_the_reason_of_a_membership_action_is_its_value(peer, answer, client):
    peer.answers(answer.plain(200))
    client.membership_action(7, "reject", reason="not now")
    assert json.loads(peer.asked[0].body) == {"reject": "not now"}


def test_c22_bug_7_feedback_is_a_form_that_says_so(peer, answer, client):
    peer.answers(answer.plain(200))
    assert client.send_feedback("a & b = ü", "") is None
    (request,) = peer.asked
    assert request.target == f"{A}/feedback"
    assert request.headers["content-type"] == FORM
    form = parse_qs(request.body.decode(), keep_blank_values=True)
    assert form == {"feedback_msg": ["a & b = ü"], "feedback_data": [""]}
    for args in ((None, "d"), ("m", None)):
        with pytest.raises(BadValue):
            client.send_feedback(*args)


def test_authenticate_sends_the_token_in_the_body_and_keeps_the_catalog(peer, client, token):
    client.authenticate()
    client.authenticate(tenant_name="u")
    client.get_resources()
    first, second, third = peer.got
    assert json.loads(first.body) == {"auth": {"token": {"id": token}}}
    assert json.loads(second.body)["auth"]["tenantName"] == "u"
    assert first.headers["content-type"] == "application/json"
    assert third.target == f"{A}/resources"


def test_validate_token_asks_about_the_token_of_another(peer, answer, client):
    peer.answers(answer.json({"access": {"user": {"id": "u"}}}))
    assert client.validate_token("an/oauth token", "scope")["access"]["user"]["id"] == "u"
    assert client.validate_token("t")
    assert [one.target for one in peer.got] == [
        "/identity/v2.0/tokens/an%2Foauth%20token?belongsTo=scope",
        "/identity/v2.0/tokens/t",
    ]
    with pytest.raises(BadValue):
        client.validate_token(None)


def test_bug_18_get_token_authenticates_as_the_oauth_client_alone(peer, answer, client):
    peer.answers(answer.plain(200, b'{"access_token": "at"}', "OK", ["Content-Type: text/html"]))
    reply = client.get_token("authorization_code", "id", "secret", code="c", redirect_uri="u")
    assert reply == {"access_token": "at"}
    (request,) = peer.asked
    assert (request.method, request.target) == ("POST", "/oauth2/token")
    assert "x-auth-token" not in request.headers
    assert request.headers["content-type"] == FORM
    basic = base64.b64encode(b"id:secret").decode()
    assert request.headers["authorization"] == f"Basic {basic}"
    assert parse_qs(request.body.decode()) == {
        "grant_type": ["authorization_code"],
        "client_id": ["id"],
        "code": ["c"],
        "redirect_uri": ["u"],
    }


def test_an_error_of_the_oauth_service_is_a_bad_request(peer, answer, client):
    peer.answers(answer.json({"error": "generic_error", "exception": "no such code"}, 400))
    with pytest.raises(BadRequest, match="no such code"):
        client.get_token("authorization_code", "id", "secret", code="c")


def test_the_addresses_of_every_call_are_public(client):
    assert client.ui_url == "https://elsewhere.example.org/some/ui"
    assert client.ui_prefix == "/some/ui"
    assert client.oauth2_url == "https://elsewhere.example.org/oauth2"
    assert client.oauth2_prefix == "/oauth2"
    paths = {name: getattr(client, name) for name in dir(client) if name.startswith("api_")}
    assert len(paths) == 14
    assert all(path.startswith("/") for path in paths.values())
