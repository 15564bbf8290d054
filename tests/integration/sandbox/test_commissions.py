"""Commissions over HTTP: conformance checks 29 to 42 of the protocol."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import requests

from astakos_worker.sandbox.seed import user_uuid

UNKNOWN = {"holder": "user:nobody", "source": None, "resource": "cyclades.vm", "quantity": 1}


def over_limit(reply):
    data = reply.json()["overLimit"]["data"]
    return data["name"], data["usage"], data["limit"]


def test_s29_the_worked_trace(call):
    call.set_limit(10)

    def issued(quantity, counters, **options):
        serial = call.serial(call.vm(quantity), **options)
        assert call.counters() == counters
        return serial

    def refused(quantity, *expected):
        before = call.counters()
        reply = call.issue(call.vm(quantity))
        assert reply.status_code == 413
        assert over_limit(reply) == expected
        assert call.counters() == before

    def accepted(serial, counters):
        assert call.accept(serial).status_code == 200
        assert call.counters() == counters

    first = issued(4, "0/4")
    refused(-1, "NoQuantityError", 0, 0)
    accepted(first, "4/4")
    release = issued(-3, "1/4")
    refused(-3, "NoQuantityError", 1, 0)
    refused(7, "NoCapacityError", 4, 10)
    accepted(release, "1/1")
    seven = issued(7, "1/8")
    assert call.reject(seven).status_code == 200
    assert call.counters() == "1/1"
    zero = call.serial(call.vm(5), call.vm(-5))
    assert call.counters() == "1/1"
    info = call.account("GET", f"commissions/{zero}").json()
    assert info["provisions"] == [call.vm(0)]
    call.set_limit(0)
    refused(0, "NoCapacityError", 1, 0)
    issued(0, "1/1", force=True)
    accepted(issued(-1, "0/1"), "0/0")


def test_s30_quantities_of_one_holding_are_added(call):
    serial = call.serial(call.vm(2), call.vm(3), name="client: demo")
    info = call.account("GET", f"commissions/{serial}").json()
    assert info["serial"] == serial
    assert info["name"] == "client: demo"
    assert info["provisions"] == [call.vm(5)]
    assert info["issue_time"].endswith("+00:00")


def test_s31_a_commission_is_issued_wholly_or_not_at_all(call):
    before = call.control.holdings()
    reply = call.issue(call.vm(1), call.vm(2**60, "cyclades.disk"))
    assert reply.status_code == 413
    assert reply.json()["overLimit"]["data"]["provision"] == call.vm(2**60, "cyclades.disk")
    assert call.control.holdings() == before
    assert call.pending() == []


def test_s32_an_unknown_holding_is_not_found_and_tells_no_figures(call):
    assert call.issue(call.vm(10**9)).status_code == 413
    reply = call.issue(UNKNOWN)
    assert reply.status_code == 404
    fault = reply.json()["itemNotFound"]
    assert fault["data"] == {"name": "NoHoldingError", "provision": UNKNOWN}
    assert "details" not in fault


def test_s33_force_lifts_limits_and_nothing_else(call):
    call.set_limit(10)
    call.serial(call.vm(11), force=True)
    reply = call.issue(call.vm(-1), force=True)
    assert reply.status_code == 413
    assert over_limit(reply) == ("NoQuantityError", 0, 0)


def test_s34_nothing_is_too_much_for_who_is_over_the_limit_unless_forced(call):
    call.serial(call.vm(1))
    call.set_limit(0)
    assert call.issue(call.vm(0)).status_code == 413
    assert call.issue(call.vm(0), force=True).status_code == 201


def test_s35_below_a_lowered_limit_one_can_only_release(call):
    call.accept(call.serial(call.vm(5)))
    call.set_limit(2)
    assert call.issue(call.vm(-1)).status_code == 201
    assert call.issue(call.vm(1)).status_code == 413


def test_s36_accepted_in_the_same_request_it_is_never_pending(call):
    serial = call.serial(call.vm(2), auto_accept=True)
    assert call.counters() == "2/2"
    assert call.account("GET", f"commissions/{serial}").status_code == 404
    assert call.pending() == []
    assert call.serial(call.vm(1)) == serial + 1


def test_s37_an_empty_list_of_provisions_has_a_serial_too(call):
    serial = call.serial()
    assert call.pending() == [serial]


GOOD = {"holder": "user:u", "source": None, "resource": "r", "quantity": 1}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"provisions": None},
        {"provisions": {}},
        {"provisions": "x"},
        {"provisions": [1]},
        {"provisions": [{**GOOD, "quantity": 1.0}]},
        {"provisions": [{**GOOD, "quantity": "1"}]},
        {"provisions": [{**GOOD, "quantity": True}]},
        {"provisions": [{**GOOD, "quantity": None}]},
        *[
            {"provisions": [{key: value for key, value in GOOD.items() if key != missing}]}
            for missing in GOOD
        ],
        {"provisions": [], "force": None},
        {"provisions": [], "force": 1},
        {"provisions": [], "auto_accept": None},
        {"provisions": [], "name": None},
        {"provisions": [], "name": 5},
    ],
    ids=str,
)
def test_s37_a_value_of_the_wrong_type_is_a_bad_request(call, body):
    reply = call.account("POST", "commissions", json=body)
    assert reply.status_code == 400
    assert set(reply.json()["badRequest"]) == {"code", "message", "details"}
    assert call.pending() == []


def test_s37_unknown_keys_do_not_matter(call):
    assert call.issue(call.vm(1), reason="none").status_code == 201


def test_s38_a_second_accept_finds_nothing(call):
    serial = call.serial(call.vm(1))
    first = call.accept(serial)
    assert (first.status_code, first.content) == (200, b"")
    second = call.accept(serial)
    assert (second.status_code, second.content) == (404, b"")
    assert call.counters() == "1/1"


def test_s38_an_action_is_accept_or_reject(call):
    serial = call.serial(call.vm(1))
    assert call.act(serial, {"accept": "", "reject": ""}).status_code == 400
    assert call.act(serial, {}).status_code == 400
    assert call.act(99, {}).status_code == 400
    assert call.counters() == "0/1"


def test_the_value_of_an_action_means_nothing(call):
    """Section 10.8: `{"accept": false}` accepts."""
    assert call.act(call.serial(call.vm(1)), {"accept": False}).status_code == 200
    assert call.counters() == "1/1"


def test_s39_another_component_s_commission_does_not_exist(call):
    serial = call.serial(call.vm(1))
    token = "sandbox-token-of-pithos"
    info = call.account("GET", f"commissions/{serial}", token)
    assert (info.status_code, info.content) == (404, b"")
    assert call.act(serial, {"accept": ""}, token=token).status_code == 404
    done = call.resolve([serial], token=token).json()
    assert done["failed"][0][0] == serial
    assert done["failed"][0][1]["itemNotFound"]["code"] == 404
    assert call.pending(token=token) == []
    assert call.pending() == [serial]


def test_s40_a_batch_tells_the_fate_of_each_serial(call):
    assert [call.serial(call.vm(1)) for _ in range(3)] == [1, 2, 3]
    reply = call.resolve([1, 2], [2, 3, 99])
    assert reply.status_code == 200
    done = reply.json()
    assert (done["accepted"], done["rejected"]) == ([1], [3])
    assert [serial for serial, _ in done["failed"]] == [99, 2]
    assert list(done["failed"][0][1]) == ["itemNotFound"]
    assert set(done["failed"][0][1]["itemNotFound"]) == {"code", "message"}
    assert done["failed"][1][1]["badRequest"]["code"] == 400
    assert call.pending() == [2]


def test_s41_a_serial_named_once_here_and_twice_there_is_conflicting_only(call):
    serial = call.serial(call.vm(1))
    done = call.resolve([serial], [serial, serial]).json()
    assert (done["accepted"], done["rejected"]) == ([], [])
    assert [(number, *fault) for number, fault in done["failed"]] == [(serial, "badRequest")]
    assert call.pending() == [serial]


@pytest.mark.parametrize(
    "body", [{"accept": None}, {"reject": 5}, {"accept": ["1"]}, {"reject": [1.0]}, [1]]
)
def test_a_batch_takes_lists_of_integers(call, body):
    assert call.account("POST", "commissions/action", json=body).status_code == 400


def test_a_batch_without_lists_does_nothing(call):
    reply = call.account("POST", "commissions/action", json={})
    assert reply.json() == {"accepted": [], "rejected": [], "failed": []}


@pytest.mark.parametrize("serial", [99, 10**18, 10**40])
def test_a_serial_that_nobody_has_is_not_found_however_long(call, serial):
    reply = call.account("GET", f"commissions/{serial}")
    assert (reply.status_code, reply.content) == (404, b"")


@pytest.mark.parametrize("name", ["n" * 4097, "a\0b"])
def test_a_name_that_cannot_be_stored_is_an_internal_error(call, name):
    reply = call.issue(call.vm(1), name=name)
    assert reply.status_code == 500
    assert reply.json()["internalServerError"]["message"] == "Unexpected error"
    assert call.counters() == "0/0"


def test_a_name_comes_back_as_it_was(call):
    name = "line\nἀ\x01" + "n" * 4000
    serial = call.serial(name=name)
    assert call.account("GET", f"commissions/{serial}").json()["name"] == name


def test_there_is_no_idempotency(call):
    """The same request twice is two commissions: what the project is built around."""
    assert call.serial(call.vm(1), name="n") != call.serial(call.vm(1), name="n")


def post_at_once(call, requests_to_make):
    """Send all these requests at the same time, each over a connection of its own.

    The sandbox holds each up before it looks at it, so that they are there together.
    """
    call.control.set_faults({"kind": "delay", "seconds": 0.2})
    headers = {"X-Auth-Token": "sandbox-token-of-cyclades"}
    url = f"{call.server.url}/account/v1.0/"
    together = Barrier(len(requests_to_make))

    def post(path_and_body):
        path, body = path_and_body
        together.wait(10)
        return requests.post(url + path, json=body, headers=headers, timeout=20).status_code

    with ThreadPoolExecutor(len(requests_to_make)) as pool:
        statuses = list(pool.map(post, requests_to_make))
    assert call.control.audit()["most_in_flight"]["all"] > 1
    call.control.clear_faults()
    return statuses


def test_s42_of_fifty_at_once_exactly_as_many_succeed_as_there_is_room_for(call):
    call.set_limit(10)
    call.control.set_cost(issue_ms=1.0, servers=4)
    statuses = post_at_once(call, [("commissions", {"provisions": [call.vm(1)]})] * 50)
    assert (statuses.count(201), statuses.count(413)) == (10, 40)
    assert call.counters() == "0/10"


@pytest.mark.parametrize("cost", [{}, {"resolve_ms": 2.0, "servers": 4}], ids=["free", "costly"])
def test_s42_of_an_accept_and_a_reject_at_once_exactly_one_succeeds(call, cost):
    call.control.set_cost(**cost)
    path = f"commissions/{call.serial(call.vm(1))}/action"
    statuses = post_at_once(call, [(path, {"accept": ""}), (path, {"reject": ""})] * 4)
    assert (statuses.count(200), statuses.count(404)) == (1, 7)
    assert call.counters() in {"0/0", "1/1"}


@pytest.mark.parametrize("part", ["holder", "source", "resource"])
@pytest.mark.parametrize(
    ("odd", "status"), [(None, 404), (5, 404), (1.5, 404), (True, 404), (["x"], 500), ({}, 500)]
)
def test_s32_names_of_a_holding_that_are_no_strings_name_none(call, part, odd, status):
    """A list or an object cannot be looked up at all: the real server fails."""
    good = call.vm(1)
    reply = call.issue({**good, part: odd})
    assert reply.status_code == status
    if status == 404:
        provision = {**good, part: odd}
        data = {"name": "NoHoldingError", "provision": provision}
        assert reply.json()["itemNotFound"]["data"] == data
    else:
        assert reply.json()["internalServerError"]["message"] == "Unexpected error"
    assert call.pending() == []


def test_s37_types_are_checked_before_anything_is_looked_up(call):
    odd = {**call.vm(1), "holder": ["x"]}
    assert call.issue(odd, {**call.vm(1), "quantity": "1"}).status_code == 400
    assert call.issue(odd, force=1).status_code == 400


def take(call, name):
    uuid = user_uuid(name)
    provision = {"holder": f"user:{uuid}", "source": f"project:{uuid}", "resource": "cyclades.vm"}
    return call.issue({**provision, "quantity": 1})


@pytest.mark.parametrize("name", ["unverified", "unmoderated", "rejected"])
def test_s32_a_user_whose_account_is_not_accepted_has_no_holding(call, name):
    reply = take(call, f"{name}@example.org")
    assert reply.status_code == 404
    assert reply.json()["itemNotFound"]["data"]["name"] == "NoHoldingError"


@pytest.mark.parametrize("name", ["inactive", "paused"])
def test_s35_a_deactivated_user_has_limits_of_zero(call, name):
    reply = take(call, f"{name}@example.org")
    assert reply.status_code == 413
    data = reply.json()["overLimit"]["data"]
    assert (data["name"], data["limit"], data["usage"]) == ("NoCapacityError", 0, 0)
