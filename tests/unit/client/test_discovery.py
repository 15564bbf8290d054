"""The catalog is asked for once, is not changed, and only its paths are used."""

import copy
import threading

import pytest

from astakosclient import AstakosClient, BadValue, NoEndpoints, Outcome, parse_endpoints


def test_c07_one_discovery_with_an_empty_body_precedes_all_account_calls(peer, client):
    client.get_resources()
    client.get_resources()
    assert [(one.method, one.target) for one in peer.got] == [
        ("POST", "/identity/v2.0/tokens"),
        ("GET", "/some/account/v1.0/resources"),
        ("GET", "/some/account/v1.0/resources"),
    ]
    assert peer.got[0].body == b""
    assert peer.got[0].headers["content-length"] == "0"


def test_threads_that_come_at_once_share_one_discovery(peer, client_of):
    client = client_of(peer, use_pool=True)
    barrier = threading.Barrier(16)

    def ask():
        barrier.wait(10)
        client.get_resources()

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(peer.asked) == 16
    assert len(peer.got) == 17


def test_c08_requests_go_to_the_host_of_auth_url_with_the_path_of_the_catalog(peer, client):
    assert client.account_url == "https://elsewhere.example.org/some/account/v1.0"
    assert client.account_prefix == "/some/account/v1.0"
    client.get_resources()
    assert peer.asked[0].target == "/some/account/v1.0/resources"
    assert peer.asked[0].headers["host"] == f"127.0.0.1:{peer.port}"


def test_c08_get_services_goes_to_the_path_of_the_web_interface(peer, answer, client):
    peer.answers(answer.json([{"name": "cyclades"}]))
    assert client.get_services() == [{"name": "cyclades"}]
    assert peer.asked[0].target == "/some/ui/get_services"


@pytest.mark.parametrize(
    ("token", "auth_url"),
    [
        (None, "http://127.0.0.1"),
        ("", "http://127.0.0.1"),
        ("a line\nbreak", "http://127.0.0.1"),
        ("token", None),
        ("token", "ftp://127.0.0.1"),
        ("token", "accounts.example.org"),
        ("token", "https://"),
        ("token", "https://host:port"),
        ("token", f"https://{'a' * 70}.example.org"),
        ("token", "https://user:word@example.org"),
        ("token", "https://example.org/identity/v2.0?a=b"),
        ("token", "https://example.org:99999"),
        ("token", "https://example.org:0"),
        ("token", "https://*.example.org"),
        ("token", "https://two words.example.org"),
        ("token", "https://example.org\\@elsewhere.example.org"),
    ],
)
def test_c09_what_cannot_be_a_token_or_a_url_is_refused_at_once(token, auth_url):
    with pytest.raises(BadValue) as caught:
        AstakosClient(token, auth_url)
    assert caught.value.outcome is Outcome.REFUSED
    assert "line" not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"pool_size": 0},
        {"total_timeout": 0},
        {"connect_timeout": -1},
        {"headers": {"X-Extra": "two\r\nlines"}},
    ],
)
def test_c09_settings_that_cannot_work_are_refused_at_once(options):
    with pytest.raises(BadValue):
        AstakosClient("token", "http://127.0.0.1", **options)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: AstakosClient("https://accounts.example.org"), "'auth_url'"),
        (lambda: AstakosClient("token", "https://accounts.example.org", retries=3), "'retries'"),
    ],
)
def test_c09_a_wrong_way_to_make_a_client_is_told_of_the_class_that_was_called(call, said):
    with pytest.raises(TypeError, match=f"^AstakosClient.__init__.*{said}"):
        call()


def test_c09_a_port_that_cannot_be_is_named():
    with pytest.raises(BadValue, match="Port out of range"):
        AstakosClient("token", "https://accounts.example.org:99999")


def test_c09_nothing_is_sent_before_the_first_call(peer, client):
    assert repr(client) == f"<AstakosClient of {peer.url}/identity/v2.0>"
    assert peer.connections == 0


@pytest.mark.parametrize("ending", ["", "/", "/identity/v2.0", "/identity/v2.0/"])
def test_a_bare_host_and_a_full_url_find_the_same_identity_endpoint(peer, client_of, ending):
    client_of(peer.url + ending).get_endpoints()
    assert peer.got[0].target == "/identity/v2.0/tokens"


def test_a_prefix_of_the_site_is_kept(peer, client_of):
    client_of(peer.url + "/site/identity/v2.0").get_endpoints()
    assert peer.got[0].target == "/site/identity/v2.0/tokens"


def without(catalog, name):
    entries = catalog["access"]["serviceCatalog"]
    return {"access": {"serviceCatalog": [one for one in entries if one["name"] != name]}}


@pytest.fixture
def catalog(peer, client):
    found = client.get_endpoints()
    peer.got.clear()
    return found


def test_c10_a_catalog_without_oauth2_serves_everything_else(
    peer, answer, client_of, catalog, token
):
    peer.catalog = answer.json(without(catalog, "astakos_oauth2"))
    client = client_of(peer)
    assert client.get_quotas() == {}
    with pytest.raises(NoEndpoints):
        client.get_token("authorization_code", "id", "secret", code="c")
    with pytest.raises(NoEndpoints):
        client.get_endpoints(extra=True)


def test_c11_parse_endpoints_leaves_its_input_alone(catalog):
    before = copy.deepcopy(catalog)
    found = parse_endpoints(catalog, ep_name="astakos_account", ep_version_id="v1.0")
    assert [one["versionId"] for one in found[0]["endpoints"]] == ["v1.0"]
    found[0]["endpoints"].clear()
    assert catalog == before


def test_c11_a_mismatch_mentions_every_criterion(catalog):
    with pytest.raises(NoEndpoints) as caught:
        parse_endpoints(catalog, "a name", "a type", "a region", "a version")
    for criterion in ("a name", "a type", "a region", "a version"):
        assert criterion in str(caught.value)


def test_parse_endpoints_without_criteria_returns_the_whole_catalog(catalog):
    assert parse_endpoints(catalog) == catalog["access"]["serviceCatalog"]
    assert len(parse_endpoints(catalog, ep_region="default")) == 2
    assert len(parse_endpoints(catalog, ep_type="account")) == 1


@pytest.mark.parametrize("broken", [{}, {"access": {}}, {"access": None}, [], None])
def test_parse_endpoints_of_what_is_no_catalog_is_no_endpoints(broken):
    with pytest.raises(NoEndpoints):
        parse_endpoints(broken)


def test_bug_1_every_single_criterion_is_in_the_message():
    for criterion in ("ep_name", "ep_type", "ep_region", "ep_version_id"):
        message = str(NoEndpoints(**{criterion: "this one"}))
        assert "this one" in message
        assert message.startswith("the catalog has no endpoint")
    assert str(NoEndpoints()) == "the catalog has no endpoints"


def test_bug_8_authenticate_returns_every_version_of_the_account_service(client):
    reply = client.authenticate()
    account = reply["access"]["serviceCatalog"][0]
    assert [one["versionId"] for one in account["endpoints"]] == ["v1.0", "v2.0"]


def test_bug_8_an_endpoint_without_a_version_does_not_spoil_the_others(catalog):
    del catalog["access"]["serviceCatalog"][0]["endpoints"][1]["versionId"]
    found = parse_endpoints(catalog, ep_version_id="v1.0")
    assert [entry["name"] for entry in found] == ["astakos_account"]


def test_bug_9_a_login_succeeds_though_the_catalog_lacks_the_account_service(
    peer, answer, client, catalog
):
    peer.catalog = answer.json(without(catalog, "astakos_account"))
    assert "access" in client.authenticate()


@pytest.mark.parametrize("url", ["http://[", "//[", "no slash", "a/path", None, 7, ["http://h/"]])
def test_a_catalog_without_a_usable_url_is_no_endpoints(peer, answer, client, catalog, url):
    """No request is sent to a path that cannot be one."""
    account = catalog["access"]["serviceCatalog"][0]["endpoints"][0]
    for key, call in (("SNF:uiURL", client.get_services), ("publicURL", client.get_resources)):
        account[key] = url
        peer.catalog = answer.json(catalog)
        client._catalog = None
        with pytest.raises(NoEndpoints):
            call()
    assert peer.asked == []


def test_an_oauth2_service_without_a_usable_url_is_missed_only_by_who_needs_it(
    peer, answer, client, catalog
):
    for endpoint in ({"publicURL": "http://["}, {}, "no endpoint"):
        catalog["access"]["serviceCatalog"][1]["endpoints"][0] = endpoint
        peer.catalog = answer.json(catalog)
        client._catalog = None
        assert client.get_quotas() == {}
        with pytest.raises(NoEndpoints):
            client.get_token("authorization_code", "id", "secret", code="c")


def test_an_issue_whose_discovery_failed_was_not_sent(peer, answer, client):
    """Whatever happened to the request for the catalog, no commission can exist."""
    for move in (answer.cut, answer.page(404), answer.fault(401, "unauthorized"), answer.json({})):
        peer.catalog = move
        with pytest.raises(Exception) as caught:  # noqa: PT011 - each in turn is another
            client.issue_provisions([])
        assert caught.value.outcome is Outcome.NOT_SENT
    assert peer.asked == []
