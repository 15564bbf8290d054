"""Faults as a client meets them: what it sees, and whether the work was done."""

from __future__ import annotations

import socket
import time

import pytest
import requests

ISSUE = "commissions.issue"


def wait_until(condition, seconds=10):
    """Ask again until it is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.01)


def outcomes(call, route=ISSUE):
    return call.control.audit()["requests"].get(route, {})


@pytest.mark.parametrize(("kind", "done"), [("cut-before", 0), ("cut-after", 1)])
def test_a_connection_is_cut_before_or_after_the_work(call, kind, done):
    call.control.set_faults({"kind": kind, "route": ISSUE, "count": 1})
    with pytest.raises(requests.ConnectionError):
        call.issue(call.vm(1))
    assert len(call.pending()) == done
    assert outcomes(call) == {"cut": 1}
    assert call.issue(call.vm(1)).status_code == 201


@pytest.mark.parametrize(("kind", "done"), [("error-before", 0), ("error-after", 1)])
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_an_error_comes_before_or_after_the_work(call, kind, done, status):
    call.control.set_faults({"kind": kind, "route": ISSUE, "status": status})
    reply = call.issue(call.vm(1))
    assert reply.status_code == status
    assert len(call.pending()) == done
    is_page = reply.headers["Content-Type"].startswith("text/html")
    assert is_page == (status != 500)


@pytest.mark.parametrize(("kind", "done"), [("hang-before", 0), ("hang", 1)])
def test_an_answer_never_comes(call, kind, done):
    call.control.set_faults({"kind": kind, "route": ISSUE})
    with pytest.raises(requests.ReadTimeout):
        requests.post(
            f"{call.server.url}/account/v1.0/commissions",
            json={"provisions": [call.vm(1)]},
            headers={"X-Auth-Token": "sandbox-token-of-cyclades"},
            timeout=0.3,
        )
    # The client's giving up is noticed, so nothing is left hanging in the sandbox.
    wait_until(lambda: outcomes(call) == {"hung": 1})
    assert call.control.audit()["in_flight"] == {}
    assert len(call.pending()) == done


def test_a_delay_holds_the_request_up_and_the_answer_still_comes(call):
    call.control.set_faults({"kind": "delay", "route": ISSUE, "seconds": 0.2, "spread": 0.1})
    began = time.monotonic()
    assert call.issue(call.vm(1)).status_code == 201
    assert time.monotonic() - began >= 0.2


def test_after_a_delay_before_the_work_it_is_done_though_the_client_has_gone(call):
    """A ghost with a hanging client: the other kind has its connection cut."""
    call.control.set_faults({"kind": "delay", "route": ISSUE, "seconds": 0.5})
    began = time.monotonic()
    with pytest.raises(requests.ReadTimeout):
        requests.post(
            f"{call.server.url}/account/v1.0/commissions",
            json={"provisions": [call.vm(1)]},
            headers={"X-Auth-Token": "sandbox-token-of-cyclades"},
            timeout=0.1,
        )
    assert call.pending() == [] or time.monotonic() - began > 0.5
    wait_until(lambda: call.pending() == [1])


def test_a_ghost_s_connection_is_cut_and_its_work_is_done_later(call):
    call.control.set_faults({"kind": "ghost", "route": ISSUE, "seconds": 0.5, "count": 1})
    began = time.monotonic()
    with pytest.raises(requests.ConnectionError):
        call.issue(call.vm(1))
    assert call.pending() == [] or time.monotonic() - began > 0.5
    wait_until(lambda: call.pending() == [1])


def test_the_pending_list_is_empty_though_it_is_not(call):
    call.serial(call.vm(1))
    call.control.set_faults({"kind": "empty-list"})
    assert call.pending() == []
    assert len(call.control.commissions()) == 1
    assert call.account("GET", "commissions", "unknown").status_code == 401


def test_a_good_token_is_taken_for_a_bad_one(call):
    call.control.set_faults({"kind": "token-revoked"})
    reply = call.issue(call.vm(1))
    assert (reply.status_code, *reply.json()) == (401, "unauthorized")
    assert call.account("GET", "resources", None).status_code == 200
    assert call.discover().status_code == 200


@pytest.mark.parametrize("status", [404, 413])
def test_a_proxy_answers_with_a_page(call, status):
    call.control.set_faults({"kind": "proxy-page", "route": "commissions.*", "status": status})
    reply = call.issue(call.vm(1))
    assert reply.status_code == status
    assert reply.text.startswith("<html>")
    call.control.clear_faults()
    assert call.pending() == []


def test_holdings_vanish_for_a_moment(call):
    call.control.set_faults({"kind": "no-holding", "count": 1})
    reply = call.issue(call.vm(1), call.vm(2))
    assert reply.status_code == 404
    assert reply.json()["itemNotFound"]["data"] == {
        "name": "NoHoldingError",
        "provision": call.vm(3),
    }
    assert call.issue(call.vm(1)).status_code == 201


def test_holdings_that_vanish_do_not_excuse_a_bad_request(call):
    call.control.set_faults({"kind": "no-holding"})
    assert call.account("POST", "commissions", json={}).status_code == 400


def test_accepting_fails_for_a_while_and_everything_stays_pending(call):
    """What a quota synchronisation does (section 10.3)."""
    serial = call.serial(call.vm(1))
    call.control.set_faults({"kind": "error-before", "route": "commissions.*", "count": 2})
    assert call.accept(serial).status_code == 500
    assert call.resolve([serial]).status_code == 500
    assert call.pending() == [serial]
    assert call.accept(serial).status_code == 200


def test_a_quota_synchronisation_refuses_and_fails_and_leaves_everything_as_it_is(call):
    serial = call.serial(call.vm(1))
    call.control.set_faults({"kind": "quota-sync", "count": 3})
    assert call.issue(call.vm(1)).json()["itemNotFound"]["data"]["name"] == "NoHoldingError"
    assert call.accept(serial).status_code == 500
    assert call.resolve([serial]).status_code == 500
    assert call.pending() == [serial]
    assert call.accept(serial).status_code == 200
    call.control.set_faults({"kind": "quota-sync"})
    assert call.act(serial, {}).status_code == 400


def test_a_restored_backup_can_be_a_rule(call):
    """Back to when the rules were set, in the middle of a run: serials come again."""
    kept = call.serial(call.vm(1))
    call.control.set_faults({"kind": "restore", "route": ISSUE, "skip": 2, "count": 1})
    lost = [call.serial(call.vm(1), name="lost") for _ in range(2)]
    again = call.serial(call.vm(1), name="again")
    assert again == lost[0]
    assert call.pending() == [kept, again]
    assert call.counters() == "0/2"


def test_an_outage_can_be_a_rule(call):
    call.control.set_faults({"kind": "outage", "route": ISSUE, "seconds": 0.3, "count": 1})
    began = time.monotonic()
    with pytest.raises(requests.ConnectionError):
        call.issue(call.vm(1))

    def is_back():
        try:
            return call.issue(call.vm(1)).status_code == 201
        except requests.ConnectionError:
            return False

    wait_until(is_back)
    assert time.monotonic() - began >= 0.3
    assert len(call.pending()) == 1


def test_the_data_of_a_refusal_may_be_another_request_s(call):
    call.control.set_faults({"kind": "stale-data"})
    data = call.issue(call.vm(10**9)).json()["overLimit"]["data"]
    assert data["name"] == "NoCapacityError"
    assert data["provision"] != call.vm(10**9)
    unknown = {"holder": "user:nobody", "source": None, "resource": "x", "quantity": 1}
    assert "usage" in call.issue(unknown).json()["itemNotFound"]["data"]
    assert call.issue(call.vm(1)).status_code == 201


def test_a_body_is_cut_in_the_middle(call):
    call.control.set_faults({"kind": "truncate", "route": ISSUE})
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        call.issue(call.vm(1))
    assert call.pending() == [1]


def test_a_body_is_garbled(call):
    call.control.set_faults({"kind": "garble", "route": ISSUE})
    reply = call.issue(call.vm(1))
    assert reply.status_code == 201
    with pytest.raises(UnicodeDecodeError):
        reply.content.decode()
    assert call.pending() == [1]


def test_an_answer_trickles(call):
    """The headers come at once, each byte of the body after a pause of its own."""
    call.control.set_faults({"kind": "trickle", "route": ISSUE, "seconds": 0.02})
    began = time.monotonic()
    assert call.issue(call.vm(1)).json() == {"serial": 1}
    assert time.monotonic() - began >= 0.02 * len('{"serial": 1}')


def test_an_outage_drops_connections_refuses_new_ones_and_ends(call):
    address = ("127.0.0.1", call.server.port)
    with socket.create_connection(address, timeout=10) as kept:
        began = time.monotonic()
        call.control.outage(0.5)
        assert kept.recv(1) == b""
    try:
        socket.create_connection(address, timeout=10).close()
    except ConnectionRefusedError:
        refused = True
    else:
        refused = False
    assert refused or time.monotonic() - began > 0.5

    def is_back():
        try:
            return call.discover().status_code == 200
        except requests.ConnectionError:
            return False

    wait_until(is_back)


def test_faults_spare_the_control_interface(call):
    call.control.set_faults({"kind": "cut-before"})
    assert call.control.faults()["hits"] == [0]
    with pytest.raises(requests.ConnectionError):
        call.discover()
    assert call.control.faults()["hits"] == [1]
    call.control.clear_faults()
    assert call.discover().status_code == 200


def test_the_same_seed_hits_the_same_requests(call):
    def statuses():
        call.control.set_faults({"kind": "error-after", "probability": 0.5}, seed=3)
        return [call.account("GET", "resources", None).status_code for _ in range(20)]

    first = statuses()
    assert set(first) == {200, 500}
    assert statuses() == first
