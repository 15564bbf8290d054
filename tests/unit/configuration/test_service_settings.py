"""A named service's address and token: what is wrong with them is said before a worker starts."""

import pytest
from pydantic import ValidationError

from astakos_worker.configuration.service_settings import ServiceSettings, read_token
from astakos_worker.configuration.settings import Settings

URL = "https://accounts.example.org/identity/v2.0"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("htps://a.example.org", "must be an https:// or http:// address with a host"),
        ("a.example.org", "must be an https:// or http:// address with a host"),
        ("https://", "must be an https:// or http:// address with a host"),
        ("https://a.example.org:99999/x", "the port must be a number from 1 to 65535"),
        ("https://a.example.org:0", "the port must be a number from 1 to 65535"),
        ("https://a.example.org:x", "the port must be a number from 1 to 65535"),
        ("https://a.example.org\n", "has a space or a line break in it"),
        ("https://a b.example.org", "has a space or a line break in it"),
    ],
)
def test_an_address_that_can_never_answer_is_refused(url, reason):
    """F84."""
    with pytest.raises(ValidationError, match=reason):
        ServiceSettings(auth_url=url, token="t")


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("secret\n", "has a space or a line break in it"),
        ("sec ret", "has a space or a line break in it"),
        ("\ufeffsecret", "begins with a byte-order mark"),
        ("s\u00e9cret", "no visible ASCII character"),
        ("secret\x00", "no visible ASCII character"),
        ("", "is empty"),
    ],
)
def test_a_token_that_can_be_none_is_refused_and_not_repeated(token, reason):
    """F84: sent as a header, it would fail each request."""
    with pytest.raises(ValidationError, match=reason) as refused:
        ServiceSettings(auth_url=URL, token=token)
    assert "cret" not in str(refused.value)


@pytest.mark.parametrize("text", [b"a-token", b"  a-token\r\n", b"a-token\n\n"])
def test_a_token_file_may_end_in_line_breaks(tmp_path, text):
    (tmp_path / "token").write_bytes(text)
    assert read_token(tmp_path / "token") == "a-token"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xef\xbb\xbfsecret\r\n", "begins with a byte-order mark"),
        (b"secret\nsecret", "has a space or a line break in it"),
        (b"\xff\xfes\x00", "is not text"),
    ],
)
def test_a_token_file_that_is_wrong_is_named_with_the_reason(tmp_path, text, reason):
    """F84."""
    path = tmp_path / "token"
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(ValueError, match=reason) as refused:
        read_token(path)
    assert str(path) in str(refused.value) and "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "clear"),
    [
        (URL, False),
        ("http://accounts.example.org", True),
        ("http://sandbox:5000/identity/v2.0", True),
        ("http://10.0.0.1", True),
        ("http://127.0.0.1:5000", False),
        ("http://127.8.9.1", False),
        ("http://[::1]:5000", False),
        ("http://localhost:5000", False),
        ("https://10.0.0.1", False),
    ],
)
def test_a_token_in_clear_to_another_machine_may_be_refused(url, clear):
    """By `require_https`; a proxy on the same machine is another matter."""
    services = {"cyclades": {"auth_url": url, "token": "t"}}
    assert Settings(services=services).in_clear == (["cyclades"] if clear else [])
    if clear:
        with pytest.raises(ValidationError, match=r"services.cyclades.auth_url must be https://"):
            Settings(services=services, require_https=True)
    else:
        Settings(services=services, require_https=True)
