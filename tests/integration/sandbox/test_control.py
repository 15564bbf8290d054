"""The control interface: seeing and steering, from another process too."""

from __future__ import annotations

import pytest
import requests

from astakos_worker.sandbox.control_client import ControlClient
from astakos_worker.sandbox.errors import ControlError
from astakos_worker.sandbox.seed import project_uuid, user_uuid

PITHOS = "sandbox-token-of-pithos"


def test_the_commissions_of_all_components_are_shown_with_names_and_provisions(call):
    call.serial(call.vm(1), name="one")
    call.serial(call.vm(2), name="two", token=PITHOS)
    first, second = call.control.commissions()
    assert (first["serial"], first["component"], first["name"]) == (1, "cyclades", "one")
    assert second["provisions"] == [call.vm(2)]
    assert call.control.commissions("pithos") == [second]


def test_the_journal_tells_every_event_of_every_commission(call):
    first, second = (call.serial(call.vm(1), name=name) for name in ("one", "two"))
    call.accept(first)
    call.resolve(reject=[second])
    call.serial(call.vm(1), name="three", auto_accept=True)
    journal = call.control.journal()
    assert [(row["event"], row["name"]) for row in journal] == [
        ("issued", "one"),
        ("issued", "two"),
        ("accepted", "one"),
        ("rejected", "two"),
        ("issued", "three"),
        ("accepted", "three"),
    ]
    assert call.control.journal(after=1, limit=2) == journal[1:3]


def test_refused_requests_are_counted_and_not_in_the_journal(call):
    call.issue(call.vm(10**9))
    call.issue(call.vm(1))
    call.account("GET", "nothing")
    audit = call.control.audit()
    assert audit["requests"] == {"commissions.issue": {"201": 1, "413": 1}, "unknown": {"400": 1}}
    assert audit["events"] == {"issued": 1}
    assert audit["in_flight"] == {}
    assert audit["most_in_flight"]["commissions.issue"] == 1
    assert (audit["last_sequence"], audit["forgotten"]) == (1, 0)


def test_the_world_tells_tokens_that_work(call):
    world = call.control.world()
    user = next(row for row in world["users"] if row["username"] == "user07@example.org")
    assert call.account("GET", "quotas", user["token"]).status_code == 200
    component = next(row for row in world["components"] if row["name"] == "pithos")
    assert call.account("GET", "commissions", component["token"]).status_code == 200
    shared = next(row for row in world["projects"] if row["uuid"] == call.shared)
    assert user["uuid"] in shared["members"]
    assert "cyclades.vm" in world["resources"]


def test_a_limit_is_set_and_usage_stays(call):
    call.serial(call.vm(3))
    call.set_limit(2)
    holder = f"user:{call.user}"
    row = call.control.holding(holder, f"project:{call.user}", "cyclades.vm")
    assert (row["limit"], row["usage_max"]) == (2, 3)


def test_a_user_is_added_with_limits_of_their_own(call):
    user = call.control.add_user("New@example.org", limits={"cyclades.vm": 1})
    assert user["uuid"] == user_uuid("new@example.org")
    quotas = call.account("GET", "quotas", user["token"]).json()
    assert quotas[user["uuid"]]["cyclades.vm"]["limit"] == 1
    assert quotas[user["uuid"]]["pithos.diskspace"]["limit"] == 100 << 50


def test_a_component_is_added(call):
    component = call.control.add_component("new", token="sandbox-token-of-new")
    assert call.pending(token=component["token"]) == []


def test_a_project_is_added_with_members_and_limits(call):
    uuid = call.control.add_project(
        "new.example.org",
        owner="user02@example.org",
        members=["user01@example.org", user_uuid("user02@example.org")],
        limits={"cyclades.vm": 7, "cyclades.cpu": 3},
        member_limits={"cyclades.vm": 2},
    )
    assert uuid == project_uuid("new.example.org")
    figures = call.account("GET", "quotas", "sandbox-token-of-user01").json()[uuid]
    assert (figures["cyclades.vm"]["limit"], figures["cyclades.vm"]["project_limit"]) == (2, 7)
    assert (figures["cyclades.cpu"]["limit"], figures["cyclades.ram"]["limit"]) == (3, 0)
    row = next(row for row in call.control.world()["projects"] if row["uuid"] == uuid)
    assert row["owner"] == user_uuid("user02@example.org")


def test_a_resource_is_added_and_is_in_every_project_at_once(call):
    call.control.add_resource("cyclades.gpu", "cyclades_compute", system_default=4)
    quotas = call.account("GET", "quotas", "sandbox-token-of-user01").json()
    assert quotas[call.user]["cyclades.gpu"]["limit"] == 4
    assert quotas[call.shared]["cyclades.gpu"]["limit"] == 0


def test_an_admin_is_added(call):
    token = call.control.add_user("boss@example.org", admin=True)["token"]
    assert len(call.account("GET", "projects", token).json()) > 20


def test_a_token_is_revoked_and_restored(call):
    call.control.revoke_token(component="cyclades")
    assert call.issue(call.vm(1)).status_code == 401
    call.control.restore_token(component="cyclades")
    assert call.issue(call.vm(1)).status_code == 201
    call.control.revoke_token(user="user01@example.org")
    assert call.log_in("sandbox-token-of-user01").status_code == 401


def test_a_token_is_rotated(call):
    call.control.rotate_token("another", component="cyclades")
    assert call.issue(call.vm(1)).status_code == 401
    assert call.issue(call.vm(1), token="another").status_code == 201
    call.control.rotate_token("third", user=call.user)
    assert call.account("GET", "quotas", "third").status_code == 200


def test_a_snapshot_brings_serials_back_as_a_restored_backup_does(call):
    first = call.serial(call.vm(1), name="kept")
    call.control.snapshot("early")
    call.accept(first)
    second = call.serial(call.vm(2), name="forgotten")
    call.control.restore("early")
    assert call.pending() == [first]
    assert call.counters() == "0/1"
    assert call.serial(call.vm(4), name="another") == second
    # The audit is not Astakos', and forgets nothing.
    names = [row["name"] for row in call.control.journal() if row["event"] == "issued"]
    assert names == ["kept", "forgotten", "another"]


def test_a_snapshot_can_be_restored_again_and_again(call):
    call.control.snapshot()
    for _ in range(2):
        assert call.serial(call.vm(1)) == 1
        call.control.restore()


def test_a_reset_brings_the_seed_back(call):
    call.serial(call.vm(1))
    call.control.set_faults({"kind": "hang"})
    call.control.set_cost("real")
    call.control.set_quirks(["unsorted-list"])
    call.control.reset()
    assert call.control.faults()["rules"] == []
    assert call.control.cost()["issue_ms"] == 0
    assert call.control.journal() == []
    assert call.counters() == "0/0"
    assert [call.serial() for _ in range(20)] == call.pending()


def test_a_cost_is_a_preset_with_figures_over_it(call):
    call.control.set_cost("real", servers=2)
    cost = call.control.cost()
    assert (cost["issue_ms"], cost["serial_ms"], cost["servers"]) == (3.7, 1.8, 2)
    assert call.serial(call.vm(1)) == 1
    call.control.set_cost("none")
    assert call.control.cost()["issue_ms"] == 0


def test_the_list_is_unsorted_on_request(call):
    serials = [call.serial() for _ in range(20)]
    call.control.set_quirks(["unsorted-list"])
    pending = call.pending()
    assert pending != serials
    assert sorted(pending) == serials


@pytest.mark.parametrize(
    ("steer", "complaint"),
    [
        (lambda control: control.set_limit("user:nobody", None, "x", 1), "no holding"),
        (lambda control: control.set_limit("user:nobody", None, "x", -1), "between 0 and"),
        (lambda control: control.add_user("user01@example.org"), "is a user"),
        (lambda control: control.add_user("n@x.org", token=PITHOS[:-6] + "user01"), "has that"),
        (lambda control: control.add_user("n@x.org", limits={"vm": 1}), "is no resource"),
        (lambda control: control.add_component("pithos"), "is a component"),
        (lambda control: control.add_component("other", token=PITHOS), "has that token"),
        (lambda control: control.rotate_token(PITHOS, component="cyclades"), "has that token"),
        (lambda control: control.revoke_token(component="nova"), "there is: astakos, cyc"),
        (lambda control: control.revoke_token(user="nobody"), "no user 'nobody'"),
        (lambda control: control.revoke_token(), "user is missing"),
        (lambda control: control.set_faults({"kind": "boom"}), "no kind of fault"),
        (lambda control: control.set_cost("cheap"), "no preset 'cheap'"),
        (lambda control: control.set_cost(isue_ms=1), "no 'isue_ms'"),
        (lambda control: control.set_quirks(["odd"]), "unsorted-list"),
        (lambda control: control.restore("never"), "no snapshot 'never'; there is"),
        (lambda control: control.holding("user:nobody", None, "x"), "no holding"),
        (lambda control: control.outage(-1), "0 or more"),
        (lambda control: control.outage("inf"), "0 or more"),
        (lambda control: control.advance_clock(1e300), "no time any more"),
        (lambda control: control.advance_clock(3e11), "no time any more"),
        (lambda control: control.advance_clock(True), "seconds must be a number"),
        (lambda control: control.add_user("n@x.org", admin="yes"), "true or false"),
        (lambda control: control.add_user("n%d@x.org", count=2), "one user at a time"),
        (lambda control: control.add_user("n@x.org", actve=False), "did you mean 'active'"),
        (lambda control: control.add_user("n@x.org", groups="staff"), "groups must be a list"),
        (lambda control: control.add_resource("x", "nowhere"), "no service"),
        (lambda control: control.add_resource("cyclades.vm", "x"), "is a resource"),
        (lambda control: control.add_resource("x", "cyclades_compute", system_default=-1), "betw"),
        (
            lambda control: control.add_project("x.org", members=["nobody"]),
            "no user matches 'nobody'",
        ),
        (lambda control: control.add_project("x.org", owner="nobody"), "no user 'nobody'"),
        (lambda control: control.add_project("shared.example.org"), "is a project"),
        (lambda control: control.add_project("x.org", limits={"vm": 1}), "is no resource"),
        (lambda control: control.add_project("x.org", join_policy="odd"), "one of: auto"),
        (lambda control: control.add_oauth_client("sandbox-client", "https://x.org"), "is an OAu"),
        (lambda control: control.add_oauth_client("x", "nowhere"), "no absolute URL"),
        (lambda control: control.add_oauth_token("nobody"), "no user 'nobody'"),
        (lambda control: control.add_oauth_token("user01@example.org", seconds=1e15), "too much"),
    ],
)
def test_a_control_that_makes_no_sense_is_refused_with_its_remedy(call, steer, complaint):
    before = call.control.holdings()
    with pytest.raises(ControlError, match=complaint):
        steer(call.control)
    assert call.control.holdings() == before


def test_an_unknown_control_tells_which_there_are(call):
    reply = requests.get(f"{call.server.url}/_control/nothing", timeout=10)
    assert reply.status_code == 404
    assert "GET /_control/holdings" in reply.json()["error"]


def test_controls_can_be_used_with_nothing_but_a_url(call):
    """As with `curl`: parameters of the query will do."""
    call.serial(call.vm(1))
    url = f"{call.server.url}/_control/commissions?component=cyclades"
    assert len(requests.get(url, timeout=10).json()) == 1
    bad = requests.put(f"{call.server.url}/_control/limits", data=b"[", timeout=10)
    assert bad.status_code == 400


def test_a_sandbox_that_is_not_there_is_a_control_error():
    with pytest.raises(ControlError, match="does not answer"):
        ControlClient("http://127.0.0.1:1").holdings()
