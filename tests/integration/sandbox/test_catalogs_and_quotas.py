"""Catalogs, resources and quotas: conformance checks 19, 21 and 24 to 27 of the protocol."""

from __future__ import annotations

import pytest
import requests

from astakos_worker.sandbox.database_rows import MembershipState
from astakos_worker.sandbox.seed import project_uuid, user_uuid

USER_TOKEN = "sandbox-token-of-user01"
TINY = user_uuid("tiny1@example.org")


def catalogs(call, body, *, path="user_catalogs", token=USER_TOKEN):
    return call.account("POST", path, token, json=body)


def service_catalogs(call, body):
    return catalogs(call, body, path="service/user_catalogs", token="sandbox-token-of-pithos")


def test_s19_only_the_known_are_in_the_map(call):
    for ask in (catalogs, service_catalogs):
        reply = ask(call, {"uuids": [call.user, "unknown"]})
        assert reply.status_code == 200
        assert reply.json() == {
            "uuid_catalog": {call.user: "user01@example.org"},
            "displayname_catalog": {},
        }


def test_x20_a_name_is_found_in_any_spelling_and_comes_back_as_it_was_spelled(call):
    names = ["USER01@example.org", "nobody@example.org", "inactive@example.org"]
    found = service_catalogs(call, {"displaynames": names}).json()["displayname_catalog"]
    assert found == {
        "USER01@example.org": call.user,
        "inactive@example.org": user_uuid("inactive@example.org"),
    }


def test_of_two_spellings_of_one_name_the_last_comes_back(call):
    names = ["USER01@example.org", "user01@EXAMPLE.org"]
    found = catalogs(call, {"displaynames": names}).json()["displayname_catalog"]
    assert found == {"user01@EXAMPLE.org": call.user}


def test_s21_null_uuids_are_nobody_to_a_user_and_everybody_to_a_service(call):
    assert catalogs(call, {"uuids": None}).json()["uuid_catalog"] == {}
    everybody = service_catalogs(call, {"uuids": None}).json()["uuid_catalog"]
    assert everybody.keys() == {user["uuid"] for user in call.control.world()["users"]}


@pytest.mark.parametrize(
    "body", [{"displaynames": None}, {"displaynames": "x"}, {"displaynames": [1]}, {"uuids": 5}, []]
)
def test_s21_lists_that_are_none_are_a_bad_request(call, body):
    assert catalogs(call, body).status_code == 400
    assert service_catalogs(call, body).status_code == 400


@pytest.mark.parametrize(
    "uuids", ["text", {}, {"uuid": 1}, [5], [1.5], [True], [None], [["x"]], [{"x": 1}], [[]], ""]
)
def test_s19_odd_uuids_find_nobody(call, uuids):
    for ask in (catalogs, service_catalogs):
        reply = ask(call, {"uuids": uuids})
        assert reply.status_code == 200
        assert reply.json() == {"uuid_catalog": {}, "displayname_catalog": {}}


def test_s19_odd_uuids_do_not_hide_the_good_ones(call):
    for ask in (catalogs, service_catalogs):
        found = ask(call, {"uuids": [5, call.user, None, [call.user]]}).json()["uuid_catalog"]
        assert found == {call.user: "user01@example.org"}


def test_s20_the_display_name_of_a_mixed_case_address_is_in_lower_case(call):
    uuid = user_uuid("mixed.case@example.org")
    found = catalogs(call, {"uuids": [uuid]}).json()["uuid_catalog"]
    assert found == {uuid: "mixed.case@example.org"}


def test_the_catalogs_do_not_look_at_the_content_type(call):
    headers = {"Content-Type": "text/plain"}
    reply = call.account("POST", "user_catalogs", USER_TOKEN, data=b"{}", headers=headers)
    assert reply.json() == {"uuid_catalog": {}, "displayname_catalog": {}}


def test_s24_pending_imports_are_in_use_and_pending_releases_still_are(call):
    call.set_limit(10)
    call.accept(call.serial(call.vm(4)))
    call.serial(call.vm(-3))
    assert call.counters() == "1/4"
    quotas = call.account("GET", "quotas", USER_TOKEN).json()[call.user]["cyclades.vm"]
    assert quotas == {
        "limit": 10,
        "usage": 4,
        "pending": 3,
        "project_limit": 100_000,
        "project_usage": 0,
        "project_pending": 0,
    }


def test_s25_a_suspended_project_shows_limits_of_zero_and_one_that_was_left_is_gone(call):
    """The membership is moved in the sandbox's own rows: the API has no call for it yet."""
    database = call.server.sandbox.astakos.database
    user, project = user_uuid("user03@example.org"), project_uuid("suspended.example.org")
    holding = {"holder": f"user:{user}", "source": f"project:{project}", "resource": "cyclades.vm"}
    call.serial({**holding, "quantity": 3}, force=True, auto_accept=True)
    quotas = call.account("GET", "quotas", "sandbox-token-of-user03").json()
    figures = quotas[project]["cyclades.vm"]
    assert (figures["limit"], figures["project_limit"], figures["usage"]) == (0, 0, 3)
    database.set_membership(user, project, MembershipState.REMOVED)
    assert project not in call.account("GET", "quotas", "sandbox-token-of-user03").json()
    quotas = call.account("GET", f"service_quotas?user={user}").json()
    assert quotas[user][project]["cyclades.vm"]["limit"] == 0
    assert quotas[user][project]["cyclades.vm"]["usage"] == 3


def test_s26_a_hidden_resource_is_shown_to_the_services_of_its_own_component_alone(call):
    hidden = "cyclades.hidden"
    assert hidden not in call.account("GET", "resources", None).json()
    assert hidden not in call.account("GET", "quotas", USER_TOKEN).json()[call.user]
    path = f"service_quotas?user={call.user}"
    assert hidden in call.account("GET", path).json()[call.user][call.user]
    assert hidden not in call.account("GET", path, "sandbox-token-of-pithos").json()[call.user]


def test_resources_are_a_dict_by_name(call):
    resources = call.account("GET", "resources", None).json()
    assert resources["cyclades.ram"] == {
        "service": "cyclades_compute",
        "description": "Virtual machine memory",
        "unit": "bytes",
        "ui_visible": True,
        "api_visible": True,
    }


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("user={user},unknown", 200),
        ("user=unknown", 404),
        ("user=", 404),
        ("user={user}&project=unknown", 404),
        ("project=unknown", 200),
    ],
)
def test_s27_service_quotas_of_the_unknown_are_empty_or_not_found(call, query, status):
    reply = call.account("GET", "service_quotas?" + query.format(user=call.user))
    assert reply.status_code == status
    if status == 200:
        assert set(reply.json()) == ({call.user} if "user=" in query else set())


def test_s27_a_component_without_resources_finds_nobody(call):
    path = f"service_quotas?user={call.user}"
    assert call.account("GET", path, "sandbox-token-of-idle").status_code == 404
    assert call.account("GET", "service_quotas", "sandbox-token-of-idle").json() == {}


def test_service_quotas_are_of_all_whose_address_is_verified_and_can_be_narrowed(call):
    everybody = call.account("GET", "service_quotas").json()
    assert user_uuid("inactive@example.org") in everybody
    assert user_uuid("unverified@example.org") not in everybody
    assert "pithos.diskspace" not in everybody[call.user][call.user]
    narrow = call.account("GET", f"service_quotas?project={call.user},{call.shared}").json()
    assert set(narrow[call.user]) == {call.user, call.shared}
    assert set(narrow[user_uuid("user02@example.org")]) == {call.shared}
    assert TINY not in narrow


def test_s27_service_project_quotas_of_the_unknown_are_not_found(call):
    assert call.account("GET", "service_project_quotas?project=unknown").status_code == 404
    reply = call.account("GET", f"service_project_quotas?project={call.shared},unknown")
    figures = {"project_limit": 1_000_000, "project_usage": 0, "project_pending": 0}
    assert reply.json()[call.shared]["cyclades.vm"] == figures
    assert set(reply.json()) == {call.shared}
    everything = call.account("GET", "service_project_quotas").json()
    assert {call.shared, call.user, TINY} <= set(everything)


def test_the_project_s_figures_are_its_own_holding_s(call):
    project = {"holder": f"project:{call.shared}", "source": None, "resource": "cyclades.vm"}
    call.serial({**project, "quantity": 5})
    reply = call.account("GET", "quotas", "sandbox-token-of-user02").json()
    figures = reply[call.shared]["cyclades.vm"]
    assert (figures["usage"], figures["project_usage"], figures["project_pending"]) == (0, 5, 5)


@pytest.mark.parametrize("name", ["unverified", "unmoderated", "rejected"])
def test_s27_a_user_whose_account_is_not_accepted_has_no_quotas(call, name):
    uuid = user_uuid(f"{name}@example.org")
    assert call.account("GET", "quotas", f"sandbox-token-of-{name}").json() == {}
    assert call.account("GET", f"service_quotas?user={uuid}").status_code == 404
    assert call.account("GET", f"service_project_quotas?project={uuid}").status_code == 404
    assert uuid not in call.account("GET", "service_quotas").json()


@pytest.mark.parametrize("name", ["inactive", "paused"])
def test_s25_a_deactivated_user_s_own_project_is_suspended(call, name):
    uuid = user_uuid(f"{name}@example.org")
    figures = call.account("GET", f"service_quotas?user={uuid}").json()[uuid][uuid]["cyclades.vm"]
    assert (figures["limit"], figures["project_limit"]) == (0, 0)
    admin = "sandbox-token-of-admin"
    assert call.account("GET", f"projects/{uuid}", admin).json()["state"] == "suspended"


def test_s27_a_user_who_is_added_later_is_treated_alike(call):
    kinds = {"unmoderated": {"moderated": False}, "inactive": {"active": False}, "good": {}}
    users = {
        name: requests.post(
            f"{call.server.url}/_control/users",
            json={"name": f"new-{name}@x.org", **keys},
            timeout=9,
        ).json()["uuid"]
        for name, keys in kinds.items()
    }
    found = call.account("GET", f"service_quotas?user={','.join(users.values())}").json()
    limits = {uuid: projects[uuid]["cyclades.vm"]["limit"] for uuid, projects in found.items()}
    assert limits == {users["inactive"]: 0, users["good"]: 100_000}
