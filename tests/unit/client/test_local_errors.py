"""Trouble of the caller's own machine is a `LocalError`: not sent, and no verdict (F84)."""

import os
import pickle
import shutil
import ssl
import subprocess
import sys
import traceback

import pytest

from astakosclient import (
    AstakosClient,
    AstakosClientException,
    ConnectionError,  # noqa: A004 - the protocol's name
    LocalError,
    Outcome,
)

HOLDING = {"holder": "user:u", "source": "project:p", "resource": "cyclades.vm", "quantity": 1}


@pytest.fixture(autouse=True)
def no_authorities_of_the_environment(monkeypatch):
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSLKEYLOGFILE"):
        monkeypatch.delenv(name, raising=False)


def local_error_of(client):
    with pytest.raises(AstakosClientException) as caught:
        client.issue_provisions([HOLDING])
    error = caught.value
    assert type(error) is LocalError
    assert (error.outcome, error.ambiguous, error.response) == (Outcome.NOT_SENT, False, None)
    assert isinstance(error.errobject, OSError)
    assert client.log_response == {}
    return error


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize(
    "content", [None, b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\n"]
)
def test_a_file_of_authorities_that_is_missing_empty_or_spoilt(  # noqa: PLR0917 # fixtures
    new_peer, client_of, monkeypatch, tmp_path, name, content
):
    """F84."""
    peer, bundle = new_peer(tls=True), tmp_path / "authorities.pem"
    if content is not None:
        bundle.write_bytes(content)
    monkeypatch.setenv(name, str(bundle))
    error = local_error_of(client_of(peer, retry=3))
    assert str(bundle) in str(error) and name in str(error)
    assert peer.connections == 0


def test_a_bundle_that_is_mended_is_used_by_the_same_client(
    new_peer, client_of, authorities, tmp_path
):
    peer, bundle = new_peer(tls=True), tmp_path / "authorities.pem"
    bundle.write_text("spoilt")
    client = client_of(peer, verify=str(bundle))
    local_error_of(client)
    shutil.copy(authorities, bundle)
    assert client.get_resources() == {}


def test_verify_that_names_nothing_is_found_when_the_client_is_made():
    with pytest.raises(LocalError, match="no file or folder /no/such/bundle"):
        AstakosClient("token", "https://127.0.0.1", verify="/no/such/bundle.pem")


def test_a_missing_bundle_does_not_matter_where_there_is_no_tls(peer, client_of, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/bundle.pem")
    assert client_of(peer).get_resources() == {}
    monkeypatch.setenv("http_proxy", peer.url)
    assert client_of("http://accounts.example.org").get_resources() == {}


def test_a_log_of_tls_keys_that_cannot_be_written(new_peer, client_of, authorities, monkeypatch):
    peer = new_peer(tls=True)
    monkeypatch.setenv("SSLKEYLOGFILE", "/no/such/folder/keys")
    assert "/no/such/folder/keys" in str(local_error_of(client_of(peer, verify=authorities)))
    assert peer.connections == 0


@pytest.mark.parametrize(
    "proxy",
    [
        *("socks5h://user:a-password@127.0.0.1:1", "socks5://127.0.0.1:1", "socks4a://127.0.0.1:1"),
        *("http://", "http://:8080", "http://user:a-password@[::1", "ftp://127.0.0.1:1"),
        *("http://127.0.0.1:99999", "http://user:a-password@two words:80", "127.0.0.1:port"),
        *("http://two..dots:1", f"http://{'a' * 64}:1"),
    ],
)
@pytest.mark.parametrize("name", ["http_proxy", "ALL_PROXY"])
def test_a_proxy_that_cannot_be_used(client_of, peer, monkeypatch, name, proxy):
    """F84. The address of Astakos is good: nobody is asked at all."""
    monkeypatch.setenv(name, proxy)
    client = client_of(peer, retry=3)
    error = local_error_of(client)
    shown = "".join([repr(vars(error)), *traceback.format_exception(error)])
    assert "a-password" not in shown and b"a-password" not in pickle.dumps(error)
    assert peer.connections == 0
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert client.get_resources() == {}


def test_an_https_proxy_needs_the_authorities_too(new_peer, client_of, monkeypatch):
    proxy = new_peer(tls=True)
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/bundle.pem")
    local_error_of(client_of("http://accounts.example.org"))
    assert proxy.connections == 0


def test_an_address_to_which_there_is_no_route(client_of):
    """F84. The kernel makes no TCP connection to a broadcast address."""
    error = local_error_of(client_of("http://255.255.255.255", retry=3))
    assert "unreachable" in str(error)


WITHOUT_FILES = """
import os, resource, sys
from astakosclient import AstakosClient, AstakosClientException
client = AstakosClient("token", sys.argv[1], verify=sys.argv[2], retry=3)
if sys.argv[3] == "later":
    client.get_resources()
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
taken = []
try:
    while True:
        taken.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
try:
    client.issue_provisions([])
except AstakosClientException as error:
    seen = f"{type(error).__name__} {error.outcome.value}"
for number in taken:
    os.close(number)
client.get_resources()
print(seen)
"""


@pytest.mark.parametrize("when", ["at once", "later"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_process_without_file_descriptors(new_peer, authorities, scheme, when):
    """F84. And when it has some again, the same client works."""
    peer = new_peer(tls=scheme == "https")
    command = [sys.executable, "-c", WITHOUT_FILES, peer.url, authorities, when]
    ended = subprocess.run(command, check=True, timeout=60, capture_output=True, text=True)
    assert ended.stdout.split() == ["LocalError", "not_sent"]
    assert [one.method for one in peer.asked if one.method != "GET"] == []


def test_a_name_that_does_not_resolve_and_a_closed_port_are_not_of_this_machine(
    client_of, dead_url
):
    for url in (dead_url, "http://no-such-host.invalid"):
        with pytest.raises(ConnectionError) as caught:
            client_of(url).issue_provisions([HOLDING])
        assert type(caught.value) is ConnectionError
        assert caught.value.outcome is Outcome.NOT_SENT


def test_a_peer_that_ends_the_handshake_is_not_of_this_machine(new_peer, client_of, authorities):
    """The number of an error of TLS (1) is that of EPERM, and means something else."""
    peer = new_peer(tls=True)
    peer._context.maximum_version = ssl.TLSVersion.TLSv1_2  # later ones tell of it after the send
    peer._context.verify_mode = ssl.CERT_REQUIRED
    with pytest.raises(ConnectionError) as caught:
        client_of(peer, verify=authorities).get_resources()
    assert type(caught.value) is ConnectionError
    assert isinstance(caught.value.errobject, ssl.SSLError)
    assert caught.value.outcome is Outcome.NOT_SENT
    assert peer.got == []


def test_a_host_with_one_address_out_of_reach_and_one_refusing_is_not_of_this_machine():
    """A machine without IPv6 meets that for every host with both kinds of addresses."""
    script = (
        "import socket, sys\n"
        "from astakosclient import AstakosClient, AstakosClientException\n"
        "real = socket.getaddrinfo\n"
        "def both(host, port, **kw):\n"
        "    lost, refusing = real('255.255.255.255', port, **kw), real('127.0.0.1', port, **kw)\n"
        "    return refusing + lost\n"
        "socket.getaddrinfo = both\n"
        "try:\n"
        "    AstakosClient('token', 'http://accounts.example.org:1').get_resources()\n"
        "except AstakosClientException as error:\n"
        "    print(type(error).__name__, error.outcome.value)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        timeout=60,
        capture_output=True,
        text=True,
        env={**os.environ, "no_proxy": "*"},
    )
    assert ended.stdout.split() == ["ConnectionError", "not_sent"]
