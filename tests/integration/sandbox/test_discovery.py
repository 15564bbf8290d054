"""Discovery and identity: conformance checks 1 to 6 of the protocol."""

from __future__ import annotations

import socket

import pytest

from astakos_worker.sandbox.seed import project_uuid
from astakos_worker.sandbox.server import SandboxServer


def test_s1_discovery_without_a_body_shows_the_catalog_and_nobody(call):
    reply = call("POST", "/identity/v2.0/tokens", None)
    assert reply.status_code == 200
    assert set(reply.json()["access"]) == {"serviceCatalog"}


def test_s1_the_catalog_leads_to_the_sandbox_itself(call):
    catalog = {entry["name"]: entry for entry in call.discover().json()["access"]["serviceCatalog"]}
    account = catalog["astakos_account"]
    assert account["type"] == "account"
    assert account["endpoints_links"] == []
    assert account["endpoints"] == [
        {
            "versionId": "v1.0",
            "publicURL": f"{call.server.url}/account/v1.0",
            "SNF:exposeVersion": "True",
            "SNF:uiURL": f"{call.server.url}/ui",
            "region": "default",
        }
    ]
    compute = catalog["cyclades_compute"]["endpoints"][0]
    assert compute["publicURL"] == "https://cyclades.example.org/compute/v2.0"
    weblogin = catalog["astakos_weblogin"]["endpoints"][0]
    assert weblogin["SNF:webloginURL"] == weblogin["publicURL"]


def test_s2_a_token_shows_whose_it_is(call):
    access = call.log_in("sandbox-token-of-user01").json()["access"]
    assert access["user"]["id"] == call.user
    assert access["user"]["name"] == "Sandbox User 01"
    assert access["token"]["id"] == "sandbox-token-of-user01"
    assert access["token"]["tenant"] == {"id": call.user, "name": "Sandbox User 01"}
    assert access["token"]["expires"].endswith("+00:00")
    assert access["user"]["roles"] == []
    assert {call.user, call.shared} <= set(access["user"]["projects"])
    assert access["serviceCatalog"] == call.discover().json()["access"]["serviceCatalog"]


def test_s2_roles_are_the_user_s_groups_with_ids_that_all_share(call):
    mixed, student = (
        call.log_in(f"sandbox-token-of-{name}").json()["access"]["user"]["roles"]
        for name in ("mixed", "student")
    )
    assert mixed == [{"id": "1", "name": "students"}, {"id": "2", "name": "staff"}]
    assert student == [{"id": "1", "name": "students"}]


def test_s2_a_suspended_project_is_not_among_a_user_s_projects(call):
    projects = call.log_in("sandbox-token-of-user03").json()["access"]["user"]["projects"]
    assert len(projects) == 3
    assert project_uuid("suspended.example.org") not in projects


@pytest.mark.parametrize(
    ("tenant", "status"), [("somebody-else", 400), (5, 400), ("", 200), (None, 200)]
)
def test_s3_a_tenant_must_be_the_user_unless_it_is_empty(call, tenant, status):
    reply = call.log_in("sandbox-token-of-user01", tenantName=tenant)
    assert reply.status_code == status


def test_s3_the_user_s_own_uuid_is_a_tenant(call):
    assert call.log_in("sandbox-token-of-user01", tenantName=call.user).status_code == 200


@pytest.mark.parametrize("token", ["unknown", "sandbox-token-of-cyclades"])
def test_s4_a_token_that_is_no_user_s_is_refused(call, token):
    reply = call.log_in(token)
    assert reply.status_code == 401
    assert reply.json()["unauthorized"]["code"] == 401


@pytest.mark.parametrize("who", ["inactive", "expired", "unsigned"])
def test_s4_a_token_that_no_longer_works_is_refused_everywhere(call, who):
    token = f"sandbox-token-of-{who}"
    assert call.log_in(token).status_code == 401
    assert call.account("GET", "quotas", token).status_code == 401


def test_s4_a_token_expires_when_its_time_comes(call):
    """The clock of the sandbox decides, and a reset puts it right again."""
    assert call.account("GET", "quotas", "sandbox-token-of-user01").status_code == 200
    call.control.advance_clock(100 * 365 * 86400)
    assert call.account("GET", "quotas", "sandbox-token-of-user01").status_code == 401


def test_s4_an_expired_component_token_is_refused(call):
    assert call.account("GET", "commissions", "sandbox-token-of-retired").status_code == 401


def test_s5_credentials_must_belong_together(call):
    def log_in(**credentials):
        return call.discover({"auth": {"passwordCredentials": credentials}}).status_code

    token = "sandbox-token-of-user01"
    assert log_in(username=call.user, password=token) == 200
    assert log_in(username="another-uuid", password=token) == 401
    assert log_in(username=call.user, password="unknown") == 401
    assert log_in(username=call.user) == 400
    assert log_in(password=token) == 400


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"auth": {}},
        {"auth": None},
        {"auth": []},
        {"auth": {"token": None}},
        {"auth": {"token": {}}},
        {"auth": {"token": {"id": None}}},
        {"auth": {"token": {"id": 5}}},
        {"auth": {"passwordCredentials": "x"}},
        [],
        "auth",
    ],
)
def test_s5_a_body_without_a_credential_is_a_bad_request(call, body):
    reply = call("POST", "/identity/v2.0/tokens", None, json=body)
    # An empty object is a body too: `requests` sends it.
    assert reply.request.headers["Content-Length"] != "0"
    assert reply.status_code == 400


def test_s6_a_body_of_another_type_is_a_bad_request(call):
    reply = call(
        "POST",
        "/identity/v2.0/tokens",
        None,
        data=b"<auth/>",
        headers={"Content-Type": "application/xml"},
    )
    assert reply.status_code == 400
    assert reply.json()["badRequest"]["details"] == ""


def test_s6_only_post_is_allowed_on_tokens(call):
    reply = call("GET", "/identity/v2.0/tokens", None)
    assert reply.status_code == 405
    assert reply.headers["Allow"] == "POST"
    assert reply.json()["notAllowed"]["code"] == 405


def test_a_chunked_body_is_no_body(call):
    """Section 10.10: without a Content-Length the answer is the public one."""
    reply = call(
        "POST",
        "/identity/v2.0/tokens",
        None,
        data=iter([b'{"auth": {"token": {"id": "sandbox-token-of-user01"}}}']),
        headers={"Content-Type": "application/json"},
    )
    assert reply.status_code == 200
    assert set(reply.json()["access"]) == {"serviceCatalog"}


def test_the_tokens_call_ignores_the_token_header(call):
    headers = {"X-Auth-Token": "unknown"}
    assert call("POST", "/identity/v2.0/tokens", None, headers=headers).status_code == 200


def test_version_documents_are_served_below_the_identity_root(call):
    versions = call("GET", "/identity", None).json()["versions"]["values"]
    assert [version["id"] for version in versions] == ["v2.0"]
    version = call("GET", "/identity/v2.0/", None).json()["version"]
    assert versions == [{key: version[key] for key in ("id", "status", "updated", "links")}]
    assert version["updated"] == "2013-03-06T00:00:00Z"
    own = {"rel": "self", "href": f"{call.server.url}/identity/v2.0/"}
    assert version["links"] == [own]
    assert version["media_types"] == [
        {
            "base": f"application/{syntax}",
            "type": f"application/vnd.openstack.identity-v2.0+{syntax}",
        }
        for syntax in ("json", "xml")
    ]


def test_get_services_lists_the_components_or_calls_back_with_them(call):
    components = call("GET", "/ui/get_services", None).json()
    assert [component["name"] for component in components][:3] == ["astakos", "cyclades", "pithos"]
    assert components[0]["url"] == f"{call.server.url}/ui"
    assert components[1] == {
        "name": "cyclades",
        "url": "https://cyclades.example.org/ui",
        "verbose_name": "cyclades",
        "order": 2,
        "dashboard": {"order": 2, "show": True},
        "cloudbar": {"show": True},
    }
    reply = call("GET", "/ui/get_services?callback=show", None)
    assert reply.text.startswith("show([")
    assert call("GET", "/ui/get_services?callback=alert(1)", None).status_code == 400


def test_get_services_says_what_the_seed_says(caller_of):
    seed = """
    [[component]]
    name = "first"
    token = "sandbox-token-of-first"
    verbose_name = "The first"
    order = 7
    dashboard = { order = 3, description = "What it is for", since = 2030-01-31T10:00:00Z }
    cloudbar = { show = false }
    """
    with SandboxServer(seed) as server:
        astakos, first = caller_of(server)("GET", "/ui/get_services", None).json()
    assert astakos["name"] == "astakos"
    since = {"since": "2030-01-31T10:00:00Z"}
    assert first == {
        "name": "first",
        "url": None,
        "verbose_name": "The first",
        "order": 7,
        "dashboard": {"order": 3, "show": True, "description": "What it is for", **since},
        "cloudbar": {"show": False},
    }


def test_a_request_of_http_1_0_without_a_host_gets_an_answer(call):
    """The catalog then leads to the address that was connected to."""
    with socket.create_connection(("127.0.0.1", call.server.port), timeout=10) as peer:
        peer.sendall(b"POST /identity/v2.0/tokens HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: peer.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200")
    assert f"127.0.0.1:{call.server.port}/account/v1.0".encode() in answer
