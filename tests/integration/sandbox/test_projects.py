"""Projects that are there: conformance checks 57, 58 and 63 of the protocol."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from astakos_worker.sandbox.seed import project_uuid, user_uuid
from astakos_worker.sandbox.server import SandboxServer

VM = "cyclades.vm"


def test_s57_an_action_must_be_about_the_project_s_latest_application(projects):
    project, application = projects.applied()
    other, other_application = projects.applied(projects.other)
    assert projects.decide(project, 999, "approve") == 404
    assert projects.decide(project, other_application, "approve") == 409
    assert projects.decide("unknown", application, "approve") == 409
    assert projects.decide(other, other_application, "approve") == 200
    assert projects.decide(other, other_application, "approve") == 409


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"explode": {}},
        {"suspend": {}, "terminate": {}},
        {"suspend": ""},
        {"suspend": {"reason": 5}},
        {"approve": {}},
        {"approve": {"app_id": "1"}},
        {"approve": {"app_id": True}},
        [],
    ],
    ids=str,
)
def test_s57_an_action_is_one_object_under_one_known_key(projects, body):
    project, _ = projects.applied()
    path = f"projects/{project}/action"
    assert projects.ask("POST", path, projects.admin, body).status_code == 400


def test_s57_actions_that_do_not_fit_the_state_are_conflicts(projects):
    project = projects.active()
    assert projects.act(project, "suspend", projects.owner) == 403
    assert projects.act("unknown", "suspend", projects.owner) == 404
    assert projects.act(project, "unsuspend") == 409
    assert projects.act(project, "suspend") == 200
    assert projects.act(project, "suspend") == 409
    assert projects.act(project, "reinstate") == 409
    assert projects.act(project, "terminate") == 200
    assert projects.act(project, "terminate") == 409
    assert projects.act(projects.owner_uuid, "terminate") == 409
    uninitialized, _ = projects.applied()
    assert projects.act(uninitialized, "suspend") == 409


def test_s57_approving_a_change_wakes_a_project_from_suspension_and_termination(projects):
    project = projects.active()
    for action in ("suspend", "terminate"):
        assert projects.act(project, action) == 200
        change = projects.modify(project, description=action).json()["application"]
        assert projects.decide(project, change, "approve") == 200
        assert projects.show(project)["state"] == "active"
        assert projects.limit(project) == 20


@pytest.mark.parametrize(("down", "up"), [("suspend", "unsuspend"), ("terminate", "reinstate")])
def test_s58_without_the_project_there_are_no_limits_and_usage_stays(projects, down, up):
    project = projects.active(join_policy="auto")
    projects.member(project)
    member = {"holder": f"user:{projects.other_uuid}", "source": f"project:{project}"}
    whole = {"holder": f"project:{project}", "source": None}
    taken = [{**each, "resource": VM, "quantity": 3} for each in (member, whole)]
    projects.call.serial(*taken, auto_accept=True)

    def holdings():
        rows = [projects.call.control.holding(*each.values(), VM) for each in (member, whole)]
        return [(row["limit"], row["usage_min"], row["usage_max"]) for row in rows]

    assert projects.act(project, down) == 200
    assert holdings() == [(0, 3, 3), (0, 3, 3)]
    assert projects.show(project)["deactivation_date"].endswith("+00:00")
    assert "deactivation_date" not in projects.show(project, projects.other)
    assert projects.act(project, up) == 200
    assert holdings() == [(5, 3, 3), (20, 3, 3)]
    assert "deactivation_date" in projects.show(project)


def test_s63_each_mode_lists_the_projects_that_it_says(projects):
    mine, foreign = projects.active(), projects.active(name="foreign.example.org")
    hidden = projects.active(name="hidden.example.org", private=True, join_policy="auto")
    suspended = projects.active(name="late.example.org", join_policy="auto")
    for project in (hidden, suspended):
        projects.member(project)
    assert projects.act(suspended, "suspend") == 200
    shared = project_uuid("shared.example.org")
    own = {projects.other_uuid, shared}
    assert projects.listed(projects.other, "?mode=member") == {*own, hidden}
    assert projects.listed(projects.other) == {*own, hidden, suspended}
    assert projects.listed(projects.other, "?mode=related") == {*own, hidden, suspended}
    public = {mine, foreign, shared, project_uuid("crowded.example.org")}
    assert projects.listed(projects.other, "?mode=active") == public
    assert {mine, foreign, hidden, suspended} <= projects.listed(projects.owner)
    everything = set(projects.call.server.sandbox.astakos.database.projects)
    for mode in ("default", "related", "active"):
        assert projects.listed(projects.admin, f"?mode={mode}") == everything
    admin = user_uuid("admin@example.org")
    assert projects.listed(projects.admin, "?mode=member") == {admin}


def test_s63_lists_can_be_narrowed(projects):
    mine, other = projects.active(), projects.active(name="foreign.example.org")
    waiting, _ = projects.applied(projects.other, name="waiting.example.org")
    assert projects.act(other, "suspend") == 200
    admin = projects.admin
    assert projects.listed(admin, "?name=lab.example.org") == {mine}
    assert projects.listed(admin, f"?owner={projects.other_uuid}") == {waiting}
    assert projects.listed(admin, f"?owner={projects.owner_uuid}&state=suspended") == {other}
    assert projects.listed(admin, "?state=uninitialized&colour=red") == {waiting}
    assert projects.listed(admin, "?name=nobody.example.org") == set()


@pytest.mark.parametrize("query", ["mode=x", "state=x", "state=", "mode=MEMBER"])
def test_s63_unknown_modes_and_states_are_bad_requests(projects, query):
    assert projects.ask("GET", f"projects?{query}", projects.owner).status_code == 400


def test_one_project_is_shown_to_those_whom_it_concerns(projects):
    project = projects.active(private=True, join_policy="auto")

    def status(token):
        return projects.ask("GET", f"projects/{project}", token).status_code

    assert (status(projects.owner), status(projects.admin), status(projects.other)) == (
        200,
        200,
        403,
    )
    projects.member(project)
    assert status(projects.other) == 200
    assert projects.ask("GET", "projects/unknown", projects.other).status_code == 404
    assert projects.ask("GET", "projects/un/known", projects.other).status_code == 400


def test_a_system_project_is_shown_as_one(projects):
    shown = projects.show(projects.owner_uuid)
    assert shown["name"] == f"system:{projects.owner_uuid}"
    assert (shown["owner"], shown["system_project"], shown["private"]) == (None, True, True)
    assert (shown["join_policy"], shown["max_members"]) == ("closed", 1)
    assert "cyclades.hidden" not in shown["resources"]


def test_an_end_date_passes_when_the_clock_is_advanced(projects):
    """Nothing ends by itself: an operator's command does it, here `terminate_expired`."""
    control = projects.call.control
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    project = projects.active(end_date=tomorrow)
    lasting = projects.active(name="lasting.example.org")
    assert control.terminate_expired() == []
    control.advance_clock(2 * 86400)
    assert projects.create(end_date=tomorrow).status_code == 400
    assert control.terminate_expired() == [project]
    assert control.terminate_expired() == []
    assert (projects.show(project)["state"], projects.show(lasting)["state"]) == (
        "terminated",
        "active",
    )
    assert projects.limit(project) == 0


def test_numbers_name_projects_with_the_quirk_for_that(projects):
    project = projects.active(join_policy="auto")
    number = projects.call.server.sandbox.astakos.database.projects[project].number
    assert projects.act(number, "suspend") == 404
    assert projects.join(number).status_code == 404
    projects.call.control.set_quirks(["numeric-project-ids"])
    assert projects.act(number, "suspend") == 200
    assert projects.modify(number, description="x").json()["id"] == project
    assert projects.act(number, "unsuspend") == 200
    assert projects.join(number).status_code == 200
    assert projects.ask("GET", f"projects/{number}", projects.owner).status_code == 404


def test_a_world_without_pending_app_charges_nothing(projects, caller_of):
    """A seed of one's own need not know that resource."""
    seed = """
[[users]]
name = "user10@example.org"
token = "sandbox-token-of-user10"
[[users]]
name = "admin@example.org"
token = "sandbox-token-of-admin"
admin = true
"""
    with SandboxServer(seed) as server:
        alone = type(projects)(caller_of(server))
        project, application = alone.applied(resources={})
        assert alone.decide(project, application, "approve") == 200
