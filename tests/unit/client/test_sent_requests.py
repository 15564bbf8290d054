"""Each request as it is sent: its length, its headers, its token."""

import pytest


def test_every_request_has_a_length_and_none_is_chunked(peer, answer, client):
    peer.answers(answer.json({"uuid_catalog": {}}))
    client.get_usernames(["u"])
    peer.answers(answer.json({}))
    client.get_resources()
    for one in peer.got:
        assert one.headers["content-length"] == str(len(one.body))
        assert "transfer-encoding" not in one.headers


def test_a_redirect_is_an_error_and_is_not_followed(peer, answer, client):
    peer.answers(answer.plain(307, b"", "Elsewhere", [f"Location: {peer.url}/other"]))
    with pytest.raises(Exception, match="Elsewhere"):
        client.get_resources()
    assert len(peer.asked) == 1


def test_headers_of_the_instance_go_with_every_request(peer, client_of, token):
    client = client_of(peer, headers={"X-Extra": "more", "X-Auth-Token": "not this one"})
    client.get_resources()
    assert {one.headers["x-extra"] for one in peer.got} == {"more"}
    assert {one.headers["x-auth-token"] for one in peer.got} == {token}


def test_another_token_is_used_from_the_next_call_on(peer, client):
    """F60."""
    client.get_resources()
    client.token = "another-token-just-as-good"
    client.get_resources()
    assert peer.asked[-1].headers["x-auth-token"] == "another-token-just-as-good"
