"""TLS, and proxies that the environment names."""

import dataclasses
import warnings

import pytest

from astakosclient import (
    ConnectionError,  # noqa: A004 - the protocol's name
    Outcome,
)

HOLDING = {"holder": "user:u", "source": "project:p", "resource": "cyclades.vm", "quantity": 1}


def test_tls_is_verified_against_the_given_authorities(new_peer, client_of, authorities):
    peer = new_peer(tls=True)
    client = client_of(peer, verify=authorities, use_pool=True)
    assert client.get_resources() == {}
    assert client.get_resources() == {}
    assert {one.connection for one in peer.got} == {1}


def test_an_unknown_authority_is_refused_before_anything_is_sent(new_peer, client_of):
    peer = new_peer(tls=True)
    client = client_of(peer, retry=3)
    with pytest.raises(ConnectionError) as caught:
        client.get_resources()
    assert caught.value.outcome is Outcome.NOT_SENT
    assert peer.got == []
    assert peer.connections == 1


def test_the_authorities_may_come_from_the_environment(
    new_peer, client_of, authorities, monkeypatch
):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", authorities)
    assert client_of(new_peer(tls=True)).get_resources() == {}


def test_verification_may_be_switched_off_and_urllib3_says_so(new_peer, client_of):
    client = client_of(new_peer(tls=True), verify=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert client.get_resources() == {}
    assert {one.category.__name__ for one in caught} == {"InsecureRequestWarning"}


def test_a_proxy_of_the_environment_is_used(peer, answer, client_of, monkeypatch):
    monkeypatch.setenv("http_proxy", peer.url)
    client = client_of("http://accounts.example.org", use_pool=True)
    assert client.get_resources() == {}
    assert [one.target for one in peer.got] == [
        "http://accounts.example.org/identity/v2.0/tokens",
        "http://accounts.example.org/some/account/v1.0/resources",
    ]


def test_no_proxy_is_honoured(peer, client_of, dead_url, monkeypatch):
    monkeypatch.setenv("http_proxy", dead_url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert client_of(peer).get_resources() == {}


@pytest.mark.parametrize("tls", [False, True])
def test_tls_goes_through_a_tunnel_of_the_proxy(  # noqa: PLR0917 # fixtures
    new_peer, new_tunnel, answer, client_of, authorities, monkeypatch, tls
):
    """Also if the client speaks TLS with the proxy itself. Deadlines hold through both layers."""
    tunnel = new_tunnel(tls=tls)
    monkeypatch.setenv("https_proxy", tunnel.url)
    peer = new_peer(tls=True)
    client = client_of(peer, verify=authorities, use_pool=True)
    assert client.get_resources() == {}
    peer.answers(answer.json({"serial": 57}, 201), answer.cut, answer.hang)
    assert client.issue_provisions([{**HOLDING, "resource": "r" * 500_000}]) == 57
    with pytest.raises(ConnectionError) as caught:
        client.issue_provisions([HOLDING])
    assert caught.value.outcome is Outcome.AMBIGUOUS
    client._limits = dataclasses.replace(client._limits, total_timeout=5)
    with pytest.raises(ConnectionError, match="no whole answer") as caught:
        client.issue_provisions([HOLDING])
    assert caught.value.outcome is Outcome.AMBIGUOUS
    assert {one.method for one in tunnel.got} == {"CONNECT"}
    assert "x-auth-token" not in tunnel.got[0].headers


def test_a_proxy_that_refuses_the_tunnel_has_seen_nothing_of_the_request(  # noqa: PLR0917 # fixtures
    new_peer, peer, answer, client_of, authorities, monkeypatch
):
    monkeypatch.setenv("https_proxy", peer.url)
    peer.answers(answer.page(403))
    client = client_of("https://accounts.example.org", verify=authorities)
    with pytest.raises(ConnectionError) as caught:
        client.issue_provisions([HOLDING])
    assert caught.value.outcome is Outcome.NOT_SENT
