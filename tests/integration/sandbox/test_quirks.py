"""Accidents of the real server: absent by default, there on request (sections 3 and 7)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from astakos_worker.sandbox.errors import SeedError
from astakos_worker.sandbox.quirks import Quirk
from astakos_worker.sandbox.seed import load_seed
from astakos_worker.sandbox.server import SandboxServer

UNKNOWN = {"holder": "user:nobody", "source": None, "resource": "cyclades.vm", "quantity": 1}
USER_TOKEN = "sandbox-token-of-user01"


@pytest.fixture
def with_quirk(call):
    """Ask the same thing without and with a quirk, each from a fresh start."""

    def with_quirk(quirk, ask):
        without = ask()
        call.control.reset()
        call.control.set_quirks([quirk])
        return without, ask()

    return with_quirk


def test_a_404_may_tell_figures_of_somebody_s_earlier_413(call, with_quirk):
    def ask():
        assert call.issue(call.vm(10**9)).status_code == 413
        return call.issue(UNKNOWN).json()["itemNotFound"]["data"]

    without, with_it = with_quirk("stale-error-data", ask)
    assert set(without) == {"name", "provision"}
    assert with_it == {**without, "usage": 0, "limit": 100_000}


def test_a_serial_twice_among_the_rejected_may_be_conflicting_and_rejected(call, with_quirk):
    """Check 41 is the sane answer."""

    def ask():
        serial = call.serial(call.vm(1))
        done = call.resolve([serial], [serial, serial]).json()
        return done["rejected"], [each for each, _ in done["failed"]], call.counters()

    assert with_quirk("reject-toggle", ask) == (([], [1], "0/1"), ([1], [1], "0/0"))


def test_true_may_be_a_quantity_of_one(call, with_quirk):
    def ask():
        return call.issue({**call.vm(1), "quantity": True}).status_code, call.counters()

    assert with_quirk("boolean-quantity", ask) == ((400, "0/0"), (201, "0/1"))
    assert call.issue({**call.vm(1), "quantity": False}).status_code == 400


@pytest.mark.parametrize(
    ("path", "token", "body"),
    [
        ("/identity/v2.0/tokens", None, []),
        ("/identity/v2.0/tokens", None, {"auth": None}),
        ("/account/v1.0/user_catalogs", USER_TOKEN, {"uuids": 5}),
        ("/account/v1.0/projects", USER_TOKEN, []),
        ("/account/v1.0/projects/x/action", USER_TOKEN, {"approve": {}}),
        ("/account/v1.0/projects/memberships", USER_TOKEN, {"join": "x"}),
    ],
)
def test_shapes_that_are_not_expected_may_be_a_failure(call, with_quirk, path, token, body):
    def ask():
        return call("POST", path, token, json=body).status_code

    assert with_quirk("uncaught-500", ask) == (400, 500)


def test_an_ordinary_mistake_is_no_failure_even_so(call):
    call.control.set_quirks(["uncaught-500"])
    assert call.issue({**call.vm(1), "quantity": "1"}).status_code == 400
    assert call.discover({"auth": {}}).status_code == 400


def test_times_may_be_local_though_they_are_labelled_utc(call, with_quirk):
    def ask():
        info = call.account("GET", f"commissions/{call.serial(call.vm(1))}").json()
        return datetime.fromisoformat(info["issue_time"])

    without, with_it = with_quirk("local-time", ask)
    assert with_it.utcoffset() == timedelta(0)
    ahead = with_it - without
    assert timedelta(hours=2) <= ahead < timedelta(hours=2, minutes=1)


def test_a_seed_may_switch_quirks_on_and_a_reset_keeps_them(caller_of):
    with SandboxServer('quirks = ["boolean-quantity"]', quirks=[Quirk.OAUTH_HTML]) as server:
        call = caller_of(server)
        for _ in range(2):
            both = frozenset({Quirk.BOOLEAN_QUANTITY, Quirk.OAUTH_HTML})
            assert server.sandbox.astakos.quirks == both
            label = call("POST", "/oauth2/token", None, data={}).headers["Content-Type"]
            assert label.startswith("text/html")
            call.control.set_quirks([])
            call.control.reset()


def test_quirks_of_the_start_hold_with_a_state_file_too(tmp_path):
    for _ in range(2):
        with SandboxServer(state=tmp_path / "state", quirks=[Quirk.LOCAL_TIME]) as server:
            assert server.sandbox.astakos.quirks == {Quirk.LOCAL_TIME}


def test_a_quirk_that_does_not_exist_is_a_mistake_in_the_seed():
    with pytest.raises(SeedError, match=r"line 1 \(the top\), key 'quirks': must be one of: unso"):
        load_seed('quirks = ["odd"]')
