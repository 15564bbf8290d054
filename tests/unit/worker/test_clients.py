"""The workers' clients: one a service, made when wanted, with the token that is valid now."""

from pathlib import Path

import pytest

from astakos_worker.configuration.settings import Settings
from astakos_worker.worker.clients import Clients, faults
from astakosclient.errors import LocalError, Outcome

AUTHORITIES = Path(__file__).parents[1] / "client" / "localhost-ca.pem"
URL = "https://accounts.example.org/identity/v2.0"


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "token"
    path.write_text("first-token\n")
    return path


@pytest.fixture
def clients(token_file, monkeypatch):
    monkeypatch.setattr("astakos_worker.worker.clients._LOOK", 0.0)
    return Clients(Settings(services={"cyclades": {"auth_url": URL, "token_file": token_file}}))


def test_a_client_is_made_once(clients):
    assert clients.of("cyclades") is clients.of("cyclades")
    assert clients.of("cyclades").token == "first-token"


def test_a_token_that_was_rotated_is_picked_up(clients, token_file):
    """F60: without a restart."""
    before = clients.of("cyclades")
    token_file.write_text("second-token\n")
    assert clients.of("cyclades").token == "second-token"
    assert clients.of("cyclades") is not before


def test_the_file_is_not_read_for_every_request(clients, token_file, monkeypatch):
    before = clients.of("cyclades")
    monkeypatch.setattr("astakos_worker.worker.clients._LOOK", 3600.0)
    token_file.write_text("second-token\n")
    assert clients.of("cyclades") is before


@pytest.mark.parametrize("between", ["gone", "empty"])
def test_a_token_that_is_just_being_rotated_leaves_the_old_one_in_use(clients, token_file, between):
    """F60: whoever rotates it may write the file anew, or in steps; no task fails meanwhile."""
    before = clients.of("cyclades")
    if between == "gone":
        token_file.unlink()
    else:
        token_file.write_text("")
    assert clients.of("cyclades") is before
    token_file.write_text("second-token\n")
    assert clients.of("cyclades").token == "second-token"


@pytest.mark.parametrize("between", ["gone", "empty", "spoilt"])
def test_a_token_that_stays_wrong_is_the_machines_own_trouble(
    clients, token_file, monkeypatch, between
):
    """F84: no request is sent, and whoever asks hears the file and the reason."""
    monkeypatch.setattr("astakos_worker.worker.clients._ROTATION", 0.0)
    clients.of("cyclades")
    if between == "gone":
        token_file.unlink()
    else:
        token_file.write_text("" if between == "empty" else "\ufefffirst-token")
    for _ in range(2):
        with pytest.raises(LocalError, match=str(token_file)) as raised:
            clients.of("cyclades")
        assert raised.value.outcome is Outcome.NOT_SENT
        assert "first-token" not in str(raised.value)
    token_file.write_text("second-token\n")
    assert clients.of("cyclades").token == "second-token"


@pytest.mark.parametrize("text", [None, "\n", "\ufefftoken"])
def test_a_token_file_that_was_never_right_is_named(clients, token_file, text):
    if text is None:
        token_file.unlink()
    else:
        token_file.write_text(text)
    with pytest.raises(LocalError, match=str(token_file)):
        clients.of("cyclades")


def test_authorities_that_are_missing_are_the_machines_own_trouble(tmp_path):
    one = {"auth_url": URL, "token": "t", "ca_file": tmp_path / "none.pem"}
    with pytest.raises(LocalError, match=r"none\.pem"):
        Clients(Settings(services={"cyclades": one})).of("cyclades")


@pytest.mark.parametrize("text", ["", "garbage", "-----BEGIN CERTIFICATE-----\nx\n"])
def test_authorities_that_cannot_be_read_are_found_before_the_first_request(tmp_path, text):
    """F84: a worker with such a file did not say so before it had work."""
    file = tmp_path / "spoilt.pem"
    file.write_text(text)
    one = {"auth_url": URL, "token": "t", "ca_file": file}
    [fault] = faults(Settings(services={"cyclades": one}))
    assert str(file) in fault


def test_authorities_that_changed_are_read_again(tmp_path, monkeypatch):
    """F84: a file that was mended needs no restart."""
    monkeypatch.setattr("astakos_worker.worker.clients._LOOK", 0.0)
    monkeypatch.setattr("astakos_worker.worker.clients._ROTATION", 0.0)
    file, good = tmp_path / "ca.pem", AUTHORITIES.read_text()
    file.write_text(good)
    one = {"auth_url": URL, "token": "t", "ca_file": file}
    clients = Clients(Settings(services={"cyclades": one}))
    before = clients.of("cyclades")
    assert clients.of("cyclades") is before
    file.write_text("spoilt")
    for _ in range(2):
        with pytest.raises(LocalError, match=str(file)):
            clients.of("cyclades")
    file.write_text(good)
    assert clients.of("cyclades") is not before


def test_a_service_that_is_not_configured_is_named(clients):
    with pytest.raises(KeyError, match="ASTAKOS_SERVICES__PITHOS__AUTH_URL"):
        clients.of("pithos")


def test_a_token_from_the_environment_needs_no_file():
    settings = Settings(services={"cyclades": {"auth_url": URL, "token": "inline-token"}})
    assert Clients(settings).of("cyclades").token == "inline-token"
